"""The hot lane of agencies: who is this?

    verify token, proof and official · mandate · one statement · open · answer

The statement spends the assertion and the proof, asks whether the client, the agency and its
mandates are still what is remembered, looks the person up, fetches the sealed record and appends
the access entry. Questions without a number, and batches, are answered in the ordinary lane.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from audit.api import recorded
from kernel.db import unit_of_work_of
from kernel.errors import DomainError, PayloadTooLarge
from kernel.ids import PersonId
from kernel.secret import b64url, sha256
from kernel.web import (
    JSON_TYPE,
    NO_STORE,
    PlainResponse,
    check_content_type,
    header_of,
    parse_form,
    read_body,
)
from partner_api.agencies import publication
from partner_api.agencies.asking import Asking, Call
from partner_api.agencies.desk import (
    PATH,
    RESOLVE,
    TRIES,
    Desk,
    RightsKeepChanging,
    check_admitted,
    desk_of,
)
from partner_api.agencies.errors import TooManyQuestions
from partner_api.agencies.questions import (
    ANSWER_TYPE,
    KEY_USE,
    Answer,
    Frame,
    Matched,
    encode,
    make_frame,
    read_batch_line,
    read_conversion,
    read_question,
    signed_claims,
    unmatched,
)
from partner_api.agencies.service.answering import (
    answer_one,
    answer_questions,
    convert_pseudonym,
    count_of,
    counts_of,
    renewed,
)
from partner_api.agencies.statements import admit
from partner_api.attempt import Row
from population_register.api import (
    Description,
    Match,
    Nobody,
    decide_by_counts,
    given_fields,
    open_record,
    question_digests,
    sector_pseudonym,
)

LONGEST_QUESTION: Final = 16 * 1024  # bytes
MOST_QUESTIONS: Final = 10_000
CHUNK: Final = 100
"""Questions of a batch that are answered in one transaction."""

NDJSON: Final = "application/x-ndjson"
JWT: Final = "application/jwt"  # RFC 7519, 10.3.1

_JSON_HEADERS: Final = (
    *((name.lower().encode(), value.encode()) for name, value in NO_STORE.items()),
    (b"content-type", JSON_TYPE.encode()),
)


async def resolve_one(request: Request) -> Response:
    """Tell who somebody is: match, possible with how many, or none.

    The body is a JSON object: `legal_basis`, `purpose`, and `identifiers` (`snils`, `inn`, `enp`,
    `passport`, `foreign_passport`, `birth_certificate`), `attributes` (names, `birthdate` …), or a
    `pseudonym` from an answer before. `fields` narrows what comes back. `Civitas-Official` names
    who asks. With `Accept: application/jwt` the answer is signed.
    """
    desk = desk_of(request)
    call = await desk.begin(request, RESOLVE)
    check_content_type(request, JSON_TYPE)
    body = await read_body(request, limit=LONGEST_QUESTION)
    frame, description = read_question(body)
    asking = await desk.decide(call, frame)
    if not description.identifiers or description.attributes:
        asking, answer = await run_in_threadpool(answer_one, desk, asking, description)
    else:
        asking, answer = await _resolve_by_numbers(desk, asking, description)
    counts = count_of(description, answer)
    if desk.tally.add(call.agency, asking.official.official_id, counts, at=call.at):
        await run_in_threadpool(desk.tally.write)
    else:
        desk.tally.write_later()
    return _respond(request, desk, asking, answer, body)


async def convert(request: Request) -> Response:
    """Tell a person's pseudonym in another sector, where a mandate gives it.

    The body is a JSON object: `legal_basis`, `purpose`, `pseudonym` (of your sector), `to_sector`.
    """
    desk = desk_of(request)
    call = await desk.begin(request, RESOLVE)
    check_content_type(request, JSON_TYPE)
    body = await read_body(request, limit=LONGEST_QUESTION)
    conversion = read_conversion(body)
    asking = await desk.decide(call, conversion.frame)
    asking, answer = await run_in_threadpool(convert_pseudonym, desk, asking, conversion)
    return _respond(request, desk, asking, answer, body)


# By numbers: one statement


async def _resolve_by_numbers(
    desk: Desk, asking: Asking, description: Description
) -> tuple[Asking, Answer]:
    """Find who has the numbers, write it down and give the record, in one statement."""
    digests = question_digests(desk.keyring, description)
    for _ in range(TRIES):
        prepared = desk.prepared(asking, len(digests))
        entry, row = await prepared.run(desk.pool, desk.keyring, asking, digests)
        if not check_admitted(row):
            asking = await run_in_threadpool(desk.decide_anew, asking.call, asking.frame)
            continue
        if row["entry_id"] is None:
            return asking, _unmatched(row)
        person_id = PersonId(row["person_id"])
        record = open_record(
            desk.keyring,
            recorded(entry, person_id),
            sealed_record=row["sealed_record"],
            wrapped_key=row["wrapped_key"],
        )
        return asking, Matched(
            pseudonym=sector_pseudonym(desk.keyring, asking.sector, person_id),
            fields=given_fields(asking.mandated, asking.fields, record, asking.call.at),
            entry_id=entry.entry_id,
        )
    raise RightsKeepChanging


def _unmatched(row: Row) -> Answer:
    outcome = decide_by_counts(
        whole=row["whole"], partial=row["partial"], person_id=row["person_id"]
    )
    # One person alone, and no record was given: the data was destroyed, as if there were nobody.
    return unmatched(Nobody() if isinstance(outcome, Match) else outcome)


def _wants_signed(request: Request) -> bool:
    return JWT in header_of(request, b"accept")


def _signed(desk: Desk, asking: Asking, answer: Answer, *, question: bytes, jti: str) -> str:
    """Return an answer that stands as evidence on its own, and to which question it is one."""
    claims = signed_claims(
        answer,
        issuer=desk.issuer,
        agency_id=asking.call.agency,
        official=asking.official.official_id,
        frame=asking.frame,
        question_digest=b64url(question),
        request_id=jti,
        at=asking.call.at,
    )
    return desk.signing.jws(KEY_USE, claims, header={"typ": ANSWER_TYPE})


def _respond(request: Request, desk: Desk, asking: Asking, answer: Answer, body: bytes) -> Response:
    if not _wants_signed(request):
        return PlainResponse(encode(answer), _JSON_HEADERS)
    jti = asking.call.request_id
    signed = _signed(desk, asking, answer, question=sha256(body), jti=jti)
    return Response(signed, headers=dict(NO_STORE), media_type=JWT)


# Many at once


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
    answers = _answer_lines(desk, asking, lines, are_signed=_wants_signed(request))
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
            yield await run_in_threadpool(_answer_chunk, desk, asking, chunk, signed_from=first)
        except DomainError as refusal:
            for line in lines[start:]:
                yield _written(line, _refusal(refusal))
            break
    await run_in_threadpool(desk.tally.write)


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
            signed = _signed(desk, asking, next(answered), question=line.digest, jti=jti)
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


routes = [
    Route(f"{PATH}/resolve", resolve_one, methods=["POST"]),
    Route(f"{PATH}/resolve/batch", resolve_batch, methods=["POST"]),
    Route(f"{PATH}/pseudonyms/convert", convert, methods=["POST"]),
    *publication.routes,
]
