"""C2SP tlog-tiles: paths, widths, contents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import ProofRefused
from audit.merkle import Subtree, hash_leaf, inclusion_path, root_of, subtree_hash
from audit.tiles import (
    FULL_TILE_BYTES,
    TilePlace,
    TileRequest,
    TileWriter,
    edge_tiles,
    hashes_of,
    node_from_tiles,
    parse_tile_path,
    tile_path,
    tiles_of,
    width_at,
)

LEAF_HASHES = [hash_leaf(str(each).encode()) for each in range(70_000)]


def write(sizes: list[int]) -> dict[TilePlace, bytes]:
    """Grow a tree in steps, each begun from what the step before had stored."""
    stored: dict[TilePlace, bytes] = {}
    size = 0
    for end in sizes:
        edge = {place: stored[place] for place in edge_tiles(size)}
        writer = TileWriter(size, edge.items())
        for leaf_hash in LEAF_HASHES[size:end]:
            writer.append(leaf_hash)
        stored.update(writer.take_full())
        stored.update(writer.take_partial())
        size = end
    return stored


class TestPaths:
    @pytest.mark.spec("C2SP-tlog-tiles-merkle-tree")
    @pytest.mark.parametrize(
        ("path", "level", "index", "width"),
        [
            ("0/x001/x234/067", 0, 1234067, 256),
            ("0/000", 0, 0, 256),
            ("0/000.p/1", 0, 0, 1),
            ("63/999.p/255", 63, 999, 255),
            ("1/x001/000", 1, 1000, 256),
            ("0/x273/x112/x017/001.p/112", 0, 273112017001, 112),
        ],
    )
    def test_path_and_place(self, path: str, level: int, index: int, width: int) -> None:
        request = TileRequest(TilePlace(level, index), width)

        assert parse_tile_path(path) == request
        assert tile_path(request) == path

    @given(st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
    def test_every_path_reads_back(self, level: int, index: int, width: int) -> None:
        request = TileRequest(TilePlace(level, index), width)

        assert parse_tile_path(tile_path(request)) == request

    @pytest.mark.spec("C2SP-tlog-tiles-merkle-tree")
    @pytest.mark.parametrize(
        "path",
        [
            "00/000",
            "64/000",
            "-1/000",
            "0/0",
            "0/00",
            "0/0000",
            "0/001/234",
            "0/x001",
            "0/x000/001",
            "0/x001/x234",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/",
            "0/000/",
            "0/000.p/1/",
            "entries/000",
            "0/x999/x999/x999/x999/x999/x999/999",
            "0/٠٠٠",
            "../0/000",
            "",
        ],
    )
    def test_other_paths_are_refused(self, path: str) -> None:
        with pytest.raises(ProofRefused):
            parse_tile_path(path)


class TestWidths:
    @pytest.mark.spec("C2SP-tlog-tiles-partial-tiles")
    def test_example_of_the_specification(self) -> None:
        size = 70_000

        assert [width_at(TilePlace(0, index), size) for index in (0, 272, 273, 274)] == [
            256,
            256,
            112,
            0,
        ]
        assert [width_at(TilePlace(1, index), size) for index in (0, 1, 2)] == [256, 17, 0]
        assert [width_at(TilePlace(2, index), size) for index in (0, 1)] == [1, 0]
        assert width_at(TilePlace(3, 0), size) == 0
        assert edge_tiles(size) == [TilePlace(0, 273), TilePlace(1, 1), TilePlace(2, 0)]

    @pytest.mark.spec("C2SP-tlog-tiles-partial-tiles")
    def test_tree_of_256_leaves(self) -> None:
        assert width_at(TilePlace(0, 0), 256) == 256
        assert width_at(TilePlace(1, 0), 256) == 1
        assert edge_tiles(256) == [TilePlace(0, 0), TilePlace(1, 0)]

    def test_empty_tree_has_no_tiles(self) -> None:
        assert edge_tiles(0) == []
        assert width_at(TilePlace(0, 0), 0) == 0


class TestContents:
    @pytest.mark.spec("C2SP-tlog-tiles-merkle-tree")
    def test_hash_of_a_higher_level_is_the_root_of_a_full_tile_below(self) -> None:
        tiles = write([70_000])

        assert len(tiles) == 274 + 2 + 1
        for index in (0, 100, 272):
            above = tiles[TilePlace(1, index // 256)]
            below = root_of(LEAF_HASHES[index * 256 : (index + 1) * 256])
            assert hashes_of(above)[index % 256] == below
        assert tiles[TilePlace(2, 0)] == root_of(LEAF_HASHES[:65536])
        assert len(tiles[TilePlace(0, 272)]) == FULL_TILE_BYTES

    @given(st.lists(st.integers(0, 1100), min_size=1, max_size=6).map(sorted))
    def test_tiles_do_not_depend_on_the_steps(self, sizes: list[int]) -> None:
        assert write(sizes) == write(sizes[-1:])

    @given(st.data())
    def test_any_proof_can_be_hashed_from_tiles(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, 1100), "tree_size")
        leaf_index = data.draw(st.integers(0, size - 1), "leaf_index")
        tiles = write([size])
        path = inclusion_path(leaf_index, size)

        from_tiles = [
            subtree_hash(
                each, lambda level, index: node_from_tiles(tiles.__getitem__, level, index)
            )
            for each in path
        ]

        assert tiles_of(path) <= set(tiles)
        assert from_tiles == [root_of(LEAF_HASHES[each.start : each.end]) for each in path]

    def test_root_can_be_hashed_from_tiles(self) -> None:
        tiles = write([70_000])

        root = subtree_hash(
            Subtree(0, 70_000),
            lambda level, index: node_from_tiles(tiles.__getitem__, level, index),
        )

        assert root == root_of(LEAF_HASHES)

    def test_tile_that_was_cut_is_refused(self) -> None:
        tiles = {TilePlace(0, 0): write([8])[TilePlace(0, 0)][:-32]}

        with pytest.raises(ProofRefused):
            node_from_tiles(tiles.__getitem__, 3, 0)
