"""The ordinary lane of what agencies call: their records."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict

from kernel.db import unit_of_work_of
from kernel.web import read_json
from partner_api.agencies.desk import FEED, PATH, Call, desk_of
from population_register.api import receive_record

router = APIRouter(prefix=PATH, tags=["agency"])

LONGEST_RECORD = 256 * 1024  # bytes


class RecordReceipt(BaseModel):
    """What became of a record; the same for every time that it is sent."""

    model_config = ConfigDict(from_attributes=True)

    record_number: str
    version: int
    status: Literal["accepted", "held"]
    received_at: datetime
    pseudonym: str | None


async def begin_record(request: Request) -> tuple[Call, dict[str, Any]]:
    """Verify the token, read the record, spend the proof."""
    desk = desk_of(request)
    call = await desk.begin(request, FEED)
    row = await read_json(request, limit=LONGEST_RECORD)
    await desk.admit(call)
    return call, row


@router.post("/records", status_code=201)
def send_record(
    request: Request,
    response: Response,
    begun: Annotated[tuple[Call, dict[str, Any]], Depends(begin_record)],
) -> RecordReceipt:
    """Send one source record: 201, or 200 with the same answer when it was sent before.

    The body is a row as in NDJSON feeds, under the agency's own names. `pseudonym` is the person's
    in the agency's sector; nothing else is told about who it is.
    """
    call, row = begun
    desk = desk_of(request)
    with unit_of_work_of(desk.sessions) as session:
        receipt = receive_record(
            session, desk.keyring, call.agency, row, at=call.at, request_id=call.request_id
        )
    response.headers["Cache-Control"] = "no-store"
    response.status_code = 201 if receipt.is_new else 200
    return RecordReceipt.model_validate(receipt)
