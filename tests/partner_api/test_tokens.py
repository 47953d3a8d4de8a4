"""What a request must bring: the right token, for us, of this partner, with a fresh proof."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import insert, update

from idp.buckets import REVOKED_ACCESS_TOKENS
from idp.tables import clients, grants, partners, revoked_access_tokens
from idp.tokens import Subject
from kernel.secret import sha256
from tests.partner_api.partner_world import (
    DOCUMENTS,
    ISSUER,
    ITEMS,
    NOON,
    PERSON,
    Access,
    ProofKey,
    World,
    a_disclosure,
)

pytestmark = pytest.mark.db

PATHS = [PERSON, DOCUMENTS, f"{DOCUMENTS}/00000000-0000-0000-0000-000000000000"]


@pytest.fixture(params=PATHS, ids=["person", "documents", "document"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def access(world: World) -> Access:
    access = world.a_grant()
    world.consent(access)
    return access


def challenged(response: httpx.Response, code: str, *, scheme: str = "DPoP") -> None:
    assert response.status_code == 401, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith(scheme)
    assert f'error="{code}"' in challenge
    assert "no-store" in response.headers["cache-control"]


@pytest.mark.spec("RFC6750-3.1")
def test_nothing_presented_is_challenged_without_an_error_code(world: World, path: str) -> None:
    response = world.http.get(path)

    assert response.status_code == 401
    assert "error=" not in response.headers["www-authenticate"]


@pytest.mark.spec("RFC9449-7.1")
class TestToken:
    def test_valid_by_one_second(self, world: World, access: Access) -> None:
        world.clock.advance(timedelta(minutes=10, seconds=-1))

        assert world.get(access).status_code == 200

    def test_expired(self, world: World, access: Access, path: str) -> None:
        assert world.get(access).status_code == 200  # and so it is remembered
        world.clock.advance(timedelta(minutes=10))

        challenged(world.get(access, path), "invalid_token")  # under the scheme that it came by

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"aud": "https://clinic.example"}, id="another audience"),
            pytest.param({"aud": f"{ISSUER}/agency"}, id="another resource of ours"),
            pytest.param({"iss": "https://elsewhere.example"}, id="another issuer"),
            pytest.param({"exp": int(NOON.timestamp())}, id="expired at this very second"),
        ],
    )
    def test_not_for_here(self, world: World, path: str, change: dict[str, object]) -> None:
        access = world.a_grant(change=change)
        world.consent(access)

        challenged_any_scheme(world.get(access, path), "invalid_token")
        assert world.logged(access) == []

    def test_for_this_resource_by_name(self, world: World) -> None:
        access = world.a_grant(change={"aud": f"{ISSUER}/partner/v1"})
        world.consent(access)

        assert world.get(access).status_code == 200

    def test_id_token_is_no_access_token(self, world: World, path: str) -> None:
        access = world.a_grant(typ="JWT")

        challenged_any_scheme(world.get(access, path), "invalid_token")

    @pytest.mark.parametrize(
        "forge",
        [
            pytest.param(lambda token: token[:-4] + "AAAA", id="changed signature"),
            pytest.param(lambda token: token.rpartition(".")[0] + ".", id="no signature"),
            pytest.param(lambda _: "x" * 100, id="no token at all"),
            pytest.param(lambda _: "", id="empty"),
            pytest.param(
                lambda token: jwt.encode(
                    jwt.decode(token, options={"verify_signature": False}),
                    "k" * 32,
                    algorithm="HS256",
                    headers={"typ": "at+jwt"},
                ),
                id="signed with a secret",
            ),
        ],
    )
    def test_forged(
        self, world: World, access: Access, path: str, forge: Callable[[str], str]
    ) -> None:
        token = forge(access.token)
        proof = access.key.proof(token, path, at=NOON)

        response = world.http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

        assert response.status_code == 401
        assert world.logged(access) == []

    def test_of_another_partner_is_useless_without_its_key(
        self, world: World, access: Access, path: str
    ) -> None:
        thief = ProofKey()
        proof = thief.proof(access.token, path, at=NOON)

        response = world.http.get(
            path, headers={"Authorization": f"DPoP {access.token}", "DPoP": proof}
        )

        challenged(response, "invalid_token")
        assert world.logged(access) == []

    def test_bound_token_is_refused_as_bearer(
        self, world: World, access: Access, path: str
    ) -> None:
        response = world.http.get(path, headers={"Authorization": f"Bearer {access.token}"})

        challenged(response, "invalid_token")

    def test_unbound_token_reads_nothing(self, world: World, path: str) -> None:
        access = world.a_grant(change={"cnf": {}})
        world.consent(access)

        response = world.http.get(path, headers={"Authorization": f"Bearer {access.token}"})

        challenged(response, "invalid_token")

    def test_token_without_a_person_reads_nobody(self, world: World, path: str) -> None:
        client_id, partner_id = world.a_client()
        key = ProofKey()
        token = world.a_token(Subject(sub=client_id, scope=()), client_id, partner_id, jkt=key.jkt)
        proof = key.proof(token, path, at=NOON)

        response = world.http.get(path, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

        assert response.status_code == 403
        assert response.json()["code"] == "insufficient_scope"


def challenged_any_scheme(response: httpx.Response, code: str) -> None:
    challenged(response, code, scheme="")


class TestGrant:
    def test_revoked_grant(self, world: World, access: Access, path: str) -> None:
        assert world.get(access).status_code == 200
        world.revoke(access)

        challenged(world.get(access, path), "invalid_token")
        assert len(world.logged(access)) == 1

    def test_expired_grant(self, world: World, access: Access, path: str) -> None:
        assert world.get(access).status_code == 200  # remembering that decides nothing
        with world.session() as session:
            session.execute(
                update(grants).where(grants.c.grant_id == access.grant_id).values(expires_at=NOON)
            )

        challenged(world.get(access, path), "invalid_token")

    def test_revoked_token(self, world: World, access: Access, path: str) -> None:
        assert world.get(access).status_code == 200
        claims = jwt.decode(access.token, options={"verify_signature": False})
        with world.session() as session:
            session.execute(
                insert(revoked_access_tokens).values(
                    slot=REVOKED_ACCESS_TOKENS.slot(NOON + timedelta(minutes=10)),
                    token_digest=sha256(claims["jti"].encode()),
                    revoked_at=NOON,
                )
            )

        challenged(world.get(access, path), "invalid_token")

    @pytest.mark.parametrize("table", [clients, partners], ids=["client", "partner"])
    def test_disabled(self, world: World, access: Access, path: str, table: Any) -> None:  # noqa: ANN401
        key = {clients: clients.c.client_id, partners: partners.c.partner_id}[table]
        value = {clients: access.client_id, partners: access.partner_id}[table]
        assert world.get(access).status_code == 200
        with world.session() as session:
            session.execute(update(table).where(key == value).values(disabled_at=NOON))

        challenged(world.get(access, path), "invalid_token")


@pytest.mark.spec("RFC9449-4.3")
class TestProof:
    def test_missing(self, world: World, access: Access, path: str) -> None:
        response = world.http.get(path, headers={"Authorization": f"DPoP {access.token}"})

        challenged(response, "invalid_dpop_proof")

    def test_two_of_them(self, world: World, access: Access, path: str) -> None:
        proofs = [("DPoP", access.key.proof(access.token, path, at=NOON)) for _ in range(2)]

        response = world.http.get(
            path, headers=[("Authorization", f"DPoP {access.token}"), *proofs]
        )

        challenged(response, "invalid_dpop_proof")

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"htm": "POST"}, id="another method"),
            pytest.param({"htu": f"{ISSUER}/userinfo"}, id="another address"),
            pytest.param({"htu": f"https://elsewhere.example{PERSON}"}, id="another host"),
            pytest.param({"ath": "A" * 43}, id="another token"),
            pytest.param({"iat": int(NOON.timestamp()) - 61}, id="a second too old"),
            pytest.param({"iat": int(NOON.timestamp()) + 31}, id="from the future"),
            pytest.param({"iat": "now"}, id="no time"),
            pytest.param({"jti": ""}, id="no identifier"),
        ],
    )
    def test_not_for_this_request(
        self, world: World, access: Access, path: str, change: dict[str, object]
    ) -> None:
        headers = world.headers(access, path, change=change)

        challenged(world.http.get(path, headers=headers), "invalid_dpop_proof")
        assert world.logged(access) == []

    @pytest.mark.spec("RFC9449-11.1")
    def test_replayed(self, world: World, access: Access, path: str) -> None:
        headers = world.headers(access, path)
        first = world.http.get(path, headers=headers)

        challenged(world.http.get(path, headers=headers), "invalid_dpop_proof")

        assert first.status_code in {200, 404}
        assert len(world.logged(access)) == 1

    def test_replayed_after_a_refusal_although_consent_came_since(self, world: World) -> None:
        access = world.a_grant()
        headers = world.headers(access)
        assert world.http.get(PERSON, headers=headers).status_code == 403

        world.consent(access)

        challenged(world.http.get(PERSON, headers=headers), "invalid_dpop_proof")

    @pytest.mark.parametrize("path", [PERSON, DOCUMENTS], ids=["person", "documents"])
    def test_of_forty_at_once_exactly_one_wins(
        self, world: World, access: Access, path: str
    ) -> None:
        headers = world.headers(access, path)

        responses = world.get_at_once(path, [headers] * 40)

        assert sorted(response.status_code for response in responses) == [200] + [401] * 39
        (entry,) = world.logged(access)
        assert entry.outcome == "allowed"

    def test_forty_with_a_proof_each_all_win(self, world: World, access: Access) -> None:
        responses = world.get_at_once(PERSON, [world.headers(access) for _ in range(40)])

        assert [response.status_code for response in responses] == [200] * 40
        assert len({entry.entry_id for entry in world.logged(access)}) == 40


@pytest.mark.parametrize("path", [PERSON, DOCUMENTS], ids=["person", "documents"])
def test_forty_readers_of_the_last_use_get_one(world: World, path: str) -> None:
    access = world.a_grant(details=[a_disclosure(*ITEMS, "document:ct_scan")])
    world.consent(access, *ITEMS, "document:ct_scan", max_uses=1)

    responses = world.get_at_once(path, [world.headers(access, path) for _ in range(40)])

    assert sorted(response.status_code for response in responses) == [200] + [403] * 39
    outcomes = [entry.outcome for entry in world.logged(access)]
    assert (outcomes.count("allowed"), outcomes.count("refused")) == (1, 39)
