"""Whole feeds over HTTP: streamed in, sealed piece by piece, loaded by a worker.

A coroutine, because a body is read while it arrives; what seals and stores runs in worker threads.
"""

import base64
import binascii
import re
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from kernel.errors import InvalidRequest
from kernel.web import json_response
from partner_api.agencies.desk import FEED, PATH, desk_of
from partner_api.agencies.schemas import FeedState
from population_register.api import FeedFormat, begin_upload, get_feed_status

FORMATS: Final = {
    "application/x-ndjson": FeedFormat.NDJSON,
    "application/ndjson": FeedFormat.NDJSON,
    "text/csv": FeedFormat.CSV,
}
_SHA256: Final = re.compile(r"(?:^|,\s*)sha-256=:([A-Za-z0-9+/=]{44}):")  # RFC 9530, 2
_SHA256_BYTES: Final = 32


async def upload_feed(request: Request) -> Response:
    """Take the body of a request as a feed, and answer with its state.

    Raises:
        InvalidRequest: 400. Another content type, packed, an empty file, or not the one that the
            digest names. Nothing of it is kept, nor of a file whose sender went away.
        InsufficientScope: 403. As `Desk.begin`, which raises the others, too.
    """
    desk = desk_of(request)
    call = await desk.begin(request, FEED)
    feed_format = _format_of(request)
    expected = _digest_of(request)
    await desk.admit(call)
    receiving = await run_in_threadpool(
        begin_upload, desk.sessions, desk.keyring, call.agency, feed_format, at=call.at
    )
    is_whole = False
    try:
        async for part in request.stream():
            if receiving.take(part):
                await run_in_threadpool(receiving.put)
        report = await run_in_threadpool(receiving.end, expected_sha256=expected, at=call.at)
        is_whole = True
    finally:
        if not is_whole:
            await run_in_threadpool(receiving.discard)

    def state() -> FeedState:
        with desk.sessions() as session:
            return FeedState.of(get_feed_status(session, call.agency, report.feed_id))

    return json_response(
        (await run_in_threadpool(state)).model_dump(mode="json"),
        status=202 if report.finished_at is None else 200,
        headers={"Location": f"{desk.issuer}{PATH}/feeds/{report.feed_id}"},
    )


def _format_of(request: Request) -> FeedFormat:
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise InvalidRequest("Send the file as it is: no Content-Encoding is taken.")
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in FORMATS:
        raise InvalidRequest("The content type is application/x-ndjson or text/csv.")
    return FORMATS[media_type]


def _digest_of(request: Request) -> bytes | None:
    """Return the SHA-256 that `Content-Digest` names; None if it names none."""
    found = _SHA256.search(request.headers.get("content-digest", ""))
    if found is None:
        return None
    try:
        digest = base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise InvalidRequest("Content-Digest is malformed.") from error
    if len(digest) != _SHA256_BYTES:
        raise InvalidRequest("Content-Digest is malformed.")
    return digest
