"""The hot lane of agencies: who is this?

    verify token, proof and official · mandate · one statement · open · answer

The statement spends the assertion and the proof, asks whether the client, the agency and its
mandates are still what is remembered, looks the person up, fetches the sealed record and appends
the access entry. Questions without a number, and batches, are answered in the ordinary lane.
"""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audit.api import recorded
from kernel.ids import PersonId
from kernel.secret import sha256
from kernel.web import (
    JSON_TYPE,
    NO_STORE,
    PlainResponse,
    check_content_type,
    read_body,
)
from partner_api.agencies import publication
from partner_api.agencies.asking import Asking
from partner_api.agencies.batch import resolve_batch
from partner_api.agencies.desk import (
    PATH,
    RESOLVE,
    TRIES,
    Desk,
    RightsKeepChanging,
    check_admitted,
    desk_of,
)
from partner_api.agencies.evidence import JWT, sign_answer, wants_signed
from partner_api.agencies.questions import (
    LONGEST_QUESTION,
    Answer,
    Matched,
    encode,
    read_conversion,
    read_question,
    unmatched,
)
from partner_api.agencies.service.answering import (
    answer_one,
    convert_pseudonym,
    count_of,
)
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


def _respond(request: Request, desk: Desk, asking: Asking, answer: Answer, body: bytes) -> Response:
    if not wants_signed(request):
        return PlainResponse(encode(answer), _JSON_HEADERS)
    jti = asking.call.request_id
    signed = sign_answer(desk, asking, answer, question=sha256(body), jti=jti)
    return Response(signed, headers=dict(NO_STORE), media_type=JWT)


routes = [
    Route(f"{PATH}/resolve", resolve_one, methods=["POST"]),
    Route(f"{PATH}/resolve/batch", resolve_batch, methods=["POST"]),
    Route(f"{PATH}/pseudonyms/convert", convert, methods=["POST"]),
    *publication.routes,
]
