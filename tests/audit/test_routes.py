"""The log as the public sees it: HTTP, the key, and the specifications are enough to verify."""

import base64
from hashlib import sha256

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from app.errors import render_domain_error
from audit.checkpoint import VerifierKey, parse_verifier_key, verify_checkpoint
from audit.merkle import hash_leaf, inclusion_path, subtree_hash, verify_inclusion
from audit.routes import router
from audit.tiles import TileRequest, node_from_tiles, tile_path, tiles_of, width_at
from kernel.errors import DomainError
from kernel.signing import SigningKeys
from tests.audit.audit_builders import ORIGIN, a_log
from tests.audit.log_oracle import check_log

pytestmark = pytest.mark.db


@pytest.fixture
def client(sessions: sessionmaker[Session], signing: SigningKeys) -> TestClient:
    app = FastAPI()
    app.state.sessions = sessions
    app.state.signing = signing
    app.include_router(router)
    app.add_exception_handler(DomainError, render_domain_error)
    return TestClient(app)


@pytest.fixture
def log(session: Session, signing: SigningKeys) -> Session:
    a_log(session, signing, 300, 600)
    session.commit()
    return session


def keys_of(client: TestClient) -> list[VerifierKey]:
    return [parse_verifier_key(line) for line in client.get("/log/key").text.splitlines()]


class TestCheckpoint:
    @pytest.mark.spec("C2SP-tlog-tiles-checkpoints")
    @pytest.mark.usefixtures("log")
    def test_latest_checkpoint_is_served_as_text(self, client: TestClient) -> None:
        answer = client.get("/log/checkpoint")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["cache-control"] == "public, max-age=2"
        assert verify_checkpoint(answer.text, keys_of(client), origin=ORIGIN).tree_size == 600

    def test_before_the_first_there_is_none(self, client: TestClient) -> None:
        for path in ("/log/checkpoint", "/log/key", "/log/tile/0/000"):
            answer = client.get(path)
            assert answer.status_code == 404
            assert answer.json()["code"] == "not_found"

    @pytest.mark.usefixtures("log")
    def test_keys_are_the_current_and_the_next(self, client: TestClient) -> None:
        assert [key.name for key in keys_of(client)] == [ORIGIN, ORIGIN]


class TestTiles:
    @pytest.mark.spec("C2SP-tlog-tiles-merkle-tree")
    @pytest.mark.parametrize(
        ("path", "width"),
        [
            ("0/000", 256),
            ("0/001", 256),
            ("0/002.p/88", 88),
            ("0/002.p/44", 44),
            ("0/000.p/255", 255),
            ("1/000.p/2", 2),
            ("1/000.p/1", 1),
        ],
    )
    @pytest.mark.usefixtures("log")
    def test_tile_of_the_signed_tree(self, client: TestClient, path: str, width: int) -> None:
        answer = client.get(f"/log/tile/{path}")

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"].endswith("immutable")
        assert len(answer.content) == 32 * width

    @pytest.mark.spec("C2SP-tlog-tiles-partial-tiles")
    @pytest.mark.parametrize(
        "path", ["0/002", "0/002.p/89", "0/003", "0/003.p/1", "1/000", "1/000.p/3", "2/000.p/1"]
    )
    @pytest.mark.usefixtures("log")
    def test_tile_that_the_signed_tree_lacks(self, client: TestClient, path: str) -> None:
        assert client.get(f"/log/tile/{path}").status_code == 404

    @pytest.mark.parametrize(
        "path",
        ["entries/000", "0/0", "0/x000/000", "-1/000", "64/000", "0/000.p/256", "0/000.p/0", "0"],
    )
    @pytest.mark.usefixtures("log")
    def test_other_paths_are_refused(self, client: TestClient, path: str) -> None:
        answer = client.get(f"/log/tile/{path}")

        assert answer.status_code == 400
        assert answer.json()["code"] == "proof_refused"

    @pytest.mark.usefixtures("log")
    def test_very_long_path_is_refused(self, client: TestClient) -> None:
        assert client.get(f"/log/tile/0/{'x000/' * 50}000").status_code == 422

    def test_stored_tile_that_was_cut_is_not_served(self, client: TestClient, log: Session) -> None:
        log.execute(text("UPDATE audit_tiles SET hashes = substr(hashes, 1, 32)"))
        log.commit()

        assert client.get("/log/tile/0/000.p/1").status_code == 404

    def test_hash_of_any_leaf_can_be_proven_from_tiles_alone(
        self, client: TestClient, log: Session, signing: SigningKeys
    ) -> None:
        head = verify_checkpoint(client.get("/log/checkpoint").text, keys_of(client), origin=ORIGIN)
        leaf: bytes = log.scalar(text("SELECT leaf FROM audit_entries WHERE leaf_index = 421"))
        path = inclusion_path(421, head.tree_size)

        tiles = {}
        for place in tiles_of(path):
            name = tile_path(TileRequest(place, width_at(place, head.tree_size)))
            tiles[place] = client.get(f"/log/tile/{name}").content

        verify_inclusion(
            hash_leaf(leaf),
            leaf_index=421,
            tree_size=head.tree_size,
            proof=[
                subtree_hash(
                    each, lambda level, index: node_from_tiles(tiles.__getitem__, level, index)
                )
                for each in path
            ],
            root_hash=head.root_hash,
        )
        check_log(log, signing, size=600)

    def test_nothing_public_tells_of_a_person(self, client: TestClient, log: Session) -> None:
        rows = log.execute(text("SELECT person_id, entry_id, leaf FROM audit_entries")).all()
        public = b"".join(
            client.get(f"/log/{path}").content
            for path in ("checkpoint", "key", "tile/0/000", "tile/0/001", "tile/0/002.p/88")
        )

        for row in rows[:20]:
            assert row.person_id.bytes not in public
            assert row.entry_id.bytes not in public
            assert sha256(row.person_id.bytes).digest() not in public
            assert base64.b64encode(row.leaf)[:24] not in public
