"""UserInfo, introspection, revocation: what a token opens, and for how long."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest

from audit.api import list_entries
from consent.service import list_consents, withdraw
from idp.model import ClientProfile
from kernel.secret import b64url, sha256
from kernel.signing import JWKS_KEPT_FOR, PUBLISHED_AHEAD
from tests.idp.idp_world import ISSUER, IdpWorld, Person, ProofKey, claims_of, disclosure
from tests.idp.pure import OTHER_EC_KEY
from tests.idp.test_token_endpoint import error

PROFILE = "openid profile"


def read_log(world: IdpWorld, person: Person) -> list[tuple[str, str | None]]:
    """Return outcome and reason of each read of this person.

    The clock stands still in these tests, so their order in the log says nothing.
    """
    with world.session() as session:
        found = [
            (logged.entry.outcome, logged.entry.reason)
            for logged in list_entries(session, person.person_id, limit=200)
            if logged.entry.action == "idp.userinfo.read"
        ]
    return sorted(found, key=str)


def withdraw_all(world: IdpWorld, person: Person) -> None:
    with world.session() as session:
        for record in list_consents(session, person.person_id):
            withdraw(session, person.person_id, record.consent_id, at=world.clock.now())


class TestUserInfo:
    @pytest.mark.spec("OIDCC-5.3.2")
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_claims_of_the_scopes_come_back(self, world: IdpWorld, method: str) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, scope=PROFILE)

        answer = client.userinfo(tokens["access_token"], method=method)

        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "sub": claims_of(tokens["id_token"])["sub"],
            "name": "Анна Сергеевна Волкова",
            "family_name": "Волкова",
            "given_name": "Анна",
            "middle_name": "Сергеевна",
            "gender": "female",
            "birthdate": person.birthdate,
        }

    @pytest.mark.spec("OIDCC-5.4")
    def test_openid_alone_gives_the_subject_alone(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        answer = client.userinfo(client.tokens(person)["access_token"])

        assert set(answer.json()) == {"sub"}
        assert read_log(world, person) == []

    @pytest.mark.spec("OIDCC-5.5")
    def test_claims_parameter_is_answered_where_it_asked(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        claims = {"userinfo": {"name": {"essential": True}}, "id_token": {"over_18": None}}

        tokens = client.tokens(person, claims=json.dumps(claims))

        assert claims_of(tokens["id_token"])["over_18"] is True
        assert "name" not in claims_of(tokens["id_token"])
        userinfo = client.userinfo(tokens["access_token"]).json()
        assert set(userinfo) == {"sub", "name"}
        assert read_log(world, person) == [("allowed", None)] * 2

    @pytest.mark.spec("RFC6750-2.2")
    def test_token_may_come_in_a_form(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person)["access_token"]

        assert world.http.post("/userinfo", data={"access_token": token}).status_code == 200
        twice = world.http.post(
            "/userinfo", data={"access_token": token}, headers={"Authorization": f"Bearer {token}"}
        )
        assert error(twice) == (400, "invalid_request")

    @pytest.mark.spec("RFC6750-2.3")
    def test_token_in_the_address_is_not_looked_at(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person)["access_token"]

        assert world.http.get(f"/userinfo?access_token={token}").status_code == 401

    @pytest.mark.spec("OIDCC-5.3.2")
    @pytest.mark.parametrize("alg", ["RS256", "ES256"])
    def test_answer_is_signed_if_that_was_registered(self, world: IdpWorld, alg: str) -> None:
        client = world.a_relying_party(userinfo_signed_response_alg=alg)

        answer = client.userinfo(client.tokens(world.someone(), scope=PROFILE)["access_token"])

        assert answer.headers["content-type"] == "application/jwt"
        assert jwt.get_unverified_header(answer.text)["alg"] == alg
        claims = claims_of(answer.text)
        assert (claims["iss"], claims["aud"]) == (ISSUER, client.client_id)
        assert claims["family_name"] == "Волкова"

    def test_every_read_is_in_the_person_s_log(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person, scope=PROFILE)["access_token"]
        for _ in range(2):
            client.userinfo(token)

        with world.session() as session:
            entries = [
                logged.entry
                for logged in list_entries(session, person.person_id, limit=50)
                if logged.entry.action == "idp.userinfo.read"
            ]
        assert len(entries) == 2
        assert entries[0].actor.kind == "partner"
        assert entries[0].client_id == client.client_id
        assert entries[0].purpose == "sign_in"
        assert set(entries[0].items) == {
            "family_name", "given_name", "middle_name", "gender", "birthdate"
        }  # fmt: skip

    def test_withdrawal_is_immediate_and_the_attempt_is_logged(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person, scope=PROFILE)["access_token"]
        assert client.userinfo(token).status_code == 200

        withdraw_all(world, person)

        answer = client.userinfo(token)
        assert error(answer) == (403, "insufficient_scope")
        assert "withdrawn" in answer.json()["error_description"]
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert read_log(world, person) == [("allowed", None), ("refused", "withdrawn")]

    def test_withdrawal_leaves_claims_out_of_the_id_token(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person, claims='{"id_token": {"birthdate": null}}')
        withdraw_all(world, person)

        answer = client.redeem(code)

        assert answer.status_code == 200
        assert "birthdate" not in claims_of(answer.json()["id_token"])
        assert read_log(world, person) == [("refused", "withdrawn")]

    def test_expired_consent_covers_nothing(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        tokens = client.tokens(person, scope=f"{PROFILE} offline_access")
        token = tokens["refresh_token"]
        for _ in range(5):
            world.later(days=80)
            answer = client.refresh(token)
            if answer.status_code != 200:
                break
            token = answer.json()["refresh_token"]

        assert error(client.refresh(token)) == (400, "invalid_grant")


class TestRefusedToken:
    @pytest.mark.spec("RFC6750-3.1")
    def test_nothing_presented_gets_a_bare_challenge(self, world: IdpWorld) -> None:
        answer = world.http.get("/userinfo")

        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.spec("RFC6750-3.1")
    @pytest.mark.parametrize(
        "header",
        [
            "Bearer",
            "Bearer ",
            "Bearer x",
            "Bearer a.b.c",
            "Basic eA==",
            "Token x",
            "Bearer é",
            "x" * 9000,
        ],
        ids=range(8),
    )
    def test_malformed_one(self, world: IdpWorld, header: str) -> None:
        answer = world.http.get("/userinfo", headers={b"Authorization": header.encode()})

        assert error(answer) == (401, "invalid_token")

    def test_expired_one(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person)["access_token"]
        world.later(minutes=9, seconds=59)
        assert client.userinfo(token).status_code == 200
        world.later(seconds=1)

        assert error(client.userinfo(token)) == (401, "invalid_token")

    @pytest.mark.spec("RFC9068-4")
    def test_id_token_is_no_access_token(self, world: IdpWorld) -> None:
        client = world.a_relying_party(id_token_signed_response_alg="ES256")

        answer = client.userinfo(client.tokens(world.someone())["id_token"])

        assert error(answer) == (401, "invalid_token")

    @pytest.mark.spec("RFC8725-3.1")
    def test_forged_one(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person)["access_token"]
        header, claims = jwt.get_unverified_header(token), claims_of(token)
        kid = {"kid": header["kid"], "typ": "at+jwt"}
        head, payload, signature = token.split(".")
        forged = [
            jwt.encode(claims, OTHER_EC_KEY, algorithm="ES256", headers=kid),
            jwt.encode(claims, "secret" * 10, algorithm="HS256", headers=kid),
            jwt.encode(claims, "", algorithm="none", headers=kid),
            f"{head}.{payload}.",
            f"{head}.{payload}.{signature[:-4]}AAAA",
            f"{b64url(json.dumps({**header, 'jwk': {}}).encode())}.{payload}.{signature}",
        ]

        for each in forged:
            assert error(client.userinfo(each)) == (401, "invalid_token")

    @pytest.mark.spec("RFC9449-7.2")
    def test_bound_one_as_a_bearer(self, world: IdpWorld) -> None:
        client = world.a_relying_party(dpop=True)
        token = client.tokens(world.someone())["access_token"]

        answer = world.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})

        assert error(answer) == (401, "invalid_token")
        assert answer.headers["www-authenticate"].startswith("DPoP ")
        assert 'algs="ES256 PS256 EdDSA Ed25519"' in answer.headers["www-authenticate"]

    @pytest.mark.spec("RFC9449-7.1")
    def test_bearer_one_under_the_dpop_scheme(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = client.tokens(world.someone())["access_token"]

        assert error(client.userinfo(token, scheme="DPoP")) == (401, "invalid_token")

    @pytest.mark.spec("RFC6750-2.1")
    @pytest.mark.spec("RFC9110-11.1")
    @pytest.mark.parametrize("scheme", ["dpop", "DPOP", "dPoP"])
    def test_scheme_is_case_insensitive(self, world: IdpWorld, scheme: str) -> None:
        client = world.a_relying_party(dpop=True)
        token = client.tokens(world.someone())["access_token"]

        assert client.userinfo(token, scheme=scheme).status_code == 200

    @pytest.mark.spec("RFC9449-7.1")
    @pytest.mark.parametrize(
        "change",
        [{"htm": "POST"}, {"htu": f"{ISSUER}/token"}, {"ath": None}, {"ath": b64url(sha256(b"x"))},
         {"iat": 1}],
        ids=["method", "address", "no ath", "other ath", "stale"],
    )  # fmt: skip
    def test_proof_for_something_else(self, world: IdpWorld, change: dict[str, Any]) -> None:
        client = world.a_relying_party(dpop=True)
        token = client.tokens(world.someone())["access_token"]
        assert client.dpop_key is not None
        proof = client.proof(
            "/userinfo", **({"htm": "GET", "ath": b64url(sha256(token.encode()))} | change)
        )

        answer = world.http.get(
            "/userinfo", headers={"Authorization": f"DPoP {token}", "DPoP": proof}
        )

        assert error(answer) == (401, "invalid_dpop_proof")

    @pytest.mark.spec("RFC9449-7.1")
    def test_proof_of_another_key(self, world: IdpWorld) -> None:
        client = world.a_relying_party(dpop=True)
        token = client.tokens(world.someone())["access_token"]
        client.dpop_key = ProofKey()

        assert error(client.userinfo(token)) == (401, "invalid_token")

    @pytest.mark.spec("RFC9449-11.1")
    @pytest.mark.parametrize("scope", ["openid", PROFILE])
    def test_replayed_proof(self, world: IdpWorld, scope: str) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()
        token = client.tokens(person, scope=scope)["access_token"]
        headers = {
            "Authorization": f"DPoP {token}",
            "DPoP": client.proof("/userinfo", htm="GET", ath=b64url(sha256(token.encode()))),
        }
        assert world.http.get("/userinfo", headers=headers).status_code == 200

        answer = world.http.get("/userinfo", headers=headers)

        assert error(answer) == (401, "invalid_dpop_proof")
        if scope == PROFILE:
            assert read_log(world, person) == [("allowed", None), ("refused", "proof_replayed")]

    def test_replayed_proof_does_not_open_what_was_refused(self, world: IdpWorld) -> None:
        """A read that consent refused spends the proof all the same."""
        client, person = world.a_relying_party(dpop=True), world.someone()
        token = client.tokens(person, scope=PROFILE)["access_token"]
        headers = {
            "Authorization": f"DPoP {token}",
            "DPoP": client.proof("/userinfo", htm="GET", ath=b64url(sha256(token.encode()))),
        }
        withdraw_all(world, person)
        assert world.http.get("/userinfo", headers=headers).status_code == 403

        assert error(world.http.get("/userinfo", headers=headers)) == (401, "invalid_dpop_proof")


class TestIntrospection:
    @pytest.mark.spec("RFC7662-2.2")
    @pytest.mark.spec("RFC9396-9.2")
    @pytest.mark.spec("RFC9449-6.2")
    def test_live_token_is_described(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(), world.someone()
        tokens = client.tokens(person, scope=PROFILE, authorization_details=disclosure("inn"))

        answer = client.post("/introspect", {"token": tokens["access_token"]}).json()

        assert answer["active"] is True
        assert answer["token_type"] == "DPoP"
        assert answer["client_id"] == client.client_id
        assert answer["scope"] == PROFILE
        assert answer["authorization_details"] == tokens["authorization_details"]
        assert client.dpop_key is not None
        assert answer["cnf"]["jkt"] == client.dpop_key.jkt

    @pytest.mark.spec("RFC7662-2.2")
    def test_refresh_token_is_described(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = client.tokens(world.someone(), scope="openid offline_access")["refresh_token"]

        answer = client.post("/introspect", {"token": token, "token_type_hint": "access_token"})

        assert answer.json()["active"] is True
        assert answer.json()["scope"] == "openid offline_access"
        client.refresh(token)
        assert client.post("/introspect", {"token": token}).json() == {"active": False}

    @pytest.mark.spec("RFC7662-2.2")
    def test_about_any_other_nothing_is_said(self, world: IdpWorld) -> None:
        client, other, person = world.a_relying_party(), world.a_relying_party(), world.someone()
        tokens = other.tokens(person, scope="openid offline_access")
        expired = client.tokens(person)["access_token"]
        world.later(minutes=10)

        for token in (
            tokens["access_token"], tokens["refresh_token"], tokens["id_token"], expired, "x",
            "cvr_" + "A" * 43 + "_00000000", "a.b.c",
        ):  # fmt: skip
            answer = client.post("/introspect", {"token": token})
            assert answer.status_code == 200
            assert answer.json() == {"active": False}

    @pytest.mark.spec("RFC7662-2.1")
    def test_client_authenticates_and_names_a_token(self, world: IdpWorld) -> None:
        client, public = world.a_relying_party(), world.a_relying_party(method="none")

        assert error(client.post("/introspect", {})) == (400, "invalid_request")
        assert error(public.post("/introspect", {"token": "x"})) == (401, "invalid_client")
        nobody = client.post("/introspect", {"token": "x"}, authenticate=False)
        assert error(nobody) == (401, "invalid_client")


class TestRevocation:
    @pytest.mark.spec("RFC7009-2.1")
    def test_refresh_token_ends_with_everything_of_its_grant(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        tokens = client.tokens(world.someone(), scope=f"{PROFILE} offline_access")

        answer = client.post("/revoke", {"token": tokens["refresh_token"]})

        assert answer.status_code == 200
        assert answer.content == b""
        assert error(client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
        assert error(client.userinfo(tokens["access_token"])) == (401, "invalid_token")
        described = client.post("/introspect", {"token": tokens["access_token"]})
        assert described.json() == {"active": False}

    @pytest.mark.spec("RFC7009-2.1")
    @pytest.mark.parametrize("scope", ["openid offline_access", f"{PROFILE} offline_access"])
    def test_access_token_ends_alone(self, world: IdpWorld, scope: str) -> None:
        client = world.a_relying_party()
        tokens = client.tokens(world.someone(), scope=scope)

        for _ in range(2):
            answer = client.post(
                "/revoke", {"token": tokens["access_token"], "token_type_hint": "refresh_token"}
            )
            assert answer.status_code == 200

        assert error(client.userinfo(tokens["access_token"])) == (401, "invalid_token")
        described = client.post("/introspect", {"token": tokens["access_token"]})
        assert described.json() == {"active": False}
        refreshed = client.refresh(tokens["refresh_token"])
        assert client.userinfo(refreshed.json()["access_token"]).status_code == 200

    @pytest.mark.spec("RFC7009-2.2")
    def test_unknown_token_is_answered_alike(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        for token in ("x", "a.b.c", "cvr_" + "A" * 43 + "_00000000"):
            assert client.post("/revoke", {"token": token}).status_code == 200

    @pytest.mark.spec("RFC7009-2.1")
    def test_another_client_s_token_stays_good(self, world: IdpWorld) -> None:
        client, other = world.a_relying_party(), world.a_relying_party()
        tokens = other.tokens(world.someone(), scope="openid offline_access")

        for name in ("access_token", "refresh_token"):
            assert client.post("/revoke", {"token": tokens[name]}).status_code == 200

        assert other.userinfo(tokens["access_token"]).status_code == 200
        assert other.refresh(tokens["refresh_token"]).status_code == 200

    @pytest.mark.spec("RFC7009-2.1")
    def test_public_client_may_revoke_its_own(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="none", dpop=True)
        tokens = client.tokens(world.someone(), scope="openid offline_access")

        assert client.post("/revoke", {"token": tokens["refresh_token"]}).status_code == 200
        assert error(client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")

    @pytest.mark.spec("RFC7009-2.1")
    def test_client_authenticates(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        assert error(client.post("/revoke", {})) == (400, "invalid_request")
        nobody = client.post("/revoke", {"token": "x"}, authenticate=False)
        assert error(nobody) == (401, "invalid_client")


class TestPublished:
    @pytest.mark.spec("OIDCD-4")
    @pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
    def test_metadata_is_there_for_anyone(self, world: IdpWorld, name: str) -> None:
        answer = world.http.get(f"/.well-known/{name}")

        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.json()["issuer"] == ISSUER

    @pytest.mark.spec("OIDCD-3")
    def test_every_endpoint_that_is_named_answers(self, world: IdpWorld) -> None:
        document = world.http.get("/.well-known/openid-configuration").json()

        for name, address in document.items():
            if name.endswith(("_endpoint", "_uri")):
                path = address.removeprefix(ISSUER)
                if name == "grant_management_endpoint":
                    path += "/unknown"  # it names one grant
                assert world.http.get(path).status_code != 404, name

    @pytest.mark.spec("RFC7517-4.5")
    def test_keys_are_public_and_named_apart(self, world: IdpWorld) -> None:
        keys = world.http.get("/jwks").json()["keys"]

        kids = [key["kid"] for key in keys]
        assert len(set(kids)) == len(kids)
        assert not any({"d", "k", "p", "q"} & key.keys() for key in keys)
        assert {key["alg"] for key in keys} >= {"RS256", "ES256"}

    @pytest.mark.spec("OIDCC-10.1.1")
    def test_copies_of_the_keys_are_kept_for_less_than_keys_are_published_ahead(
        self, world: IdpWorld
    ) -> None:
        header = world.http.get("/jwks").headers["cache-control"]

        assert header == f"public, max-age={int(JWKS_KEPT_FOR.total_seconds())}"
        assert JWKS_KEPT_FOR < PUBLISHED_AHEAD

    @pytest.mark.spec("OIDCC-10.1.1")
    def test_tokens_verify_before_and_after_a_rotation(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        before = client.tokens(person)
        with world.session() as session:
            for alg in ("ES256", "RS256"):
                world.app.state.signing.rotate(session, "oidc", alg, at=world.clock.now())
        world.app.state.signing.reload(at=world.clock.now())

        after = client.tokens(person)

        assert client.userinfo(before["access_token"]).status_code == 200
        assert client.userinfo(after["access_token"]).status_code == 200
        kids = {key["kid"] for key in world.http.get("/jwks").json()["keys"]}
        for tokens in (before, after):
            for name in ("access_token", "id_token"):
                assert jwt.get_unverified_header(tokens[name])["kid"] in kids

    def test_profile_is_a_word_of_the_schema(self) -> None:
        assert {profile.value for profile in ClientProfile} == {"oidc", "fapi2"}


class TestServerNonces:
    """A server that requires its own nonces in proofs (RFC 9449, 8 and 9)."""

    @pytest.fixture
    def strict(self, world: IdpWorld) -> Iterator[IdpWorld]:
        client = world.a_relying_party()
        client.userinfo("x")  # the provider and the verifier of this process exist now
        state = world.app.state
        lenient, verifier = state.provider, state.userinfo_verifier
        state.provider = replace(lenient, policy=replace(lenient.policy, requires_dpop_nonce=True))
        state.userinfo_verifier = None
        yield world
        state.provider, state.userinfo_verifier = lenient, verifier

    @pytest.mark.spec("RFC9449-8")
    def test_token_endpoint_hands_its_nonce_out_and_takes_it(self, strict: IdpWorld) -> None:
        client = strict.a_relying_party(dpop=True)
        form = {"grant_type": "client_credentials"}

        first = client.post("/token", form)
        assert error(first) == (400, "use_dpop_nonce")
        nonce = first.headers["dpop-nonce"]

        assert client.post("/token", form, proof=client.proof(nonce=nonce)).status_code == 200

    @pytest.mark.spec("RFC9449-9")
    def test_resource_hands_its_nonce_out_and_takes_it(self, strict: IdpWorld) -> None:
        client = strict.a_relying_party(dpop=True)
        nonce = client.post("/token", {"grant_type": "client_credentials"}).headers["dpop-nonce"]
        code = client.code(strict.someone())
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
        }
        token = client.post("/token", form, proof=client.proof(nonce=nonce)).json()["access_token"]

        refused = client.userinfo(token)
        assert error(refused) == (401, "use_dpop_nonce")
        assert 'error="use_dpop_nonce"' in refused.headers["www-authenticate"]
        assert client.userinfo(token, nonce=refused.headers["dpop-nonce"]).status_code == 200
