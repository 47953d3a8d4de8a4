"""The hot lane of the partner API: the signed person read.

    verify token and proof · count the request · one statement · open · sign

The statement spends the proof, asks for the grant and the consent, fetches the sealed record and
appends the access entry. When it says no, the ordinary lane finds the reason, logs the attempt and
refuses (`service.refusals`).
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audit.api import NewEntry, recorded
from kernel.ids import ConsentId
from kernel.web import PlainResponse
from partner_api import publication
from partner_api.attempt import Attempt, person_of
from partner_api.events import PersonRead
from partner_api.prepared import PreparedRead
from partner_api.reader import PATH, Reader, Remembered, reader_of
from partner_api.selection import select_attributes
from partner_api.service.refusals import absent, find_covering
from partner_api.signatures import KEY_USE, MEDIA_TYPE, PersonClaims, SignedValue, seconds
from partner_api.statements import LOOK_AHEAD
from population_register.api import CurrentRecord, evaluate, open_record

_HEADERS = ((b"cache-control", b"no-store"), (b"content-type", MEDIA_TYPE.encode()))


async def person(request: Request) -> Response:
    """Read attributes of the person, signed.

    The answer is a JWT (`application/jwt`, ES256, `typ` civitas-person+jwt) whose claim
    `attributes` holds each value with its source and the day of which it speaks. An attribute of
    which the register says nothing is absent. `items` narrows the answer, comma-separated;
    `purpose` is needed only by a token that was granted for several.
    """
    reader = reader_of(request)
    attempt, remembered = await reader.begin(
        request, selecting=select_attributes, action=PersonRead.action
    )
    return PlainResponse(await _read(reader, attempt, remembered), _HEADERS)


async def _read(reader: Reader, attempt: Attempt, remembered: Remembered) -> bytes:
    """Read once; a second time if another consent covers the read than was expected."""
    read = remembered.read or await _look_ahead(reader, attempt, remembered)
    is_second = False
    while True:
        entry, row = await read.run(reader.pool, attempt)
        person_id = person_of(row)
        if row["consent_id"] is not None:
            record = open_record(
                reader.keyring,
                recorded(entry, person_id),
                sealed_record=row["sealed_record"],
                wrapped_key=row["wrapped_key"],
            )
            return _sign(reader, entry, record)
        covering = await run_in_threadpool(find_covering, reader.sessions, attempt, person_id)
        if covering == read.consent_id or is_second:
            raise await run_in_threadpool(absent, reader.sessions, attempt, person_id, covering)
        read = await _look_ahead(reader, attempt, remembered, is_spent_already=True)
        is_second = True


async def _look_ahead(
    reader: Reader, attempt: Attempt, remembered: Remembered, *, is_spent_already: bool = False
) -> PreparedRead:
    """Find the consent that covers an attempt, and prepare this read and those to come."""
    row = await LOOK_AHEAD.fetchrow(reader.pool, **attempt.binds())
    if row is None:
        return PreparedRead(attempt, is_spent_already=is_spent_already)
    consent_id, is_limited = ConsentId(row["consent_id"]), row["max_uses"] is not None
    remembered.read = PreparedRead(attempt, consent_id=consent_id, is_limited=is_limited)
    if not is_spent_already:
        return remembered.read
    return PreparedRead(
        attempt, consent_id=consent_id, is_limited=is_limited, is_spent_already=True
    )


def _sign(reader: Reader, entry: NewEntry, record: CurrentRecord) -> bytes:
    assert entry.consent_id is not None
    claims = PersonClaims(
        iss=reader.issuer,
        aud=entry.client_id or "",
        iat=seconds(entry.occurred_at),
        sub=entry.subject,
        purpose=entry.purpose or "",
        consent_id=entry.consent_id,
        entry_id=entry.entry_id,
        attributes={
            name: SignedValue(value=said.value, source=said.source, as_of=said.as_of)
            for name in entry.items
            if (said := evaluate(record, name, entry.occurred_at)) is not None
        },
    )
    return reader.signer.sign(reader.signing.current(KEY_USE), claims)


routes = [Route(f"{PATH}/person", person, methods=["GET"]), *publication.routes]
