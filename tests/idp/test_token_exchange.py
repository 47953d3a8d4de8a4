"""Token exchange (RFC 8693): clients of one partner act for each other, and never for more."""

from itertools import count
from typing import Any

import httpx
import pytest

from idp.model import ClientProfile
from idp.service import administration
from kernel.ids import ClientId
from tests.idp.idp_world import (
    ISSUER,
    NOON,
    REDIRECT_URI,
    IdpWorld,
    Person,
    ProofKey,
    RelyingParty,
    claims_of,
    disclosure,
)
from tests.partner_api.partner_world import PERSON

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PARTNER_API = f"{ISSUER}/partner/v1"

_numbers = count(1)


class Group:
    """Two clients of one partner: one that people sign in to, and one that works behind it."""

    def __init__(self, world: IdpWorld) -> None:
        self.world = world
        self.partner_id = f"group-{next(_numbers)}"
        with world.session() as session:
            administration.add_partner(session, partner_id=self.partner_id, name="Группа", at=NOON)
        self.front = self.add()
        self.back = self.add()

    def add(self, **metadata: object) -> RelyingParty:
        key = ProofKey()
        asked: dict[str, object] = {
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token", EXCHANGE],
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [{**key.jwk, "kid": "key-1", "use": "sig", "alg": "ES256"}]},
        }
        with self.world.session() as session:
            registered = administration.add_client(
                session,
                self.world.provider,
                partner_id=self.partner_id,
                profile=ClientProfile.OIDC,
                asked=asked | metadata,
                at=NOON,
            )
        return RelyingParty(
            world=self.world,
            client_id=registered.client.client_id,
            method="private_key_jwt",
            key=key,
            dpop_key=ProofKey(),
            redirect_uri=registered.client.metadata.redirect_uris[0],
        )

    def token(self, person: Person | None = None, **change: str) -> str:
        details = disclosure("family_name", "birthdate")
        tokens = self.front.tokens(
            person or self.world.someone(),
            **({"scope": "openid profile", "authorization_details": details} | change),
        )
        return str(tokens["access_token"])


@pytest.fixture
def group(world: IdpWorld) -> Group:
    return Group(world)


def exchange(client: RelyingParty, token: str, **change: str | None) -> httpx.Response:
    form: dict[str, str | None] = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
    }
    form |= change
    return client.post("/token", {name: value for name, value in form.items() if value is not None})


def exchanged(client: RelyingParty, token: str, **change: str | None) -> dict[str, Any]:
    answer = exchange(client, token, **change)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read(client: RelyingParty, token: str, key: ProofKey | None = None) -> httpx.Response:
    key = key or client.dpop_key
    assert key is not None
    proof = key.proof(token, at=client.world.clock.now())
    return client.world.http.get(PERSON, headers={"Authorization": f"DPoP {token}", "DPoP": proof})


@pytest.mark.spec("RFC8693-2.2.1")
def test_client_behind_reads_for_the_person(group: Group) -> None:
    answer = exchanged(group.back, group.token())

    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert answer["token_type"] == "DPoP"
    assert "refresh_token" not in answer
    assert "id_token" not in answer
    assert read(group.back, answer["access_token"]).status_code == 200


@pytest.mark.spec("RFC8693-4.1")
def test_token_says_who_acts_for_whom(group: Group) -> None:
    subject = group.token()

    claims = claims_of(exchanged(group.back, subject)["access_token"])

    assert claims["act"] == {"sub": group.back.client_id}
    assert claims["client_id"] == group.front.client_id
    assert claims["sub"] == claims_of(subject)["sub"]
    assert claims["grant_id"] == claims_of(subject)["grant_id"]


@pytest.mark.spec("RFC8693-4.1")
def test_chain_of_actors_is_kept_and_has_an_end(group: Group) -> None:
    token = group.token()
    chain: list[str] = []
    for _ in range(4):
        client = group.add()
        chain.insert(0, client.client_id)
        token = exchanged(client, token)["access_token"]

    act, seen = claims_of(token)["act"], []
    while act is not None:
        seen.append(act["sub"])
        act = act.get("act")

    assert seen == chain
    assert exchange(group.add(), token).json()["error"] == "invalid_request"


class TestGroup:
    """Whose tokens: RFC 8693, 2.2.2."""

    @pytest.mark.spec("RFC8693-2.2.2")
    def test_token_of_another_partner(self, world: IdpWorld, group: Group) -> None:
        answer = exchange(group.back, Group(world).token())

        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def test_client_that_knows_people_under_other_names(self, group: Group) -> None:
        stranger = group.add(redirect_uris=["https://elsewhere.example/callback"])

        answer = exchange(stranger, group.token())

        assert answer.json()["error"] == "invalid_request"

    @pytest.mark.spec("RFC8693-2.1")
    def test_refusals_look_the_same(self, world: IdpWorld, group: Group) -> None:
        revoked = group.token()
        group.front.post("/revoke", {"token": revoked}, proof="")
        tokens = [
            Group(world).token(), "nonsense", revoked, group.token()[:-4] + "AAAA",
        ]  # fmt: skip

        answers = [exchange(group.back, token) for token in tokens]

        assert {answer.text for answer in answers} == {answers[0].text}
        assert {answer.status_code for answer in answers} == {400}

    def test_expired_token(self, world: IdpWorld, group: Group) -> None:
        token = group.token()
        world.later(minutes=11)

        assert exchange(group.back, token).json()["error"] == "invalid_request"

    def test_id_token_is_no_subject_token(self, world: IdpWorld, group: Group) -> None:
        id_token = group.front.tokens(world.someone())["id_token"]

        assert exchange(group.back, id_token).json()["error"] == "invalid_request"

    def test_token_of_no_person(self, group: Group) -> None:
        client = group.add(grant_types=["client_credentials", EXCHANGE])
        own = client.post("/token", {"grant_type": "client_credentials"}).json()["access_token"]

        assert exchange(group.back, own).json()["error"] == "invalid_request"

    def test_client_that_did_not_register_for_it(self, group: Group) -> None:
        client = group.add(grant_types=["authorization_code"])

        assert exchange(client, group.token()).json()["error"] == "unauthorized_client"


class TestParameters:
    """RFC 8693, 2.1."""

    @pytest.mark.spec("RFC8693-2.1")
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"subject_token": None}, "invalid_request"),
            ({"subject_token_type": None}, "invalid_request"),
            (
                {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"},
                "invalid_request",
            ),
            (
                {"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"},
                "invalid_request",
            ),
            ({"actor_token": "x", "actor_token_type": ACCESS_TOKEN}, "invalid_request"),
            ({"resource": "https://elsewhere.example"}, "invalid_target"),
            ({"audience": "elsewhere"}, "invalid_target"),
            ({"scope": "openid email"}, "invalid_scope"),
            ({"authorization_details": "{"}, "invalid_authorization_details"),
            ({"authorization_details": "{}"}, "invalid_authorization_details"),
            ({"authorization_details": disclosure("inn")}, "invalid_authorization_details"),
            (
                {"authorization_details": disclosure("birthdate", purpose="credit_assessment")},
                "invalid_authorization_details",
            ),
        ],
    )
    def test_refused(self, group: Group, change: dict[str, str | None], error: str) -> None:
        answer = exchange(group.back, group.token(), **change)

        assert (answer.status_code, answer.json()["error"]) == (400, error)


class TestNarrowing:
    """Never wider than the subject token."""

    @pytest.mark.spec("RFC8693-2.1")
    def test_audience(self, group: Group) -> None:
        token = exchanged(group.back, group.token(), resource=PARTNER_API)["access_token"]

        assert claims_of(token)["aud"] == PARTNER_API
        assert read(group.back, token).status_code == 200
        assert group.back.userinfo(token).status_code == 401
        assert exchange(group.add(), token, resource=ISSUER).json()["error"] == "invalid_target"

    @pytest.mark.spec("RFC8693-2.1")
    def test_scope(self, group: Group) -> None:
        token = exchanged(group.back, group.token(), scope="openid")["access_token"]

        assert claims_of(token)["scope"] == "openid"
        assert exchange(group.add(), token, scope="profile").json()["error"] == "invalid_scope"

    def test_offline_access_is_not_handed_on(self, group: Group) -> None:
        answer = exchanged(group.back, group.token(scope="openid offline_access"))

        assert answer["scope"] == "openid"

    @pytest.mark.spec("RFC9396-6.1")
    def test_items(self, group: Group) -> None:
        narrow = disclosure("birthdate")
        token = exchanged(group.back, group.token(), authorization_details=narrow)["access_token"]

        answer = read(group.back, token)

        assert set(claims_of(answer.text)["attributes"]) == {"birthdate"}
        wider = disclosure("family_name")
        assert (
            exchange(group.add(), token, authorization_details=wider).json()["error"]
            == "invalid_authorization_details"
        )

    def test_lifetime(self, world: IdpWorld, group: Group) -> None:
        subject = group.token()
        world.later(minutes=8)

        answer = exchanged(group.back, subject)

        assert answer["expires_in"] == 120
        assert claims_of(answer["access_token"])["exp"] == claims_of(subject)["exp"]


class TestBinding:
    """The sender constraint is kept: RFC 9449, 5."""

    def test_bound_token_is_not_exchanged_for_a_bearer_token(self, group: Group) -> None:
        token = group.token()
        group.back.dpop_key = None

        assert exchange(group.back, token).json()["error"] == "invalid_dpop_proof"

    def test_key_is_the_actors(self, group: Group) -> None:
        token = exchanged(group.back, group.token())["access_token"]

        assert read(group.back, token, key=group.front.dpop_key).status_code == 401

    def test_proof_is_used_once(self, group: Group) -> None:
        token, proof = group.token(), group.back.proof()
        form = {
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
        }

        first, second = (group.back.post("/token", form, proof=proof) for _ in range(2))

        assert first.status_code == 200
        assert second.json()["error"] == "invalid_dpop_proof"


class TestEnd:
    """It ends with what it stands for."""

    def test_with_the_grant(self, group: Group) -> None:
        subject = group.token(scope="openid offline_access")
        token = exchanged(group.back, subject)["access_token"]
        with group.world.session() as session:
            administration.disable_client(
                session, ClientId(group.front.client_id), at=group.world.clock.now()
            )

        assert read(group.back, token).status_code == 401

    def test_with_the_client_that_acts(self, group: Group) -> None:
        token = exchanged(group.back, group.token())["access_token"]
        with group.world.session() as session:
            administration.disable_client(
                session, ClientId(group.back.client_id), at=group.world.clock.now()
            )

        assert read(group.back, token).status_code == 401

    def test_alone(self, group: Group) -> None:
        subject = group.token()
        token = exchanged(group.back, subject)["access_token"]

        group.back.post("/revoke", {"token": token}, proof="")

        assert read(group.back, token).status_code == 401
        assert read(group.front, subject).status_code == 200

    @pytest.mark.spec("RFC7662-2.2")
    def test_who_acts_may_ask_about_it(self, group: Group) -> None:
        token = exchanged(group.back, group.token())["access_token"]

        by_actor = group.back.post("/introspect", {"token": token}, proof="").json()
        by_owner = group.front.post("/introspect", {"token": token}, proof="").json()

        assert by_actor["active"] is True
        assert by_actor["act"] == {"sub": group.back.client_id}
        assert by_owner == {"active": False}


@pytest.mark.spec("RFC8414-2")
def test_metadata(world: IdpWorld) -> None:
    document = world.http.get("/.well-known/openid-configuration").json()

    assert EXCHANGE in document["grant_types_supported"]
