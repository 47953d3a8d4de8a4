"""A webhook goes to the public address that was looked at, and nowhere else."""

from collections.abc import Callable

import httpx
import pytest

from partner_api.delivery import Sender


def sender(
    addresses: list[str],
    answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(204),
    *,
    allow_local: bool = False,
) -> tuple[Sender, list[httpx.Request]]:
    sent: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return answer(request)

    return (
        Sender(
            allow_local=allow_local,
            resolve=lambda _host, _port: addresses,
            transport=httpx.MockTransport(handle),
        ),
        sent,
    )


def test_connects_to_the_address_that_was_looked_at_and_names_the_host() -> None:
    to, sent = sender(["93.184.216.34"])

    status = to.send("https://bank.example:8443/hooks?a=1", b"{}", {"webhook-id": "x"})

    assert status == 204
    (request,) = sent
    assert request.url.host == "93.184.216.34"
    assert request.url.port == 8443
    assert request.url.query == b"a=1"
    assert request.headers["host"] == "bank.example:8443"
    assert request.headers["webhook-id"] == "x"
    assert request.extensions["sni_hostname"] == "bank.example"
    assert request.content == b"{}"


def test_address_of_version_6() -> None:
    to, sent = sender(["2606:2800:220:1:248:1893:25c8:1946"])

    assert to.send("https://bank.example/", b"", {}) == 204
    assert sent[0].url.host == "2606:2800:220:1:248:1893:25c8:1946"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.7"],
        ["192.168.1.1"],
        ["172.16.0.1"],
        ["169.254.169.254"],  # where clouds keep credentials
        ["100.64.0.1"],
        ["0.0.0.0"],
        ["224.0.0.1"],
        ["::1"],
        ["fe80::1%eth0"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["93.184.216.34", "127.0.0.1"],  # one bad address among good ones
    ],
)
def test_never_calls_an_address_that_is_not_public(addresses: list[str]) -> None:
    to, sent = sender(addresses)

    assert to.send("https://bank.example/", b"", {}) is None
    assert sent == []


def test_demonstration_calls_this_machine_but_no_neighbour() -> None:
    local, sent = sender(["127.0.0.1"], allow_local=True)
    neighbour, none_sent = sender(["10.0.0.7"], allow_local=True)

    assert local.send("http://localhost:9000/", b"", {}) == 204
    assert neighbour.send("https://bank.example/", b"", {}) is None
    assert len(sent) == 1
    assert none_sent == []


def test_redirect_is_not_followed() -> None:
    to, sent = sender(
        ["93.184.216.34"],
        lambda _: httpx.Response(307, headers={"location": "http://169.254.169.254/"}),
    )

    assert to.send("https://bank.example/", b"", {}) == 307
    assert len(sent) == 1


def test_no_answer_is_none() -> None:
    def broken(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    to, _ = sender(["93.184.216.34"], broken)

    assert to.send("https://bank.example/", b"", {}) is None


@pytest.mark.parametrize("uri", ["https://[::1", "https://a:99999/"])
def test_address_of_no_host_is_none(uri: str) -> None:
    to, _ = sender(["93.184.216.34"])

    assert to.send(uri, b"", {}) is None


def test_name_that_does_not_resolve_is_none() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    assert Sender(allow_local=False, resolve=unknown).send("https://bank.example/", b"", {}) is None
