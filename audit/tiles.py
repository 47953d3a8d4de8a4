"""Tiles as in C2SP tlog-tiles: which hashes lie in which tile, and what a tile is called. No I/O.

A tile of level L holds up to 256 consecutive nodes of tree level 8 L. The nodes of the levels in
between are hashed from them when they are needed.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from audit.errors import ProofRefused
from audit.merkle import HASH_BYTES, Subtree, nodes_of, perfect_root

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
FULL_TILE_BYTES = TILE_WIDTH * HASH_BYTES

_HIGHEST_LEVEL = 63
_PATH = re.compile(
    r"(?P<level>0|[1-9][0-9]?)"
    r"/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, order=True)
class TilePlace:
    """Which tile.

    Attributes:
        level: From 0, the level of leaf hashes.
        index: From 0, within the level.
    """

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class TileRequest:
    """A tile as a client asks for it; `width` is 256 for a full one."""

    place: TilePlace
    width: int


ReadTile: TypeAlias = Callable[[TilePlace], bytes]


def parse_tile_path(path: str) -> TileRequest:
    """Return what `<L>/<N>[.p/<W>]` asks for.

    Raises:
        ProofRefused: 400. Not a path of tlog-tiles: leading zeroes, a level above 63, a width
            above 255, a first element `x000`.

    Source:
        C2SP tlog-tiles, "Merkle Tree".
    """
    found = _PATH.fullmatch(path)
    if found is None:
        raise ProofRefused("There are no tiles of this name.")
    level = int(found["level"])
    digits = found["index"].replace("x", "").split("/")
    width = TILE_WIDTH if found["width"] is None else int(found["width"])
    is_padded = len(digits) > 1 and digits[0] == "000"
    if (
        level > _HIGHEST_LEVEL
        or is_padded
        or (found["width"] is not None and width >= TILE_WIDTH)
        or len(digits) > 6  # noqa: PLR2004  # 18 digits: what 64 bits hold
    ):
        raise ProofRefused("There are no tiles of this name.")
    return TileRequest(TilePlace(level, int("".join(digits))), width)


def tile_path(request: TileRequest) -> str:
    """Return the path of a tile, `<L>/<N>[.p/<W>]`."""
    digits = str(request.place.index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    index = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    suffix = "" if request.width == TILE_WIDTH else f".p/{request.width}"
    return f"{request.place.level}/{index}{suffix}"


def width_at(place: TilePlace, tree_size: int) -> int:
    """Return how many hashes the tile at `place` has in a tree of `tree_size`; 0 if there is none.

    Source:
        C2SP tlog-tiles, "Partial Tiles".
    """
    nodes = tree_size >> (TILE_HEIGHT * place.level)
    return max(0, min(TILE_WIDTH, nodes - place.index * TILE_WIDTH))


def edge_tiles(tree_size: int) -> list[TilePlace]:
    """Return the last tile of each level, partial or full, from the leaves up."""
    edge = []
    level, nodes = 0, tree_size
    while nodes:
        edge.append(TilePlace(level, (nodes - 1) // TILE_WIDTH))
        level, nodes = level + 1, nodes >> TILE_HEIGHT
    return edge


def tile_of_node(level: int, index: int) -> tuple[TilePlace, int, int]:
    """Return the tile that gives the node (level, index), and its slice of the tile's hashes."""
    tile_level, within = divmod(level, TILE_HEIGHT)
    first = index << within
    tile_index, start = divmod(first, TILE_WIDTH)
    return TilePlace(tile_level, tile_index), start, start + (1 << within)


def tiles_of(subtrees: Iterable[Subtree]) -> set[TilePlace]:
    """Return the tiles that are needed to hash all of `subtrees`."""
    return {
        tile_of_node(level, index)[0] for subtree in subtrees for level, index in nodes_of(subtree)
    }


def node_from_tiles(read: ReadTile, level: int, index: int) -> bytes:
    """Return the node (level, index), hashed from its tile.

    Raises:
        ProofRefused: The tile does not reach that far: it was cut, or the tree is smaller.
    """
    place, start, end = tile_of_node(level, index)
    hashes = hashes_of(read(place))
    if end > len(hashes):
        raise ProofRefused(reason="tile too short", level=place.level, index=place.index)
    return perfect_root(hashes[start:end])


def hashes_of(tile: bytes) -> list[bytes]:
    """Return a tile's hashes."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


class TileWriter:
    """Extends the tiles of a tree, leaf by leaf.

    Holds the last tile of each level; hands out every tile that changed. Never more than a
    handful of tiles in memory when `take_full` is called now and then.
    """

    def __init__(self, tree_size: int, edge: Iterable[tuple[TilePlace, bytes]]) -> None:
        """Begin at the right edge of a tree.

        Args:
            tree_size: Leaves so far.
            edge: The tiles of `edge_tiles(tree_size)` and their hashes.
        """
        self.tree_size = tree_size
        self._open: dict[int, tuple[int, bytearray]] = {}
        self._changed: set[int] = set()
        self._full: list[tuple[TilePlace, bytes]] = []
        for place, hashes in edge:
            if len(hashes) < FULL_TILE_BYTES:
                self._open[place.level] = (place.index, bytearray(hashes))

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf; a tile that it fills adds its root to the level above."""
        node, level, index = leaf_hash, 0, self.tree_size
        self.tree_size += 1
        while True:
            tile_index, within = divmod(index, TILE_WIDTH)
            if within == 0:
                self._open[level] = (tile_index, bytearray())
            tile = self._open[level][1]
            tile += node
            self._changed.add(level)
            if len(tile) < FULL_TILE_BYTES:
                return
            full = bytes(tile)
            self._full.append((TilePlace(level, tile_index), full))
            del self._open[level]
            self._changed.discard(level)
            node, level, index = perfect_root(hashes_of(full)), level + 1, tile_index

    def take_full(self) -> list[tuple[TilePlace, bytes]]:
        """Return the tiles that were filled since the last call."""
        full, self._full = self._full, []
        return full

    def take_partial(self) -> Iterator[tuple[TilePlace, bytes]]:
        """Yield the partial tiles that have changed since the beginning."""
        for level in sorted(self._changed):
            index, hashes = self._open[level]
            yield TilePlace(level, index), bytes(hashes)
