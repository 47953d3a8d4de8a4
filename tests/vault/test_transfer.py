"""Documents over HTTP: the form parser, the way to the sealer, and the download."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kernel.errors import DomainError, PayloadTooLarge
from tests.asgi import client_of
from tests.vault.vault_builders import MIB, NOON, Vault, a_dicom, a_pdf, an_entry
from vault import transfer
from vault.api import (
    Document,
    MalformedUpload,
    asked_range,
    document_response,
    get_version,
    open_document,
    parse_kind,
    read_upload,
    receive_document,
)
from vault.errors import UploadStalled
from vault.transfer import BLOCK_BYTES, MAX_FIELDS, MAX_FIELDS_BYTES

LIMIT = 10 * MIB
BOUNDARY = "frontier"


def part(name: str, content: bytes, *, filename: str | None = None, extra: str = "") -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n{extra}\r\n"
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def form(content: bytes = b"%PDF-1.7 x") -> bytes:
    return (
        part("form_token", b"t0k3n")
        + part("title", "Справка".encode())
        + part("file", content, filename="a.pdf", extra="Content-Type: application/pdf\r\n")
        + END
    )


def a_request(
    packets: list[bytes],
    *,
    length: int | None = None,
    content_type: str = f"multipart/form-data; boundary={BOUNDARY}",
    disconnects: bool = False,
    stalls: bool = False,
    on_read: Callable[[int], None] = lambda _: None,
) -> Request:
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    messages: list[dict[str, object]] = [
        {"type": "http.request", "body": packet, "more_body": True} for packet in packets
    ]
    messages.append(
        {"type": "http.disconnect"}
        if disconnects
        else {"type": "http.request", "body": b"", "more_body": False}
    )
    waiting = iter(messages)

    async def receive() -> dict[str, object]:
        message = next(waiting)
        if stalls and not message.get("body"):
            await asyncio.sleep(3600)
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        on_read(len(body))
        return message

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


def upload(
    request: Request, *, limit: int = LIMIT, block_seconds: float = 30
) -> tuple[dict[str, str], str, list[bytes]]:
    """Read a form as a route does; the file as the blocks that the sealing thread saw."""

    async def run() -> tuple[dict[str, str], str, list[bytes]]:
        received = await read_upload(request, limit=limit, block_seconds=block_seconds)
        blocks = await received.consume(list)
        return dict(received.fields), received.filename, blocks

    return asyncio.run(run())


class TestForm:
    @pytest.mark.spec("RFC7578-4.2")
    @pytest.mark.parametrize("packet", [1, 7, 64, 10_000])
    def test_fields_then_the_file_however_it_is_cut(self, packet: int) -> None:
        body = form()
        packets = [body[i : i + packet] for i in range(0, len(body), packet)]

        fields, filename, blocks = upload(a_request(packets))

        assert fields == {"form_token": "t0k3n", "title": "Справка"}
        assert filename == "a.pdf"
        assert b"".join(blocks) == b"%PDF-1.7 x"

    @given(st.binary(max_size=400), st.integers(1, 90))
    def test_any_content_passes_unchanged(self, content: bytes, packet: int) -> None:
        body = form(content)
        packets = [body[i : i + packet] for i in range(0, len(body), packet)]

        _, _, blocks = upload(a_request(packets))

        assert b"".join(blocks) == content

    @pytest.mark.parametrize(
        "content", [b"\r\n--frontie", b"--frontier", b"\r\n--frontierx", b"\r\n", b"\r\n\r\n--"]
    )
    def test_content_that_looks_like_a_delimiter(self, content: bytes) -> None:
        body = form(content)

        _, _, blocks = upload(a_request([bytes([byte]) for byte in body]))

        assert b"".join(blocks) == content

    def test_a_large_file_reaches_the_thread_in_blocks(self) -> None:
        body = form(a_pdf(5 * MIB))
        packets = [body[i : i + 65536] for i in range(0, len(body), 65536)]

        _, _, blocks = upload(a_request(packets))

        assert b"".join(blocks) == a_pdf(5 * MIB)
        assert max(map(len, blocks)) < BLOCK_BYTES + 65536
        assert len(blocks) <= 6

    def test_no_more_is_read_than_is_used(self) -> None:
        """A slow disk slows the sender down: nothing piles up in memory."""
        read: list[int] = []
        body = form(a_pdf(8 * MIB))
        packets = [body[i : i + 65536] for i in range(0, len(body), 65536)]
        request = a_request(packets, on_read=read.append)

        async def run() -> list[int]:
            received = await read_upload(request, limit=LIMIT)
            return await received.consume(lambda chunks: [sum(read) for _ in chunks])

        seen = asyncio.run(run())

        for blocks, read_by_then in enumerate(seen, 1):
            assert read_by_then <= blocks * (BLOCK_BYTES + 65536) + 65536


class TestRefusals:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            END,
            b"no delimiter at all",
            part("title", b"x") + END,
            form()[: -len(END)],
            form()[:-6],
            form()[:40],
            part("file", b"%PDF-1.7", filename="a") + part("late", b"field") + END,
            part("file", b"%PDF-1.7", filename="a") + part("two", b"%PDF", filename="b") + END,
            part("title", b"x") + part("title", b"y") + part("file", b"%PDF", filename="a") + END,
            part("title", b"\xff\xfe") + part("file", b"%PDF", filename="a") + END,
            part("file", b"JVBERi0=", filename="a", extra="Content-Transfer-Encoding: base64\r\n")
            + END,
            f"--{BOUNDARY}\r\nContent-Type: text/plain\r\n\r\nx\r\n".encode() + END,
            f"--{BOUNDARY}\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n".encode()
            + END,
            b"".join(part(f"f{i}", b"") for i in range(MAX_FIELDS + 1))
            + part("file", b"%PDF", filename="a")
            + END,
            b"--" + BOUNDARY.encode() + b"\r\nbad header\r\n\r\nx\r\n" + END,
        ],
        ids=[
            "empty",
            "no parts",
            "no form",
            "no file",
            "no closing delimiter",
            "cut in the closing delimiter",
            "cut in a header",
            "a field after the file",
            "two files",
            "a field twice",
            "not UTF-8",
            "a transfer encoding",
            "no name",
            "not form-data",
            "too many fields",
            "a malformed header",
        ],
    )
    def test_a_malformed_form(self, body: bytes) -> None:
        for packets in ([body], [bytes([byte]) for byte in body]):
            with pytest.raises(MalformedUpload):
                upload(a_request(packets))

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/mixed; boundary=frontier",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=" + "b" * 300,
        ],
    )
    def test_another_content_type(self, content_type: str) -> None:
        with pytest.raises(MalformedUpload):
            upload(a_request([form()], content_type=content_type))

    def test_a_declared_length_over_the_limit_is_refused_unread(self) -> None:
        read: list[int] = []

        with pytest.raises(PayloadTooLarge):
            upload(a_request([form()], length=2 * 1024 * MIB, on_read=read.append))

        assert read == []

    @pytest.mark.parametrize("declared", [None, 100])
    def test_more_than_the_limit_without_saying_so(self, declared: int | None) -> None:
        body = form(a_pdf(2 * MIB))

        with pytest.raises(PayloadTooLarge):
            upload(a_request([body], length=declared), limit=MIB)

    def test_exactly_the_limit_is_taken(self) -> None:
        _, _, blocks = upload(a_request([form(a_pdf(1000))]), limit=1000)
        with pytest.raises(PayloadTooLarge):
            upload(a_request([form(a_pdf(1001))]), limit=1000)

        assert b"".join(blocks) == a_pdf(1000)

    @pytest.mark.parametrize("fields", [1, 4])
    def test_fields_that_are_too_long(self, fields: int) -> None:
        size = 2 * MAX_FIELDS_BYTES // fields
        body = b"".join(part(f"f{i}", b"x" * size) for i in range(fields))
        packets = [body[i : i + 1000] for i in range(0, len(body), 1000)]

        with pytest.raises(PayloadTooLarge):
            upload(a_request(packets))

    def test_a_client_that_goes_away(self) -> None:
        with pytest.raises(ClientDisconnect):
            upload(a_request([form(a_pdf(MIB))[: MIB // 2]], disconnects=True))

    @pytest.mark.parametrize("sent", [60, MIB // 2], ids=["in a field", "in the file"])
    def test_a_sender_that_stops_sending(self, sent: int) -> None:
        body = form(a_pdf(MIB))

        with pytest.raises(UploadStalled):
            upload(a_request([body[:sent]], stalls=True), block_seconds=0.05)

    def test_more_uploads_than_slots_wait_for_one_another(self) -> None:
        async def run() -> list[int]:
            async def one() -> int:
                received = await read_upload(a_request([form()]), limit=LIMIT)
                return await received.consume(lambda chunks: len(list(chunks)))

            return await asyncio.gather(*(one() for _ in range(transfer.UPLOADS_AT_ONCE + 8)))

        assert set(asyncio.run(run())) == {1}

    @given(st.lists(st.binary(max_size=60), max_size=6))
    def test_noise_is_refused_and_nothing_else(self, packets: list[bytes]) -> None:
        with pytest.raises(DomainError):
            upload(a_request([f"--{BOUNDARY}\r\n".encode(), *packets]))


@pytest.fixture
def app(vault: Vault) -> Starlette:
    """A route for each direction, as short as the portal's."""

    async def take(request: Request) -> Response:
        received = await read_upload(request, limit=LIMIT)
        kind = parse_kind(received.fields["kind"])
        person_id = vault.a_person()
        document = await received.consume(
            lambda chunks: receive_document(
                vault.sessions,
                vault.blobs,
                person_id=person_id,
                kind=kind,
                chunks=chunks,
                limit=LIMIT,
                at=NOON,
            )
        )
        return JSONResponse({"type": document.media_type})

    async def give(request: Request) -> Response:
        document: Document = request.app.state.document
        entry = vault.entry(document.person_id, an_entry(kind=document.kind))
        with vault.sessions() as session:
            sealed = get_version(session, entry, document.document_id)
        asked = asked_range(request, sealed)
        opened = open_document(vault.keyring, entry, sealed, vault.blobs, asked)
        return document_response(opened, title=document.title)

    async def refuse(_: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, DomainError)
        return JSONResponse({"code": refusal.code}, refusal.status)

    return Starlette(
        routes=[Route("/take", take, methods=["POST"]), Route("/give", give)],
        exception_handlers={DomainError: refuse},
    )


@pytest.fixture
def client(app: Starlette) -> Iterator[httpx.Client]:
    with client_of(app) as client:
        yield client


class TestUpload:
    def test_a_file_is_sealed_while_it_arrives(self, client: httpx.Client, vault: Vault) -> None:
        answer = client.post(
            "/take",
            data={"kind": "ct_scan"},
            files={"file": ("scan.dcm", a_dicom(3 * MIB), "application/x-anything")},
        )

        assert answer.json() == {"type": "application/dicom"}
        assert len(vault.blob_files()) == 1

    @pytest.mark.parametrize(
        ("kind", "content", "status"),
        [("ct_scan", a_pdf(), 400), ("ct_scan", b"", 400), ("ct_scan", a_dicom(LIMIT + 1), 413)],
    )
    def test_a_refused_file_leaves_nothing(
        self, client: httpx.Client, vault: Vault, kind: str, content: bytes, status: int
    ) -> None:
        answer = client.post("/take", data={"kind": kind}, files={"file": ("x", content)})

        assert answer.status_code == status
        assert vault.blob_files() == []


class TestDownload:
    @pytest.mark.spec("RFC6266-4")
    def test_the_whole_with_its_headers(
        self, app: Starlette, client: httpx.Client, vault: Vault
    ) -> None:
        content = a_pdf(2 * MIB)
        app.state.document = vault.store(vault.a_person(), content, title='Справка "2/НДФЛ"; x=1')

        answer = client.get("/give")

        assert answer.status_code == 200
        assert answer.content == content
        headers = answer.headers
        assert headers["content-type"] == "application/pdf"
        assert headers["content-length"] == str(len(content))
        assert headers["accept-ranges"] == "bytes"
        assert headers["cache-control"] == "private, no-store"
        assert "sandbox" in headers["content-security-policy"]
        name = "%D0%A1%D0%BF%D1%80%D0%B0%D0%B2%D0%BA%D0%B0%20%222_%D0%9D%D0%94%D0%A4%D0%9B%22"
        assert headers["content-disposition"] == (
            f"attachment; filename*=UTF-8''{name}%3B%20x%3D1.pdf"
        )

    @pytest.mark.spec("RFC9110-14.1.1")
    @pytest.mark.spec("RFC9110-14.4")
    @pytest.mark.spec("RFC9110-15.3.7")
    def test_a_part(self, app: Starlette, client: httpx.Client, vault: Vault) -> None:
        content = a_pdf(2 * MIB)
        app.state.document = vault.store(vault.a_person(), content)

        answer = client.get("/give", headers={"range": f"bytes={MIB}-{MIB + 9}"})

        assert answer.status_code == 206
        assert answer.content == content[MIB : MIB + 10]
        assert answer.headers["content-range"] == f"bytes {MIB}-{MIB + 9}/{2 * MIB}"

    @pytest.mark.spec("RFC9110-13.1.5")
    @pytest.mark.parametrize(("condition", "status"), [('"v1"', 206), ('"v2"', 200), ("W/x", 200)])
    def test_a_part_of_the_version_the_client_has(
        self, app: Starlette, client: httpx.Client, vault: Vault, condition: str, status: int
    ) -> None:
        app.state.document = vault.store(vault.a_person(), a_pdf())

        answer = client.get("/give", headers={"range": "bytes=0-9", "if-range": condition})

        assert answer.status_code == status

    @pytest.mark.spec("RFC9110-15.5.17")
    def test_a_part_that_is_not_there(
        self, app: Starlette, client: httpx.Client, vault: Vault
    ) -> None:
        app.state.document = vault.store(vault.a_person(), a_pdf())

        answer = client.get("/give", headers={"range": "bytes=99999-"})

        assert answer.status_code == 416

    def test_damage_in_the_first_segment_is_a_clear_refusal(
        self, app: Starlette, client: httpx.Client, vault: Vault
    ) -> None:
        app.state.document = vault.store(vault.a_person(), a_pdf())
        damage(vault, lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]))

        answer = client.get("/give")

        assert (answer.status_code, answer.json()) == (500, {"code": "undecryptable"})

    def test_damage_further_on_breaks_the_connection(
        self, app: Starlette, client: httpx.Client, vault: Vault
    ) -> None:
        """The answer has begun; it must not look complete."""
        app.state.document = vault.store(vault.a_person(), a_pdf(3 * MIB))
        damage(vault, lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]))

        with pytest.raises(RuntimeError, match="response already started"):
            client.get("/give")

    def test_read_in_a_coroutine_as_in_a_thread(self, vault: Vault) -> None:
        document = vault.store(vault.a_person(), a_pdf(3 * MIB), title="x")
        entry = vault.entry(document.person_id)
        with vault.sessions() as session:
            sealed = get_version(session, entry, document.document_id)

        async def read() -> bytes:
            opened = open_document(vault.keyring, entry, sealed, vault.blobs)
            return b"".join([part async for part in opened])

        assert asyncio.run(read()) == a_pdf(3 * MIB)


def damage(vault: Vault, how: Callable[[bytes], bytes]) -> None:
    (blob,) = vault.blob_files()
    path = vault.folder / blob
    path.write_bytes(how(path.read_bytes()))
