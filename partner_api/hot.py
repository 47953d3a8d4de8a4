"""The hot lane of the partner API: the signed person read.

    verify token and proof · count the request · one statement · open · sign

The statement spends the proof, asks for the grant and the consent, fetches the sealed record and
appends the access entry. When it says no, the ordinary lane finds the reason, logs the attempt and
refuses (`service.refusals`).
"""

from collections.abc import Mapping
from uuid import UUID

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from audit.api import NewEntry, entry_binds, recorded
from kernel.ids import ConsentId
from partner_api import publication
from partner_api.attempt import Attempt, person_of
from partner_api.events import PersonRead
from partner_api.reader import PATH, Reader, Remembered, reader_of
from partner_api.selection import select_attributes
from partner_api.service.refusals import absent, find_covering
from partner_api.signatures import KEY_USE, MEDIA_TYPE, PersonClaims, SignedValue, seconds
from partner_api.statements import LOOK_AHEAD, READ_PERSON, READ_PERSON_AGAIN
from population_register.api import CurrentRecord, evaluate, open_record

NO_CONSENT = ConsentId(UUID(int=0))
"""Asked for when none is known: the statement permits nothing, and still spends the proof."""

_HEADERS = {"Cache-Control": "no-store", "Content-Type": MEDIA_TYPE}


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
    return Response(await _read(reader, attempt, remembered), headers=_HEADERS)


async def _read(reader: Reader, attempt: Attempt, remembered: Remembered) -> bytes:
    """Read once; a second time if another consent covers the read than was expected."""
    binds = attempt.binds()
    if remembered.consent_id is None:
        await _look_ahead(reader, binds, remembered)
    statement = READ_PERSON
    while True:
        expected = remembered.consent_id or NO_CONSENT
        entry = attempt.entry(expected)
        row = await statement[remembered.is_limited].fetchrow(
            reader.pool, **binds, **entry_binds(entry), read_consent_id=expected
        )
        assert row is not None  # it always answers
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
        if covering == expected or statement is READ_PERSON_AGAIN:
            raise await run_in_threadpool(absent, reader.sessions, attempt, person_id, covering)
        await _look_ahead(reader, binds, remembered)
        statement = READ_PERSON_AGAIN


async def _look_ahead(reader: Reader, binds: Mapping[str, object], remembered: Remembered) -> None:
    row = await LOOK_AHEAD.fetchrow(reader.pool, **binds)
    if row is not None:
        remembered.consent_id = row["consent_id"]
        remembered.is_limited = row["max_uses"] is not None


def _sign(reader: Reader, entry: NewEntry, record: CurrentRecord) -> bytes:
    assert entry.consent_id is not None
    values = {name: evaluate(record, name, entry.occurred_at) for name in entry.items}
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
            for name, said in values.items()
            if said is not None
        },
    )
    return reader.signer.sign(reader.signing.current(KEY_USE), claims)


routes = [Route(f"{PATH}/person", person, methods=["GET"]), *publication.routes]
