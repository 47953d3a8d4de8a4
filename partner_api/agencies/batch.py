"""Many questions at once: a line in, a line out, in the order in which they came.

They are answered in the ordinary lane, a hundred a transaction, and sent as they are answered.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from kernel.db import unit_of_work_of
from kernel.errors import DomainError, PayloadTooLarge, Undecryptable
from kernel.secret import sha256
from kernel.web import NO_STORE, check_content_type, parse_form
from partner_api.agencies.asking import Asking, Call
from partner_api.agencies.desk import (
    RESOLVE,
    TRIES,
    Desk,
    RightsKeepChanging,
    check_admitted,
    desk_of,
)
from partner_api.agencies.errors import TooManyQuestions
from partner_api.agencies.evidence import sign_answer, wants_signed
from partner_api.agencies.questions import (
    LONGEST_QUESTION,
    Frame,
    encode,
    make_frame,
    read_batch_line,
)
from partner_api.agencies.service.answering import answer_questions, counts_of, renewed
from partner_api.agencies.statements import admit
from population_register.api import Description

log = structlog.get_logger("civitas.agencies")

MOST_QUESTIONS: Final = 10_000
CHUNK: Final = 100
"""Questions of a batch that are answered in one transaction."""

NDJSON: Final = "application/x-ndjson"


async def resolve_batch(request: Request) -> Response:
    """Answer up to 10,000 questions, one JSON object a line, in and out.

    `legal_basis`, `purpose` and `fields` (comma-separated) are in the query and hold for all. Each
    line has an `id` of yours, and `identifiers`, `attributes` or a `pseudonym`; each answer names
    the `id`. A line that can't be answered is answered with `error`, and the rest goes on. With
    `Accept: application/jwt` each line's answer is signed, and stands in `signed`.
    """
    desk = desk_of(request)
    call = await desk.begin(request, RESOLVE)
    check_content_type(request, NDJSON)
    frame = _frame_of(request)
    lines = await _read_lines(request)
    amount = min(CHUNK, len(lines))
    await desk.entrance.count(call.token.partner_id, at=call.at, amount=amount)
    asking = await _admitted(desk, call, frame)
    answers = _answer_lines(desk, asking, lines, are_signed=wants_signed(request))
    return StreamingResponse(answers, media_type=NDJSON, headers=dict(NO_STORE))


async def _admitted(desk: Desk, call: Call, frame: Frame) -> Asking:
    """Decide what may be given, and spend the assertion and the proof.

    Transaction:
        One statement of its own, committed before anybody is looked for: a batch is answered in
        many transactions.
    """
    statement = admit(has_agency=True, has_assertion=True)
    asking = await desk.decide(call, frame)
    for _ in range(TRIES):
        row = await statement.fetchrow(desk.pool, **asking.binds())
        assert row is not None  # it always answers
        if check_admitted(row):
            return asking
        asking = await run_in_threadpool(desk.decide_anew, call, frame)
    raise RightsKeepChanging


def _frame_of(request: Request) -> Frame:
    query = parse_form(request.scope["query_string"])
    fields = query.get("fields")
    return make_frame(
        query.get("legal_basis", ""),
        query.get("purpose", ""),
        None if fields is None else fields.split(","),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """One question of a batch.

    Attributes:
        line_id: The caller's own; None where it can't be read.
        asked: Who is meant; or, where that can't be read, the members of the answer: an exception
            would keep all that was read with it.
        digest: SHA-256 of the line as it came, without its end.
    """

    line_id: object
    asked: Description | bytes
    digest: bytes


async def _read_lines(request: Request) -> list[_Line]:
    """Read questions as they arrive; what is kept of each is who is meant.

    All of them are read before the first is answered: a client that sends everything before it
    reads anything would otherwise wait for us while we wait for it.

    Raises:
        TooManyQuestions: 400. More than `MOST_QUESTIONS`.
        PayloadTooLarge: 413. A line longer than a question may be.
    """
    lines: list[_Line] = []
    rest = b""
    async for part in request.stream():
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > LONGEST_QUESTION:
            raise PayloadTooLarge
        _read_into(lines, whole)
    _read_into(lines, [rest])
    return lines


def _read_into(lines: list[_Line], raw: list[bytes]) -> None:
    for line in raw:
        if not line.strip():
            continue
        if len(lines) == MOST_QUESTIONS:
            raise TooManyQuestions
        if len(line) > LONGEST_QUESTION:
            raise PayloadTooLarge
        try:
            line_id, asked = read_batch_line(line)
        except DomainError as refusal:
            lines.append(_Line(_id_of(line), _refusal(refusal), b""))
        else:
            lines.append(_Line(line_id, asked, sha256(line)))


def _id_of(line: bytes) -> object:
    """Return the identifier of a line that is refused, where it can be read."""
    try:
        document = orjson.loads(line)
    except ValueError:
        return None
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str | int) and len(str(found)) <= 64 else None  # noqa: PLR2004


async def _answer_lines(
    desk: Desk, asking: Asking, lines: list[_Line], *, are_signed: bool
) -> AsyncIterator[bytes]:
    """Answer in chunks; what was decided once is decided again for each chunk."""
    for start in range(0, len(lines), CHUNK):
        chunk = lines[start : start + CHUNK]
        try:
            if start:
                at = asking.call.at
                partner_id = asking.call.token.partner_id
                await desk.entrance.count(partner_id, at=at, amount=len(chunk))
            first = start if are_signed else None
            yield await run_in_threadpool(_answer_part, desk, asking, chunk, signed_from=first)
        except DomainError as refusal:
            for line in lines[start:]:
                yield _written(line, _refusal(refusal))
            break
    await run_in_threadpool(desk.tally.write)


def _answer_part(
    desk: Desk, asking: Asking, chunk: list[_Line], *, signed_from: int | None
) -> bytes:
    """Answer a chunk; where one person's data can't be opened, line by line.

    Args and errors: as `_answer_chunk`.
    """
    try:
        return _answer_chunk(desk, asking, chunk, signed_from=signed_from)
    except Undecryptable as refusal:
        if len(chunk) == 1:
            log.exception("agencies.answer.undecryptable", request_id=asking.call.request_id)
            return _written(chunk[0], _refusal(refusal))
    return b"".join(
        _answer_part(
            desk, asking, [line], signed_from=None if signed_from is None else signed_from + number
        )
        for number, line in enumerate(chunk)
    )


def _answer_chunk(
    desk: Desk, asking: Asking, chunk: list[_Line], *, signed_from: int | None
) -> bytes:
    """Answer the lines of a chunk; from a worker thread.

    Args:
        desk: What answers.
        asking: Who asks on which ground, as it was decided for the whole batch.
        chunk: The lines.
        signed_from: The number of the chunk's first line in its batch, if answers are signed.

    Raises:
        MandateMissing: 403. The mandate was revoked while the batch was being answered.
    """
    asking = renewed(desk, asking)
    asked = [line.asked for line in chunk if isinstance(line.asked, Description)]
    with unit_of_work_of(desk.sessions) as session:
        answers = answer_questions(session, desk.keyring, asking, asked)
    desk.tally.add(
        asking.call.agency,
        asking.official.official_id,
        counts_of(asked, answers),
        at=asking.call.at,
    )
    answered = iter(answers)
    written = []
    for number, line in enumerate(chunk, start=signed_from or 0):
        if isinstance(line.asked, bytes):
            members = line.asked
        elif signed_from is None:
            members = encode(next(answered))
        else:
            jti = f"{asking.call.request_id}.{number}"
            signed = sign_answer(desk, asking, next(answered), question=line.digest, jti=jti)
            members = orjson.dumps({"signed": signed})
        written.append(_written(line, members))
    return b"".join(written)


def _written(line: _Line, members: bytes) -> bytes:
    """Return an answer's line: its members, and before them the caller's identifier."""
    return b'{"id":%b,%b\n' % (orjson.dumps(line.line_id), members[1:])


def _refusal(refusal: DomainError) -> bytes:
    members: dict[str, Any] = {"error": refusal.code, "detail": refusal.detail}
    fields = getattr(refusal, "fields", ())
    if fields:
        members["errors"] = fields
    return orjson.dumps(members)
