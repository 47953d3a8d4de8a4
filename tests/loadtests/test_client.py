"""The load generator counts what it sent and what came back, and sends nothing twice by mistake."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.client import Load, read_requests, run, write_requests
from loadtests.figures import Figure
from loadtests.machine import http_request

Answer = Callable[[bytes], bytes]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def load_on(answer: Answer, load: Load, connections: int = 4) -> dict[str, object]:
    """Run `load` against a server that answers each request so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                for part in (answer(head)[:20], answer(head)[20:]):  # in two pieces
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                if not answer(head):
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    async def both() -> dict[str, object]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            return await run(server.sockets[0].getsockname()[1], load, connections)

    return asyncio.run(both())


def requests(count: int) -> list[bytes]:
    return [http_request("GET", f"/{number}", host="test") for number in range(count)]


def test_file_of_requests_reads_back(tmp_path: Path) -> None:
    sent = [*requests(3), http_request("POST", "/", host="test", body=b"a\r\n\r\nb")]

    write_requests(tmp_path / "requests", sent)

    assert read_requests(tmp_path / "requests") == sent


def test_each_request_is_sent_once() -> None:
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        if head not in seen:
            seen.append(head)
        return OK

    result = load_on(answer, Load(requests(50), seconds=5, repeat=False))

    assert sorted(seen) == sorted(requests(50))
    assert (result["requests"], result["statuses"]) == (50, {"200": 50})
    assert result["failures"] == 0


def test_repeated_requests_end_with_the_time() -> None:
    result = load_on(lambda _head: OK, Load(requests(1), seconds=0.2, repeat=True))

    assert isinstance(result["requests"], int)
    assert result["requests"] > 10


def test_statuses_are_told_apart() -> None:
    refused = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"

    result = load_on(
        lambda head: refused if b"/1 " in head else OK, Load(requests(3), seconds=5, repeat=False)
    )

    assert result["statuses"] == {"200": 2, "401": 1}


def test_broken_connections_are_counted() -> None:
    result = load_on(lambda _head: b"", Load(requests(9), seconds=5, repeat=False))

    assert result["failures"] == 4
    assert result["requests"] == 0


@pytest.mark.parametrize(
    ("ratio", "target", "is_reached"),
    [(0.5, 0.45, True), (0.44, 0.45, False), (None, 0.45, False), (None, None, True)],
)
def test_figure_says_whether_its_target_is_reached(
    *, ratio: float | None, target: float | None, is_reached: bool
) -> None:
    figure = Figure(name="a.b", value=1234.5, unit="requests/s", ratio=ratio, target=target)

    assert figure.is_reached is is_reached
    assert ("NOT REACHED" in figure.line()) is not is_reached
    assert "1,234" in figure.line() or "1,235" in figure.line()
