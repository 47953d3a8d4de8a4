"""The log as the public sees it: C2SP tlog-tiles below `/log`.

Checkpoints, tiles of hashes, and the keys that sign. Entries are not here: entry bundles would tell
everybody who read whose data when. A person gets the proofs of their own entries in the portal, an
auditor verifies the whole log at the database (docs/decisions/0005-leaf-format.md).
"""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import PlainTextResponse, Response

from audit.service.publishing import checkpoint_note, published_keys, read_tile
from audit.tiles import parse_tile_path
from kernel.db import UnitOfWork

router = APIRouter(prefix="/log", tags=["log"])

# C2SP tlog-tiles: the checkpoint SHOULD not be cached beyond a few seconds, tiles SHOULD be long.
_MUTABLE: Final = {"Cache-Control": "public, max-age=2"}
_IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_KEYS: Final = {"Cache-Control": "public, max-age=300"}


@router.get(
    "/checkpoint",
    summary="The latest signed checkpoint (C2SP tlog-checkpoint)",
    response_class=PlainTextResponse,
    responses={404: {"description": "Nothing has been signed yet."}},
)
def checkpoint(session: UnitOfWork) -> PlainTextResponse:
    """Answer with the signed head of the tree."""
    return PlainTextResponse(checkpoint_note(session), headers=_MUTABLE)


@router.get(
    "/key",
    summary="The log's verifier keys, one per line (C2SP signed-note)",
    response_class=PlainTextResponse,
    responses={404: {"description": "Nothing has been signed yet."}},
)
def key(request: Request, session: UnitOfWork) -> PlainTextResponse:
    """Answer with every key that signed, signs or will sign; a verifier pins them."""
    lines = published_keys(session, request.app.state.signing)
    return PlainTextResponse("".join(f"{line}\n" for line in lines), headers=_KEYS)


@router.get(
    "/tile/{path:path}",
    summary="A tile of hashes (C2SP tlog-tiles)",
    response_class=Response,
    responses={
        400: {"description": "Not a path of tlog-tiles."},
        404: {"description": "No signed tree has this tile, or none of this width."},
    },
)
def tile(
    path: Annotated[str, Path(max_length=64, description="<L>/<N>[.p/<W>]")],
    session: UnitOfWork,
) -> Response:
    """Answer with the tile's hashes, 32 bytes each."""
    hashes = read_tile(session, parse_tile_path(path))
    return Response(hashes, media_type="application/octet-stream", headers=_IMMUTABLE)
