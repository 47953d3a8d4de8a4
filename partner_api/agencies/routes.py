"""The ordinary lane of what agencies call: their records, and the reports of their feeds."""

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.responses import StreamingResponse

from kernel.db import unit_of_work_of
from kernel.errors import InvalidRequest
from kernel.web import read_json
from partner_api.agencies.asking import Call
from partner_api.agencies.desk import EVENTS, FEED, FEED_REPORT, PATH, WORKLIST, desk_of
from partner_api.agencies.official import Official
from partner_api.agencies.schemas import (
    FeedList,
    FeedState,
    RecordReceipt,
    ToldEvents,
    WorkItemState,
    WorkList,
)
from partner_api.agencies.uploads import upload_feed
from population_register.api import (
    MOST_EVENTS,
    MOST_LISTED,
    STATUSES,
    WAITING,
    FeedFormat,
    Reader,
    answer_work,
    get_feed_status,
    list_feed_statuses,
    list_work,
    read_events,
    receive_record,
    write_rejections,
)

router = APIRouter(prefix=PATH, tags=["agency"])

LONGEST_RECORD = 256 * 1024  # bytes
LONGEST_ANSWER = 16 * 1024  # bytes


async def begin_record(request: Request) -> tuple[Call, dict[str, Any]]:
    """Verify the token, read the record, spend the proof."""
    desk = desk_of(request)
    call = await desk.begin(request, FEED)
    row = await read_json(request, limit=LONGEST_RECORD)
    await desk.admit(call)
    return call, row


async def begin_events(request: Request) -> Call:
    """Verify the token, spend the proof."""
    desk = desk_of(request)
    call = await desk.begin(request, EVENTS)
    await desk.admit(call)
    return call


@router.get("/events")
def read_life_events(
    request: Request,
    response: Response,
    call: Annotated[Call, Depends(begin_events)],
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = 100,
) -> ToldEvents:
    """Read the agency's sequence of life events after a position.

    Ask again with `after` set to the `position` of the answer: nothing is missed, nothing comes
    twice, and events of one person come in the order in which they were learned. Any earlier
    position replays.
    """
    desk = desk_of(request)
    with unit_of_work_of(desk.sessions) as session:
        page = read_events(
            session,
            desk.keyring,
            call.agency,
            after=after,
            limit=limit,
            client_id=call.token.client_id,
            request_id=call.request_id,
            at=call.at,
        )
    response.headers["Cache-Control"] = "no-store"
    return ToldEvents.model_validate(page)


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


async def begin_report(request: Request) -> Call:
    """Verify the token, spend the proof."""
    desk = desk_of(request)
    call = await desk.begin(request, FEED_REPORT)
    await desk.admit(call)
    return call


Reported = Annotated[Call, Depends(begin_report)]


@router.post("/feeds", status_code=202, response_model=FeedState)
async def send_feed(request: Request) -> Response:
    """Send a feed of source records: 202, and where to ask how far it is.

    The body is the file, `application/x-ndjson` or `text/csv`. With `Content-Digest` (RFC 9530,
    sha-256) it is held against what you have. The same file again is the same feed: one that is
    finished answers 200, one that is under way 202.
    """
    return await upload_feed(request)


@router.get("/feeds")
def list_own_feeds(request: Request, response: Response, call: Reported) -> FeedList:
    """List your feeds, the latest fifty first."""
    response.headers["Cache-Control"] = "no-store"
    with desk_of(request).sessions() as session:
        statuses = list_feed_statuses(session, call.agency)
        return FeedList(feeds=[FeedState.of(status) for status in statuses])


@router.get("/feeds/{feed_id}")
def feed_state(request: Request, response: Response, feed_id: UUID, call: Reported) -> FeedState:
    """Tell how far a feed is."""
    response.headers["Cache-Control"] = "no-store"
    with desk_of(request).sessions() as session:
        return FeedState.of(get_feed_status(session, call.agency, feed_id))


@router.get("/feeds/{feed_id}/rejections", response_class=Response)
def feed_rejections(request: Request, feed_id: UUID, call: Reported) -> Response:
    """Download the rejected rows: line, field, reason, advice; no values of people.

    NDJSON, or CSV with `Accept: text/csv`.
    """
    desk = desk_of(request)
    with desk.sessions() as session:
        get_feed_status(session, call.agency, feed_id)
    is_csv = "text/csv" in request.headers.get("accept", "")
    feed_format = FeedFormat.CSV if is_csv else FeedFormat.NDJSON

    def lines() -> Iterator[str]:
        with desk.sessions() as session:
            yield from write_rejections(session, feed_id, feed_format)

    return StreamingResponse(
        lines(),
        media_type="text/csv; charset=utf-8" if is_csv else "application/x-ndjson",
        headers={"Cache-Control": "no-store"},
    )


async def begin_work(request: Request) -> Reader:
    """Verify the token and who asks, spend the proof and the assertion."""
    desk = desk_of(request)
    call = await desk.begin(request, WORKLIST)
    return _reader(call, await desk.admit_official(call))


async def begin_answer(request: Request) -> tuple[Reader, str, str]:
    """Verify the token and who answers, read the answer, spend the proof and the assertion."""
    desk = desk_of(request)
    call = await desk.begin(request, WORKLIST)
    body = await read_json(request, limit=LONGEST_ANSWER)
    answer, explanation = body.pop("answer", None), body.pop("explanation", "")
    if body or not isinstance(answer, str) or not isinstance(explanation, str):
        raise InvalidRequest("An answer has `answer`, and may have `explanation`; both are text.")
    return _reader(call, await desk.admit_official(call)), answer, explanation


def _reader(call: Call, official: Official) -> Reader:
    return Reader(
        agency_id=call.agency,
        official=official.official_id,
        at=call.at,
        request_id=call.request_id,
    )


@router.get("/worklist")
def show_work_list(
    request: Request,
    response: Response,
    by: Annotated[Reader, Depends(begin_work)],
    status: Annotated[str, Query(max_length=64)] = "",
    after: Annotated[UUID | None, Query()] = None,
) -> WorkList:
    """List what has to be looked at, the oldest first, a hundred at a time.

    `status` is a list with commas of `open`, `overdue`, `answered`, `corrected`; those that wait
    for an answer when left out. Each item opens a person's data, and the person sees it.
    """
    wanted = tuple(each for each in STATUSES if each in status.split(",")) if status else WAITING
    if status and len(wanted) != len(status.split(",")):
        raise InvalidRequest(f"A status is one of: {', '.join(STATUSES)}.")
    desk = desk_of(request)
    with unit_of_work_of(desk.sessions) as session:
        items = list_work(session, desk.keyring, by=by, statuses=wanted, after=after)
    response.headers["Cache-Control"] = "no-store"
    return WorkList(
        items=[WorkItemState.of(item) for item in items],
        next=items[-1].item_id if len(items) == MOST_LISTED else None,
    )


@router.post("/worklist/{item_id}/answer")
def answer_work_item(
    request: Request,
    response: Response,
    item_id: UUID,
    begun: Annotated[tuple[Reader, str, str], Depends(begin_answer)],
) -> WorkItemState:
    """Answer an item, once: `corrected`, or `refused` with an `explanation`.

    `corrected` says that the correction was sent, or will be by the due day; what is still found
    after it is open again. The person sees the answer to what they dispute.
    """
    by, answer, explanation = begun
    desk = desk_of(request)
    with unit_of_work_of(desk.sessions) as session:
        item = answer_work(
            session, desk.keyring, item_id, by=by, answer=answer, explanation=explanation
        )
    response.headers["Cache-Control"] = "no-store"
    return WorkItemState.of(item)
