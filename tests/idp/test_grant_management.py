"""Grant Management for OAuth 2.0: a client widens, replaces and gives up what it was given."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import orjson
import pytest

from consent.api import list_consents
from kernel.ids import new_id
from tests.idp.idp_world import (
    NOON,
    IdpWorld,
    Person,
    RelyingParty,
    claims_of,
    disclosure,
    parameters_of,
)
from tests.partner_api.partner_world import PERSON

QUERY = "grant_management_query"
REVOKE = "grant_management_revoke"


def granted(
    client: RelyingParty,
    person: Person,
    *items: str,
    purpose: str = "account_opening",
    **change: str,
) -> dict[str, Any]:
    details = disclosure(*items, purpose=purpose) if items else None
    return client.tokens(person, **({"scope": "openid", "authorization_details": details} | change))


def own_token(client: RelyingParty, scope: str = f"{QUERY} {REVOKE}") -> str:
    answer = client.post("/token", {"grant_type": "client_credentials", "scope": scope})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def call(
    client: RelyingParty, method: str, grant_id: str, token: str | None = None
) -> httpx.Response:
    return client.world.http.request(
        method,
        f"/grants/{grant_id}",
        headers={"Authorization": f"Bearer {token or own_token(client)}"},
    )


def details_of(client: RelyingParty, grant_id: str) -> dict[str, set[str]]:
    answer = call(client, "GET", grant_id)
    assert answer.status_code == 200, answer.text
    return {
        member["purpose"]: set(member["items"]) for member in answer.json()["authorization_details"]
    }


def live_purposes(world: IdpWorld, person: Person) -> list[str]:
    with world.session() as session:
        return sorted(
            record.purpose
            for record in list_consents(session, person.person_id)
            if record.is_live(world.clock.now())
        )


class TestRequest:
    """The authorization request: Grant Management, 5.2 and 5.4."""

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"grant_management_action": "burn"}, "invalid_request"),
            ({"grant_management_action": "merge"}, "invalid_request"),
            ({"grant_management_action": "replace"}, "invalid_request"),
            ({"grant_id": str(new_id(NOON))}, "invalid_request"),
            (
                {"grant_management_action": "create", "grant_id": str(new_id(NOON))},
                "invalid_request",
            ),
            ({"grant_management_action": "merge", "grant_id": "nonsense"}, "invalid_grant_id"),
            (
                {"grant_management_action": "merge", "grant_id": str(new_id(NOON))},
                "invalid_grant_id",
            ),
            (
                {"grant_management_action": "replace", "grant_id": str(new_id(NOON)).upper()},
                "invalid_grant_id",
            ),
        ],
    )
    def test_refused(self, world: IdpWorld, parameters: dict[str, str], error: str) -> None:
        client = world.a_relying_party()

        answer = world.browser().get(client.url(client.verifier(), **parameters))

        assert parameters_of(answer.headers["location"])["error"] == error

    @pytest.mark.spec("GRANT-MANAGEMENT-5.4")
    def test_grant_of_another_client_is_unknown(self, world: IdpWorld) -> None:
        grant_id = granted(world.a_relying_party(), world.someone(), "inn")["grant_id"]
        client = world.a_relying_party()

        answer = world.browser().get(
            client.url(client.verifier(), grant_management_action="merge", grant_id=grant_id)
        )

        assert parameters_of(answer.headers["location"])["error"] == "invalid_grant_id"

    @pytest.mark.spec("GRANT-MANAGEMENT-5.4")
    def test_another_person_cannot_change_it(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        owner, other = world.someone(), world.someone()
        tokens = granted(client, owner, "inn")
        url = client.url(
            client.verifier(),
            authorization_details=disclosure("snils"),
            grant_management_action="merge",
            grant_id=tokens["grant_id"],
        )
        browser = world.browser()
        page = browser.get(browser.get(url).headers["location"])

        answer = browser.sign_in(page, other)

        assert 'autocomplete="username"' in answer.text  # asked to sign in as somebody else
        assert details_of(client, tokens["grant_id"]) == {"account_opening": {"inn"}}

    def test_public_client_manages_nothing(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="none")

        answer = world.browser().get(
            client.url(
                client.verifier(), grant_management_action="merge", grant_id=str(new_id(NOON))
            )
        )

        assert parameters_of(answer.headers["location"])["error"] == "unauthorized_client"

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    def test_create_makes_a_grant_of_its_own(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn")

        second = granted(client, person, "snils", grant_management_action="create")

        assert first["grant_id"] != second["grant_id"]
        assert details_of(client, first["grant_id"]) == {"account_opening": {"inn"}}


class TestChange:
    """Merge and replace: Grant Management, 5.2."""

    def changed(
        self,
        client: RelyingParty,
        person: Person,
        grant_id: str,
        action: str,
        *items: str,
        **more: str,
    ) -> dict[str, Any]:
        return granted(
            client, person, *items, grant_management_action=action, grant_id=grant_id, **more
        )

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    @pytest.mark.parametrize("action", ["merge", "update"])
    def test_merge_adds(self, world: IdpWorld, action: str) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn", scope="openid profile")

        merged = self.changed(client, person, first["grant_id"], action, "snils")

        assert merged["grant_id"] == first["grant_id"]
        assert set(merged["scope"].split()) == {"openid", "profile"}
        assert details_of(client, first["grant_id"]) == {"account_opening": {"inn", "snils"}}

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    def test_merge_keeps_another_purpose(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn")

        self.changed(
            client, person, first["grant_id"], "merge", "birthdate", purpose="credit_assessment"
        )

        assert details_of(client, first["grant_id"]) == {
            "account_opening": {"inn"},
            "credit_assessment": {"birthdate"},
        }

    def test_one_read_returns_what_was_merged(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone(inn="500100732259")
        first = granted(client, person, "inn")
        merged = self.changed(client, person, first["grant_id"], "merge", "family_name")
        token = merged["access_token"]
        assert client.dpop_key is not None

        answer = world.http.get(
            PERSON,
            headers={
                "Authorization": f"DPoP {token}",
                "DPoP": client.dpop_key.proof(token, at=world.clock.now()),
            },
        )

        assert answer.status_code == 200, answer.text
        assert {"inn", "family_name"} <= set(claims_of(answer.text)["attributes"])

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    def test_replace_leaves_only_what_is_asked_now(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn", "snils")

        self.changed(
            client, person, first["grant_id"], "replace", "birthdate", purpose="credit_assessment"
        )

        assert details_of(client, first["grant_id"]) == {"credit_assessment": {"birthdate"}}
        assert live_purposes(world, person) == ["credit_assessment"]

    def test_replace_within_a_purpose_takes_items_away(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()
        first = granted(client, person, "birthdate", "family_name")
        token = first["access_token"]

        self.changed(client, person, first["grant_id"], "replace", "family_name")

        assert client.dpop_key is not None
        answer = world.http.get(
            PERSON,
            headers={
                "Authorization": f"DPoP {token}",
                "DPoP": client.dpop_key.proof(token, at=world.clock.now()),
            },
        )
        assert answer.status_code == 403, answer.text

    @pytest.mark.spec("GRANT-MANAGEMENT-5.2")
    @pytest.mark.parametrize("action", ["merge", "replace"])
    def test_refresh_tokens_of_before_end(self, world: IdpWorld, action: str) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn", scope="openid offline_access")

        changed = self.changed(
            client, person, first["grant_id"], action, "snils", scope="openid offline_access"
        )

        assert client.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
        assert client.refresh(changed["refresh_token"]).status_code == 200


class TestQuery:
    """GET: Grant Management, 6.4."""

    @pytest.mark.spec("GRANT-MANAGEMENT-6.4")
    def test_says_what_is_allowed(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        tokens = granted(client, world.someone(), "inn", scope="openid email")

        answer = call(client, "GET", tokens["grant_id"])

        assert answer.json()["scopes"] == [{"scope": tokens["scope"]}]
        assert answer.json()["authorization_details"] == tokens["authorization_details"]
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.spec("GRANT-MANAGEMENT-6.6")
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_unknown_and_somebody_elses_look_the_same(self, world: IdpWorld, method: str) -> None:
        theirs = granted(world.a_relying_party(), world.someone(), "inn")["grant_id"]
        client = world.a_relying_party()

        answers = [call(client, method, name) for name in (theirs, str(new_id(NOON)), "nonsense")]

        assert {answer.status_code for answer in answers} == {404}
        assert len({orjson.dumps(answer.json()) for answer in answers}) == 1

    @pytest.mark.spec("GRANT-MANAGEMENT-6.1")
    @pytest.mark.parametrize(("method", "scope"), [("GET", REVOKE), ("DELETE", QUERY)])
    def test_each_call_has_its_scope(self, world: IdpWorld, method: str, scope: str) -> None:
        client = world.a_relying_party()
        grant_id = granted(client, world.someone(), "inn")["grant_id"]

        answer = call(client, method, grant_id, own_token(client, scope))

        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]

    @pytest.mark.spec("GRANT-MANAGEMENT-6.1")
    def test_token_of_a_person_manages_nothing(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        tokens = granted(client, world.someone(), "inn")

        answer = call(client, "GET", tokens["grant_id"], tokens["access_token"])

        assert answer.status_code == 403

    @pytest.mark.spec("GRANT-MANAGEMENT-6.1")
    def test_token_that_was_issued_for_a_grant_manages_that_one(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        other = granted(client, person, "inn")["grant_id"]
        tokens = granted(
            client,
            person,
            scope=f"openid profile {QUERY} {REVOKE}",
            grant_management_action="create",
        )
        token, grant_id = tokens["access_token"], tokens["grant_id"]

        assert tokens["scope"] == f"openid profile {QUERY} {REVOKE}"
        assert call(client, "GET", grant_id, token).json()["scopes"] == [
            {"scope": "openid profile"}
        ]
        for method in ("GET", "DELETE"):
            assert call(client, method, other, token).status_code == 404
        assert call(client, "DELETE", grant_id, token).status_code == 204
        # It says nothing about the person any more, but still that the grant is gone.
        assert call(client, "GET", grant_id, token).status_code == 404
        assert client.userinfo(token).status_code == 401

    @pytest.mark.spec("GRANT-MANAGEMENT-5.1")
    def test_public_client_gets_no_scope_for_it(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="none")

        tokens = client.tokens(world.someone(), scope=f"openid {QUERY}")

        assert tokens["scope"] == "openid"

    def test_revoked_token_manages_nothing(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        grant_id = granted(client, world.someone(), "inn")["grant_id"]
        token = own_token(client)
        client.post("/revoke", {"token": token})

        assert call(client, "GET", grant_id, token).status_code == 401

    def test_nothing_presented(self, world: IdpWorld) -> None:
        assert world.http.get(f"/grants/{new_id(NOON)}").status_code == 401

    @pytest.mark.spec("RFC6749-4.4.3")
    @pytest.mark.parametrize("scope", ["openid", "email", f"{QUERY} profile"])
    def test_client_has_no_scope_about_people(self, world: IdpWorld, scope: str) -> None:
        client = world.a_relying_party()

        answer = client.post("/token", {"grant_type": "client_credentials", "scope": scope})

        assert answer.json()["error"] == "invalid_scope"


class TestRevoke:
    """DELETE: Grant Management, 6.5."""

    @pytest.mark.spec("GRANT-MANAGEMENT-6.5")
    def test_everything_ends(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = granted(client, person, "inn", scope="openid profile offline_access")

        answer = call(client, "DELETE", tokens["grant_id"])

        assert answer.status_code == 204
        assert client.userinfo(tokens["access_token"]).status_code == 401
        assert client.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
        assert live_purposes(world, person) == []
        assert call(client, "GET", tokens["grant_id"]).status_code == 404

    def test_consent_that_another_grant_rests_on_stays(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        first = granted(client, person, "inn")
        granted(client, person, "inn")

        call(client, "DELETE", first["grant_id"])

        assert live_purposes(world, person) == ["account_opening"]

    def test_consents_for_others_stay(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        granted(world.a_relying_party(), person, "inn")
        tokens = granted(client, person, "inn")

        call(client, "DELETE", tokens["grant_id"])

        assert live_purposes(world, person) == ["account_opening"]

    def test_of_forty_at_once_one_revokes(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        grant_id = granted(client, world.someone(), "inn")["grant_id"]
        token = own_token(client)

        with ThreadPoolExecutor(40) as pool:
            answers = list(
                pool.map(lambda _: call(client, "DELETE", grant_id, token).status_code, range(40))
            )

        assert sorted(answers) == [204] + [404] * 39


@pytest.mark.spec("GRANT-MANAGEMENT-7.1")
def test_metadata(world: IdpWorld) -> None:
    document = world.http.get("/.well-known/openid-configuration").json()

    assert document["grant_management_endpoint"].endswith("/grants")
    assert {"query", "revoke", "merge", "replace", "create"} <= set(
        document["grant_management_actions_supported"]
    )
    assert {QUERY, REVOKE} <= set(document["scopes_supported"])
