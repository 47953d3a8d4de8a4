"""Dynamic registration and its management: RFC 7591, RFC 7592."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from idp.model import ClientProfile
from idp.service import administration
from idp.tables import clients, partners
from kernel.errors import Conflict, InvalidRequest, NotFound
from tests.idp.idp_world import ISSUER, NOON, REDIRECT_URI, IdpWorld, ProofKey, RelyingParty
from tests.idp.test_token_endpoint import error

ASKED: dict[str, Any] = {
    "client_name": "Учётная книга",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
    "contacts": ["ops@rp.example"],
}


def register(world: IdpWorld, token: str | None = None, **change: Any) -> httpx.Response:  # noqa: ANN401
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    asked = {name: value for name, value in (ASKED | change).items() if value is not None}
    return world.http.post("/register", json=asked, headers=headers)


def manage(
    world: IdpWorld,
    method: str,
    registered: dict[str, Any],
    **kwargs: Any,  # noqa: ANN401
) -> httpx.Response:
    path = registered["registration_client_uri"].removeprefix(ISSUER)
    token = kwargs.pop("token", registered["registration_access_token"])
    return world.http.request(method, path, headers={"Authorization": f"Bearer {token}"}, **kwargs)


class TestRegister:
    @pytest.mark.spec("RFC7591-3.2.1")
    def test_answer_tells_what_was_registered_and_the_secrets_once(self, world: IdpWorld) -> None:
        answer = register(world)

        assert answer.status_code == 201
        assert answer.headers["cache-control"] == "no-store"
        registered = answer.json()
        assert registered["client_id_issued_at"] == int(NOON.timestamp())
        assert registered["client_secret_expires_at"] == 0
        assert registered["token_endpoint_auth_method"] == "client_secret_basic"
        assert registered["id_token_signed_response_alg"] == "RS256"
        assert registered["contacts"] == ["ops@rp.example"]
        assert ASKED.items() <= registered.items()

    @pytest.mark.spec("RFC7591-3.2.1")
    def test_client_signs_people_in_at_once(self, world: IdpWorld) -> None:
        registered = register(world).json()
        client = RelyingParty(
            world=world, client_id=registered["client_id"], secret=registered["client_secret"]
        )

        assert client.tokens(world.someone())["id_token"]

    def test_only_digests_of_its_secrets_are_stored(self, world: IdpWorld) -> None:
        registered = register(world).json()

        with world.session() as session:
            row = session.execute(
                select(clients).where(clients.c.client_id == registered["client_id"])
            ).one()
        stored = repr(row)
        assert registered["client_secret"] not in stored
        assert registered["registration_access_token"] not in stored

    def test_who_registers_itself_is_a_partner_that_nobody_verified(self, world: IdpWorld) -> None:
        registered = register(world, client_name="Государственный банк").json()

        with world.session() as session:
            found = session.execute(
                select(partners)
                .join(clients, clients.c.partner_id == partners.c.partner_id)
                .where(clients.c.client_id == registered["client_id"])
            ).one()
        assert not found.is_verified
        assert found.partner_id.startswith(administration.SELF_REGISTERED)

    @pytest.mark.spec("OIDCC-8.1")
    def test_two_that_registered_themselves_never_share_a_sub(self, world: IdpWorld) -> None:
        person, subs = world.someone(), set()
        for _ in range(2):
            registered = register(world).json()
            client = RelyingParty(
                world=world, client_id=registered["client_id"], secret=registered["client_secret"]
            )
            subs.add(client.userinfo(client.tokens(person)["access_token"]).json()["sub"])

        assert len(subs) == 2

    @pytest.mark.spec("RFC6749-2.1")
    def test_public_client_has_no_secret(self, world: IdpWorld) -> None:
        registered = register(world, token_endpoint_auth_method="none").json()

        assert "client_secret" not in registered

    @pytest.mark.spec("RFC7591-3.2.2")
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"redirect_uris": ["https://rp.example/#fragment"]}, "invalid_redirect_uri"),
            ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
            ({"redirect_uris": None}, "invalid_redirect_uri"),
            ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
            ({"initiate_login_uri": "http://rp.example/login"}, "invalid_client_metadata"),
            ({"subject_type": "public"}, "invalid_client_metadata"),
            ({"jwks": {"keys": [{"kty": "oct", "k": "AA"}]}}, "invalid_client_metadata"),
            ({"client_name": 7}, "invalid_client_metadata"),
        ],
        ids=range(8),
    )
    def test_refusal_has_its_registered_code(
        self, world: IdpWorld, change: dict[str, Any], code: str
    ) -> None:
        answer = register(world, **change)

        assert answer.status_code == 400
        assert answer.json()["error"] in {code, "invalid_client_metadata"}

    @pytest.mark.parametrize(
        ("content", "content_type"),
        [
            (b"{", "application/json"),
            (b"[]", "application/json"),
            (b'"text"', "application/json"),
            (b'{"client_name": "a\\u0000b"}', "application/json"),
            (b'{"client_name": "\xff"}', "application/json"),
            (b"{}", "text/plain"),
            (b"a=b", "application/x-www-form-urlencoded"),
            (b"[" * 100_000, "application/json"),
        ],
        ids=["broken", "list", "text", "nul", "not utf-8", "type", "form", "deep"],
    )
    def test_malformed_body_is_refused(
        self, world: IdpWorld, content: bytes, content_type: str
    ) -> None:
        answer = world.http.post(
            "/register", content=content, headers={"Content-Type": content_type}
        )

        assert answer.status_code in {400, 413}

    @pytest.mark.spec("OIDCR-5")
    def test_sector_that_can_t_be_read_is_refused(self, world: IdpWorld) -> None:
        answer = register(world, sector_identifier_uri="http://127.0.0.1:9/sector")

        assert error(answer) == (400, "invalid_client_metadata")


class TestInitialAccessToken:
    def a_token(self, world: IdpWorld, partner_id: str, profile: ClientProfile) -> str:
        with world.session() as session:
            administration.add_partner(session, partner_id=partner_id, name="Банк", at=NOON)
            return administration.issue_initial_access_token(
                session, partner_id=partner_id, profile=profile, at=world.clock.now()
            ).reveal()

    @pytest.mark.spec("RFC7591-3")
    def test_makes_a_client_of_its_partner_once(self, world: IdpWorld) -> None:
        token = self.a_token(world, "initial-1", ClientProfile.OIDC)

        first, second = register(world, token), register(world, token)

        assert first.status_code == 201
        assert error(second) == (401, "invalid_token")
        with world.session() as session:
            (found,) = administration.list_clients(session, "initial-1")
        assert found["client_id"] == first.json()["client_id"]

    def test_makes_as_many_clients_as_it_says(self, world: IdpWorld) -> None:
        with world.session() as session:
            administration.add_partner(session, partner_id="three-clients", name="Банк", at=NOON)
            token = administration.issue_initial_access_token(
                session, partner_id="three-clients", uses=3, at=NOON
            ).reveal()

        statuses = [register(world, token).status_code for _ in range(4)]

        assert statuses == [201, 201, 201, 401]

    def test_says_what_the_client_is_held_to(self, world: IdpWorld) -> None:
        token = self.a_token(world, "initial-2", ClientProfile.FAPI2)
        key = ProofKey()

        answer = register(
            world, token,
            token_endpoint_auth_method="private_key_jwt",
            jwks={"keys": [{**key.jwk, "kid": "1"}]},
            id_token_signed_response_alg="ES256",
        )  # fmt: skip

        assert answer.json()["require_pushed_authorization_requests"] is True
        assert answer.json()["dpop_bound_access_tokens"] is True

    def test_is_good_for_a_week(self, world: IdpWorld) -> None:
        token = self.a_token(world, "initial-3", ClientProfile.OIDC)
        world.later(days=7)

        assert error(register(world, token)) == (401, "invalid_token")

    @pytest.mark.parametrize("token", ["", "x", "cvn_" + "A" * 43 + "_00000000"])
    def test_any_other_is_refused_though_registration_is_open(
        self, world: IdpWorld, token: str
    ) -> None:
        assert error(register(world, token)) == (401, "invalid_token")

    @pytest.mark.spec("RFC7591-3")
    def test_refused_metadata_does_not_use_it_up(self, world: IdpWorld) -> None:
        token = self.a_token(world, "initial-4", ClientProfile.OIDC)

        assert register(world, token, grant_types=["implicit"]).status_code == 400
        assert register(world, token).status_code == 201

    @pytest.mark.spec("RFC7591-3")
    def test_is_needed_where_registration_is_closed(self, world: IdpWorld) -> None:
        register(world)
        state = world.app.state
        is_open = state.provider
        state.provider = replace(
            is_open, policy=replace(is_open.policy, allows_open_registration=False)
        )
        try:
            answer = register(world)
        finally:
            state.provider = is_open

        assert error(answer) == (401, "invalid_token")


class TestManagement:
    @pytest.mark.spec("RFC7592-3")
    @pytest.mark.spec("RFC7592-2.1")
    def test_registration_reads_back(self, world: IdpWorld) -> None:
        registered = register(world).json()

        answer = manage(world, "GET", registered)

        assert answer.status_code == 200
        assert answer.json()["client_id"] == registered["client_id"]
        assert answer.json()["redirect_uris"] == [REDIRECT_URI]
        assert "client_secret" not in answer.json()

    @pytest.mark.spec("RFC7592-2.2")
    def test_update_replaces_everything(self, world: IdpWorld) -> None:
        registered = register(world).json()
        asked = {
            "client_id": registered["client_id"],
            "redirect_uris": ["https://rp.example/new"],
            "client_name": "Новое имя",
        }

        answer = manage(world, "PUT", registered, json=asked)

        assert answer.status_code == 200, answer.text
        now = manage(world, "GET", registered).json()
        assert now["redirect_uris"] == ["https://rp.example/new"]
        assert "contacts" not in now
        client = RelyingParty(
            world=world, client_id=registered["client_id"], secret=registered["client_secret"],
            redirect_uri="https://rp.example/new",
        )  # fmt: skip
        assert client.tokens(world.someone())["id_token"]

    @pytest.mark.spec("RFC7592-2.2")
    @pytest.mark.parametrize(
        "change",
        [
            {"client_id": "another"},
            {"client_id": None},
            {"registration_access_token": "x"},
            {"client_secret_expires_at": 0},
            {"redirect_uris": ["https://rp.example/#x"]},
        ],
        ids=range(5),
    )
    def test_bad_update_changes_nothing(self, world: IdpWorld, change: dict[str, Any]) -> None:
        registered = register(world).json()
        asked = {"client_id": registered["client_id"]} | ASKED | change

        answer = manage(
            world, "PUT", registered, json={k: v for k, v in asked.items() if v is not None}
        )

        assert answer.status_code == 400
        assert manage(world, "GET", registered).json()["redirect_uris"] == [REDIRECT_URI]

    @pytest.mark.spec("RFC7592-2.3")
    def test_deleted_client_is_gone_with_its_grants(self, world: IdpWorld) -> None:
        registered = register(world).json()
        client = RelyingParty(
            world=world, client_id=registered["client_id"], secret=registered["client_secret"]
        )
        token = client.tokens(world.someone())["access_token"]

        assert manage(world, "DELETE", registered).status_code == 204

        assert manage(world, "GET", registered).status_code == 401
        assert error(client.userinfo(token)) == (401, "invalid_token")
        assert error(client.post("/introspect", {"token": token})) == (
            401,
            "invalid_client",
        )

    @pytest.mark.spec("RFC7592-2")
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    def test_another_client_s_token_is_refused_like_none(
        self, world: IdpWorld, method: str
    ) -> None:
        mine, other = register(world).json(), register(world).json()
        body = {"json": {"client_id": mine["client_id"]} | ASKED} if method == "PUT" else {}

        for token in (other["registration_access_token"], "x", "cvg_x"):
            assert manage(world, method, mine, token=token, **body).status_code == 401
        unknown = mine | {"registration_client_uri": f"{ISSUER}/register/nobody"}
        assert manage(world, method, unknown, **body).status_code == 401
        assert manage(world, "GET", mine).status_code == 200


class TestAdministration:
    def test_partner_is_added_once(self, world: IdpWorld) -> None:
        with world.session() as session:
            administration.add_partner(session, partner_id="clinic-1", name="Клиника", at=NOON)
            with pytest.raises(Conflict):
                administration.add_partner(session, partner_id="clinic-1", name="X", at=NOON)

            names = {str(p.partner_id): p.name for p in administration.list_partners(session)}
        assert names["clinic-1"] == "Клиника"

    @pytest.mark.parametrize(
        ("partner_id", "name"),
        [("", "x"), ("a b", "x"), ("банк", "x"), ("self-x", "x"), ("a/b", "x"), ("ok-1", " "),
         ("ok-2", "x" * 201), ("ok-3", "turned \u202e"), ("x" * 65, "x")],
        ids=range(9),
    )  # fmt: skip
    def test_identifier_and_name_are_plain(
        self, world: IdpWorld, partner_id: str, name: str
    ) -> None:
        with world.session() as session, pytest.raises(InvalidRequest):
            administration.add_partner(session, partner_id=partner_id, name=name, at=NOON)

    def test_client_needs_a_partner_and_a_free_identifier(self, world: IdpWorld) -> None:
        def add(session: Any, partner_id: str, client_id: str) -> object:  # noqa: ANN401
            return administration.add_client(
                session,
                world.provider,
                partner_id=partner_id,
                profile=ClientProfile.OIDC,
                asked=ASKED,
                client_id=client_id,
                at=NOON,
            )

        with world.session() as session:
            administration.add_partner(session, partner_id="clinic-2", name="Клиника", at=NOON)
            with pytest.raises(NotFound):
                add(session, "nobody", "client-a")
            add(session, "clinic-2", "client-a")
            with pytest.raises(Conflict):
                add(session, "clinic-2", "client-a")
            with pytest.raises(NotFound):
                administration.issue_initial_access_token(session, partner_id="nobody", at=NOON)

    def test_client_is_disabled_once(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        with world.session() as session:
            administration.disable_client(session, client.client_id, at=NOON)
            for client_id in (client.client_id, "nobody"):
                with pytest.raises(NotFound):
                    administration.disable_client(session, client_id, at=NOON)
