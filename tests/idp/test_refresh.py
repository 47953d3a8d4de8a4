"""Refresh tokens: rotation, reuse, and the response that was lost."""

import pytest
from sqlalchemy import select

from idp.tables import grants
from tests.idp.idp_world import ISSUER, IdpWorld, Person, ProofKey, RelyingParty, claims_of
from tests.idp.test_token_endpoint import PARTNER_API, error

SCOPE = "openid profile offline_access"


def public_client(world: IdpWorld) -> RelyingParty:
    return world.a_relying_party(method="none", dpop=True)


def first_token(client: RelyingParty, person: Person) -> str:
    return str(client.tokens(person, scope=SCOPE)["refresh_token"])


class TestRotation:
    @pytest.mark.spec("RFC9700-4.14.2")
    def test_each_use_gives_a_successor(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = first_token(client, world.someone())

        for _ in range(3):
            answer = client.refresh(token)
            assert answer.status_code == 200, answer.text
            assert answer.json()["refresh_token"] != token
            token = answer.json()["refresh_token"]

    @pytest.mark.spec("OIDCC-12.2")
    def test_id_token_is_about_the_same_sign_in(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        tokens = client.tokens(world.someone(), scope=SCOPE)
        before = claims_of(tokens["id_token"])
        world.later(minutes=5)

        after = claims_of(client.refresh(tokens["refresh_token"]).json()["id_token"])

        for name in ("iss", "sub", "aud", "auth_time", "acr", "sid"):
            assert after[name] == before[name]
        assert after["iat"] > before["iat"]
        assert "nonce" not in after

    @pytest.mark.spec("RFC9700-4.14.2")
    def test_second_use_revokes_the_family(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = first_token(client, person)
        successor = client.refresh(token).json()

        assert error(client.refresh(token)) == (400, "invalid_grant")

        assert error(client.refresh(successor["refresh_token"])) == (400, "invalid_grant")
        assert error(client.userinfo(successor["access_token"])) == (401, "invalid_token")
        with world.session() as session:
            reasons = session.scalars(
                select(grants.c.revocation_reason).where(grants.c.person_id == person.person_id)
            ).all()
        assert reasons == ["refresh token reused"]

    @pytest.mark.spec("RFC6749-6")
    def test_scope_may_be_narrowed_but_not_widened(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = first_token(client, world.someone())

        assert error(client.refresh(token, scope="openid address")) == (400, "invalid_scope")
        answer = client.refresh(token, scope="openid")
        assert claims_of(answer.json()["access_token"])["scope"] == "openid"
        again = client.refresh(answer.json()["refresh_token"])
        assert claims_of(again.json()["access_token"])["scope"] == SCOPE

    @pytest.mark.spec("RFC8707-2.2")
    def test_refused_request_spends_nothing(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = client.tokens(world.someone(), scope=SCOPE, resource=PARTNER_API)["refresh_token"]

        assert error(client.refresh(token, resource=ISSUER)) == (400, "invalid_target")
        assert client.refresh(token).status_code == 200

    @pytest.mark.spec("RFC6749-10.4")
    def test_another_client_s_token_is_unknown_and_stays_good(self, world: IdpWorld) -> None:
        client, thief = world.a_relying_party(), world.a_relying_party()
        token = first_token(client, world.someone())

        assert error(thief.refresh(token)) == (400, "invalid_grant")
        assert client.refresh(token).status_code == 200

    @pytest.mark.spec("RFC6749-6")
    def test_client_authenticates(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = first_token(client, world.someone())
        form = {"grant_type": "refresh_token", "refresh_token": token}

        answer = client.post("/token", form | {"client_id": client.client_id}, authenticate=False)

        assert error(answer) == (401, "invalid_client")
        assert client.refresh(token).status_code == 200

    def test_family_ends_when_its_time_is_over(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = first_token(client, world.someone())
        token = client.refresh(token).json()["refresh_token"]
        world.later(days=89)
        token = client.refresh(token).json()["refresh_token"]
        world.later(days=1)

        assert error(client.refresh(token)) == (400, "invalid_grant")

    @pytest.mark.spec("OIDCC-11")
    def test_nobody_gets_one_without_asking(self, world: IdpWorld) -> None:
        person = world.someone()

        assert "refresh_token" not in world.a_relying_party().tokens(person, scope="openid")
        registered = world.a_relying_party(grant_types=["authorization_code"])
        assert "refresh_token" not in registered.tokens(person, scope=SCOPE)

    @pytest.mark.spec("RFC6749-A.17")
    def test_token_has_printable_characters_only(self, world: IdpWorld) -> None:
        token = first_token(world.a_relying_party(), world.someone())

        assert token.isascii()
        assert token.isprintable()
        assert token.startswith("cvr")


class TestFapi2:
    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-10")
    def test_token_is_not_rotated(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client()
        token = first_token(client, world.someone())

        for _ in range(2):
            answer = client.refresh(token)
            assert answer.status_code == 200
            assert answer.json()["refresh_token"] == token


class TestLostResponse:
    def test_is_told_again_to_whoever_proves_the_key(self, world: IdpWorld) -> None:
        client = public_client(world)
        token = first_token(client, world.someone())
        lost = client.refresh(token).json()
        world.later(seconds=30)

        told = client.refresh(token)

        assert told.status_code == 200
        assert told.json()["refresh_token"] == lost["refresh_token"]
        assert client.refresh(lost["refresh_token"]).status_code == 200

    def test_is_not_told_later(self, world: IdpWorld) -> None:
        client = public_client(world)
        token = first_token(client, world.someone())
        successor = client.refresh(token).json()["refresh_token"]
        world.later(seconds=31)

        assert error(client.refresh(token)) == (400, "invalid_grant")
        assert error(client.refresh(successor)) == (400, "invalid_grant")

    def test_is_not_told_once_the_successor_was_used(self, world: IdpWorld) -> None:
        client = public_client(world)
        token = first_token(client, world.someone())
        successor = client.refresh(token).json()["refresh_token"]
        assert client.refresh(successor).status_code == 200

        assert error(client.refresh(token)) == (400, "invalid_grant")

    def test_is_not_told_to_a_bearer(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = first_token(client, world.someone())
        client.refresh(token)

        assert error(client.refresh(token)) == (400, "invalid_grant")

    def test_another_key_revokes_the_family(self, world: IdpWorld) -> None:
        """A confidential client may change its key; what it lost before is not told again."""
        client = world.a_relying_party(dpop=True)
        token = first_token(client, world.someone())
        successor = client.refresh(token).json()["refresh_token"]
        key, client.dpop_key = client.dpop_key, ProofKey()

        assert error(client.refresh(token)) == (400, "invalid_grant")
        client.dpop_key = key
        assert error(client.refresh(successor)) == (400, "invalid_grant")

    @pytest.mark.spec("RFC9449-5")
    def test_public_client_s_token_is_bound_to_its_key(self, world: IdpWorld) -> None:
        client = public_client(world)
        token = first_token(client, world.someone())
        key, client.dpop_key = client.dpop_key, ProofKey()

        assert error(client.refresh(token)) == (400, "invalid_grant")
        client.dpop_key = None
        assert error(client.refresh(token)) == (400, "invalid_request")
        client.dpop_key = key
        assert client.refresh(token).status_code == 200
