"""Documents at addresses that clients chose: what is fetched, what never is."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import orjson
import pytest
from typing_extensions import override

from idp import remote
from idp.policy import Policy
from idp.remote import LARGEST_ANSWER, NotFetched, fetch_json, fetch_text
from idp.remote_keys import MOST_FETCHES, RemoteKeys
from kernel.outbound import tls_context
from tests.idp.certificates import make, name
from tests.idp.pure import EC_KEY, NOON, OTHER_EC_KEY, public_jwk, signed

STRICT, OPEN = Policy(), Policy(allows_http=True)
ADDRESS = "https://rp.example/jwks"


class Site(httpx.AsyncBaseTransport):
    """A client's own site."""

    def __init__(self, answer: httpx.Response | Exception) -> None:
        self.answer = answer
        self.asked = 0
        self.asked_for: list[str] = []
        self.hosts: list[str] = []

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.asked_for.append(str(request.url))
        self.hosts.append(request.headers["host"])
        if isinstance(self.answer, Exception):
            raise self.answer
        return httpx.Response(
            self.answer.status_code, headers=self.answer.headers, content=self.answer.content
        )


def site(content: object = None, status: int = 200, **headers: str) -> Site:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return Site(httpx.Response(status, content=body, headers=headers))


def fetch(uri: str, at: Site, policy: Policy = OPEN) -> object:
    return asyncio.run(fetch_json(uri, policy=policy, transport=at))


class TestFetch:
    def test_document_is_returned(self) -> None:
        assert fetch(ADDRESS, site({"a": 1})) == {"a": 1}

    @pytest.mark.parametrize(
        "at",
        [
            site({}, status=404),
            site({}, status=302, location="http://127.0.0.1/"),
            site(b"not json"),
            site(b"x" * (LARGEST_ANSWER + 1)),
            Site(httpx.ConnectError("refused")),
            Site(httpx.ReadTimeout("slow")),
        ],
        ids=["missing", "redirect", "no json", "large", "refused", "slow"],
    )
    def test_anything_else_is_not(self, at: Site) -> None:
        with pytest.raises(NotFetched):
            fetch(ADDRESS, at)
        assert at.asked == 1

    def test_packed_answer_is_not_unpacked(self) -> None:
        """A few bytes of it could be a thousand times as many."""

        class Packed(Site):
            @override
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                self.asked += request.headers["accept-encoding"] == "identity"
                headers = {"content-encoding": "gzip"}
                return httpx.Response(200, headers=headers, content=gzip.compress(b"{}"))

        at = Packed(httpx.Response(200))

        with pytest.raises(NotFetched):
            fetch(ADDRESS, at)
        assert at.asked == 1

    def test_who_sends_a_byte_now_and_then_holds_nobody_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Dripping(httpx.AsyncByteStream):
            @override
            async def __aiter__(self) -> AsyncIterator[bytes]:
                for _ in range(1000):
                    await asyncio.sleep(0.001)
                    yield b" "

        class Slow(Site):
            @override
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                return httpx.Response(200, stream=Dripping())

        monkeypatch.setattr(remote, "LONGEST_FETCH", 0.01)

        with pytest.raises(NotFetched, match="TimeoutError"):
            fetch(ADDRESS, Slow(httpx.Response(200)))

    @pytest.mark.parametrize(
        "uri",
        [
            "http://rp.example/jwks",
            "file:///etc/passwd",
            "ftp://rp.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://0.0.0.0/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:a00:1::1]/",
            "https://224.0.0.1/",
            "https://localhost/",
            "gopher://rp.example",
            "jwks",
        ],
    )
    def test_strict_policy_asks_nobody_inside(self, uri: str) -> None:
        at = site({})

        with pytest.raises(NotFetched):
            fetch(uri, at, STRICT)
        assert at.asked == 0

    @pytest.mark.parametrize("policy", [OPEN, STRICT], ids=["open", "strict"])
    @pytest.mark.parametrize("uri", ["https://[::1", "https://xn--/", "//\0"])
    def test_address_of_no_host_is_not_asked(self, uri: str, policy: Policy) -> None:
        at = site({})

        with pytest.raises(NotFetched):
            fetch(uri, at, policy)
        assert at.asked == 0

    def test_demonstration_may_ask_its_own_machine(self) -> None:
        assert fetch("http://127.0.0.1:8001/jwks", site({"a": 1})) == {"a": 1}

    def test_connects_to_the_very_address_that_was_looked_at(self) -> None:
        """A name that resolves to something inside a moment later gains nothing."""
        at = site({"a": 1})

        assert fetch("https://8.8.8.8:8443/jwks", at, STRICT) == {"a": 1}
        assert at.asked_for == ["https://8.8.8.8:8443/jwks"]
        assert at.hosts == ["8.8.8.8:8443"]

    @pytest.mark.parametrize("content", [b"\xff", "ключ".encode()], ids=["no text", "no ASCII"])
    def test_text_is_ascii(self, content: bytes) -> None:
        with pytest.raises(NotFetched):
            asyncio.run(fetch_text(ADDRESS, policy=OPEN, transport=site(content)))


class TestAuthorities:
    def test_of_an_institution_are_trusted_beside_the_well_known(self, tmp_path: Path) -> None:
        file = tmp_path / "ca.pem"
        file.write_bytes(make(name("Our own authority"), is_authority=True).pem)

        ours, usual = tls_context(file), tls_context(None)

        assert len(ours.get_ca_certs()) == len(usual.get_ca_certs()) + 1
        assert ours.verify_mode == usual.verify_mode == ssl.CERT_REQUIRED

    def test_file_without_one_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "ca.pem"
        file.write_text("nothing")

        with pytest.raises(ssl.SSLError):
            tls_context(file)


class TestKeys:
    TOKEN = signed({}, kid="a")

    def get(
        self, keys: RemoteKeys, needed_for: str | None = TOKEN, seconds: float = 0
    ) -> set[str | None]:
        at = NOON + timedelta(seconds=seconds)
        found = asyncio.run(keys.get(ADDRESS, policy=OPEN, needed_for=needed_for, at=at))
        return {key.kid for key in found}

    def test_keys_are_fetched_when_they_are_needed_and_kept_a_while(self) -> None:
        at = site({"keys": [public_jwk(EC_KEY, kid="a")]})
        keys = RemoteKeys(at)

        assert self.get(keys, None) == set()
        assert at.asked == 0
        for seconds in (0, 100, 299):
            assert self.get(keys, seconds=seconds) == {"a"}
        assert at.asked == 1
        self.get(keys, seconds=300)
        assert at.asked == 2

    @pytest.mark.spec("OIDCC-10.1.1")
    def test_rotated_key_is_found_without_waiting(self) -> None:
        """Also by another client at the same address, and again a moment later."""
        at = site({"keys": [public_jwk(EC_KEY, kid="a")]})
        keys = RemoteKeys(at)
        self.get(keys)

        for seconds, kid in enumerate("bcd", start=1):
            at.answer = httpx.Response(
                200, content=orjson.dumps({"keys": [public_jwk(OTHER_EC_KEY, kid=kid)]})
            )
            assert self.get(keys, signed({}, kid=kid), seconds=seconds) == {kid}

    def test_unknown_kid_does_not_make_us_ask_for_ever(self) -> None:
        at = site({"keys": [public_jwk(EC_KEY, kid="a")]})
        keys = RemoteKeys(at)
        for seconds in range(30):
            self.get(keys, signed({}, kid="guess"), seconds=seconds)
        assert at.asked == MOST_FETCHES

        for seconds in range(30, 60):
            self.get(keys, signed({}, kid="guess"), seconds=seconds)
        assert at.asked == 2 * MOST_FETCHES

    @pytest.mark.parametrize(
        "content",
        [{"keys": "x"}, [], {"keys": [{"kty": "oct", "k": "AA"}]}, b"broken"],
        ids=range(4),
    )
    def test_bad_set_has_no_keys(self, content: object) -> None:
        assert self.get(RemoteKeys(site(content))) == set()

    def test_many_at_once_ask_once(self) -> None:
        at = site({"keys": [public_jwk(EC_KEY, kid="a")]})
        keys = RemoteKeys(at)

        async def all_at_once() -> None:
            await asyncio.gather(
                *(keys.get(ADDRESS, policy=OPEN, needed_for=self.TOKEN, at=NOON) for _ in range(40))
            )

        asyncio.run(all_at_once())
        assert at.asked == 1
