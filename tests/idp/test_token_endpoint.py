"""The token endpoint over HTTP: code, client credentials, and who may ask."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import select

from idp.errors import InvalidClient
from idp.service import administration
from idp.tables import authorization_codes, grants
from tests.idp.idp_world import ISSUER, REDIRECT_URI, IdpWorld, ProofKey, claims_of, disclosure
from tests.idp.pure import OTHER_EC_KEY

PARTNER_API = f"{ISSUER}/partner/v1"


def error(answer: Any) -> tuple[int, str]:  # noqa: ANN401
    body = answer.json()
    assert set(body) == {"error", "error_description"}
    return answer.status_code, body["error"]


class TestCode:
    @pytest.mark.spec("RFC6749-5.1")
    def test_answer_is_not_stored_by_anybody(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        answer = client.redeem(client.code(person))

        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        assert set(answer.json()) == {
            "access_token", "grant_id", "token_type", "expires_in", "scope", "id_token"
        }  # fmt: skip

    @pytest.mark.spec("RFC8176-2")
    @pytest.mark.spec("OIDCC-2")
    def test_id_token_says_who_signed_in_when_and_how(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        claims = claims_of(client.tokens(person)["id_token"])

        now = int(world.clock.now().timestamp())
        assert claims["iss"] == ISSUER
        assert claims["aud"] == client.client_id
        assert claims["auth_time"] == claims["iat"] == now
        assert claims["exp"] > now
        assert claims["amr"] == ["pwd"]
        assert claims["acr"].endswith(":confirmed")
        assert claims["nonce"] == "n-1"
        assert str(person.person_id) not in json.dumps(claims)

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.2")
    def test_id_token_without_a_nonce_has_none(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        assert "nonce" not in claims_of(client.tokens(person, nonce=None)["id_token"])

    @pytest.mark.spec("OIDCC-3.1.3.7")
    @pytest.mark.parametrize("alg", ["RS256", "ES256"])
    def test_id_token_verifies_with_the_published_keys(self, world: IdpWorld, alg: str) -> None:
        client = world.a_relying_party(id_token_signed_response_alg=alg)
        token = client.tokens(world.someone())["id_token"]
        keys = jwt.PyJWKSet.from_dict(world.http.get("/jwks").json())

        header = jwt.get_unverified_header(token)
        key = next(key for key in keys.keys if key.key_id == header["kid"])

        assert header["alg"] == alg
        assert jwt.decode(
            token, key, algorithms=[alg], audience=client.client_id,
            options={"verify_exp": False, "verify_iat": False},
        )["iss"] == ISSUER  # fmt: skip

    @pytest.mark.spec("RFC9068-2.1")
    @pytest.mark.spec("RFC9068-2.2")
    def test_access_token_is_a_jwt_of_its_own_type(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        token = client.tokens(person, scope="openid profile")["access_token"]

        claims, header = claims_of(token), jwt.get_unverified_header(token)
        assert header["typ"] == "at+jwt"
        assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} <= claims.keys()
        assert claims["aud"] == ISSUER
        assert claims["scope"] == "openid profile"
        assert "cnf" not in claims

    @pytest.mark.spec("OIDCC-8.1")
    def test_two_partners_know_a_person_under_two_names(self, world: IdpWorld) -> None:
        person = world.someone()

        one, two = world.a_relying_party(), world.a_relying_party()
        subs = {claims_of(client.tokens(person)["id_token"])["sub"] for client in (one, two, one)}

        assert len(subs) == 2

    @pytest.mark.spec("RFC9396-9.1")
    @pytest.mark.spec("RFC9396-7")
    def test_authorization_details_come_back_and_stand_in_the_token(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(), world.someone()

        tokens = client.tokens(
            person, scope="openid", authorization_details=disclosure("family_name", "inn")
        )

        claims = claims_of(tokens["access_token"])
        assert tokens["authorization_details"] == claims["authorization_details"]
        (details,) = claims["authorization_details"]
        assert details["items"] == ["family_name", "inn"]
        assert claims["grant_id"]
        assert claims["cnf"] == {"jkt": client.dpop_key.jkt if client.dpop_key else None}

    @pytest.mark.spec("RFC6749-4.1.2")
    def test_reused_code_revokes_tokens_of_its_grant(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person, scope="openid profile")
        token = client.redeem(code).json()["access_token"]
        assert client.userinfo(token).status_code == 200

        again = client.redeem(code)

        assert error(again) == (400, "invalid_grant")
        assert client.userinfo(token).status_code == 401
        with world.session() as session:
            reason = session.scalar(
                select(grants.c.revocation_reason).where(grants.c.person_id == person.person_id)
            )
        assert reason == "code reused"

    @pytest.mark.spec("RFC7636-4.6")
    @pytest.mark.parametrize("verifier", [None, "wrong" * 10], ids=["missing", "wrong"])
    def test_wrong_verifier_spends_the_code(self, world: IdpWorld, verifier: str | None) -> None:
        client, person = world.a_relying_party(), world.someone()
        right = client.verifier()
        code = client.code(person, right)

        assert error(client.redeem(code, verifier)) == (400, "invalid_grant")
        assert error(client.redeem(code, right)) == (400, "invalid_grant")
        with world.session() as session:
            spent = session.scalars(
                select(authorization_codes.c.spent_at).where(
                    authorization_codes.c.client_id == client.client_id
                )
            ).all()
        assert all(spent)

    @pytest.mark.spec("RFC9700-4.8.2")
    def test_verifier_for_a_code_without_challenge_is_a_downgrade(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        assert error(client.redeem(client.code(person), "v" * 43)) == (400, "invalid_grant")

    @pytest.mark.spec("RFC6749-4.1.3")
    @pytest.mark.parametrize("uri", [None, "https://rp.example/other", REDIRECT_URI + "?"])
    def test_redirect_uri_is_the_one_of_the_request(self, world: IdpWorld, uri: str | None) -> None:
        client, person = world.a_relying_party(), world.someone()

        assert error(client.redeem(client.code(person), redirect_uri=uri)) == (
            400,
            "invalid_grant",
        )

    @pytest.mark.spec("RFC6749-5.2")
    def test_code_of_another_client_is_unknown_and_stays_good(self, world: IdpWorld) -> None:
        client, thief, person = world.a_relying_party(), world.a_relying_party(), world.someone()
        code = client.code(person)

        assert error(thief.redeem(code)) == (400, "invalid_grant")
        assert client.redeem(code).status_code == 200

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-11")
    @pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400), (3600, 400)])
    def test_code_lives_a_minute(self, world: IdpWorld, seconds: int, status: int) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person)

        world.clock.advance(timedelta(seconds=seconds))

        assert client.redeem(code).status_code == status

    @pytest.mark.spec("RFC6749-4.1.2")
    def test_code_is_recognised_a_day_later(self, world: IdpWorld) -> None:
        client, person = (
            world.a_relying_party(grant_types=["authorization_code", "refresh_token"]),
            world.someone(),
        )
        code = client.code(person, scope="openid offline_access")
        tokens = client.redeem(code).json()
        world.later(hours=20)

        assert error(client.redeem(code)) == (400, "invalid_grant")
        assert error(client.refresh(tokens["refresh_token"])) == (400, "invalid_grant")

    @pytest.mark.spec("RFC6749-5.2")
    @pytest.mark.parametrize(
        "code", ["", "x", "cvc0_" + "A" * 43 + "_00000000", "cvc9_x", "cvr_x", "cvcé", "c" * 5000]
    )
    def test_malformed_code_is_refused(self, world: IdpWorld, code: str) -> None:
        answer = world.a_relying_party().redeem(code)

        assert answer.status_code == 400
        assert answer.json()["error"] in {"invalid_grant", "invalid_request"}

    @pytest.mark.spec("RFC9068-3")
    @pytest.mark.spec("RFC8707-2.2")
    def test_token_is_for_the_resource_that_was_asked_for(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person)

        answer = client.redeem(code, resource=PARTNER_API)

        token = answer.json()["access_token"]
        assert claims_of(token)["aud"] == PARTNER_API
        assert client.userinfo(token).status_code == 401  # wrong audience

    @pytest.mark.spec("RFC8707-2")
    def test_unknown_resource_is_refused_and_the_code_stays_good(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person)

        assert error(client.redeem(code, resource="https://elsewhere.example")) == (
            400,
            "invalid_target",
        )
        assert client.redeem(code).status_code == 200

    @pytest.mark.spec("RFC8707-2.2")
    def test_resource_that_was_not_granted_is_refused_and_the_code_stays_good(
        self, world: IdpWorld
    ) -> None:
        client, person = world.a_relying_party(), world.someone()
        code = client.code(person, resource=PARTNER_API)

        assert error(client.redeem(code, resource=ISSUER)) == (400, "invalid_target")
        assert client.redeem(code).status_code == 200


class TestDPoP:
    @pytest.mark.spec("RFC9449-6.1")
    @pytest.mark.spec("RFC9449-5")
    def test_token_is_bound_to_the_key(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()

        tokens = client.tokens(person)

        assert tokens["token_type"] == "DPoP"
        assert client.dpop_key is not None
        assert claims_of(tokens["access_token"])["cnf"]["jkt"] == client.dpop_key.jkt

    @pytest.mark.spec("RFC9449-5.2")
    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1-4")
    def test_fapi2_client_gets_nothing_without_a_proof(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(), world.someone()
        verifier = client.verifier()
        code = client.code(person, verifier)
        key, client.dpop_key = client.dpop_key, None

        assert error(client.redeem(code, verifier)) == (400, "invalid_request")
        client.dpop_key = key
        assert client.redeem(code, verifier).status_code == 200

    @pytest.mark.spec("RFC9449-11.1")
    def test_replayed_proof_is_refused_and_the_code_stays_good(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()
        code, proof = client.code(person), client.proof()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT_URI,
        }
        credentials = {"grant_type": "client_credentials"}
        assert client.post("/token", credentials, proof=proof).status_code == 200

        answer = client.post("/token", form, proof=proof)

        assert error(answer) == (400, "invalid_dpop_proof")
        assert client.post("/token", form).status_code == 200

    @pytest.mark.spec("RFC9449-4.3")
    def test_two_proofs_are_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(dpop=True)
        answer = world.http.post(
            "/token",
            data={"grant_type": "client_credentials"},
            headers=[
                ("Authorization", client.authentication()[1]["Authorization"]),
                ("DPoP", client.proof()),
                ("DPoP", client.proof()),
            ],
        )

        assert error(answer) == (400, "invalid_dpop_proof")

    @pytest.mark.spec("RFC9449-10")
    def test_code_that_is_bound_to_a_key_is_redeemed_with_it(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(dpop=True), world.someone()
        assert client.dpop_key is not None

        code = client.code(person, dpop_jkt=client.dpop_key.jkt)
        assert client.redeem(code).status_code == 200

        code = client.code(person, dpop_jkt=client.dpop_key.jkt)
        client.dpop_key = ProofKey()
        assert error(client.redeem(code)) == (400, "invalid_grant")

    @pytest.mark.spec("RFC9449-10.1")
    def test_proof_of_the_pushed_request_binds_the_code(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(), world.someone()
        verifier = client.verifier()
        code = client.code(person, verifier)
        client.dpop_key = ProofKey()

        assert error(client.redeem(code, verifier)) == (400, "invalid_grant")


class TestClientCredentials:
    @pytest.mark.spec("RFC6749-4.4.3")
    @pytest.mark.parametrize(
        "method", ["client_secret_basic", "client_secret_post", "private_key_jwt"]
    )
    def test_client_gets_a_token_of_its_own(self, world: IdpWorld, method: str) -> None:
        client = world.a_relying_party(method=method)

        answer = client.post("/token", {"grant_type": "client_credentials"})

        claims = claims_of(answer.json()["access_token"])
        assert claims["sub"] == claims["client_id"] == client.client_id
        assert "grant_id" not in claims
        assert "refresh_token" not in answer.json()
        assert "id_token" not in answer.json()

    def test_it_opens_nobody_s_data(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        token = client.post("/token", {"grant_type": "client_credentials"}).json()["access_token"]

        answer = client.userinfo(token)

        assert error(answer) == (403, "insufficient_scope")

    @pytest.mark.spec("RFC6749-4.4.2")
    def test_scopes_are_about_people(self, world: IdpWorld) -> None:
        answer = world.a_relying_party().post(
            "/token", {"grant_type": "client_credentials", "scope": "openid"}
        )

        assert error(answer) == (400, "invalid_scope")

    @pytest.mark.spec("RFC6749-5.2")
    def test_client_that_is_not_registered_for_it_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(grant_types=["authorization_code"])

        answer = client.post("/token", {"grant_type": "client_credentials"})

        assert error(answer) == (400, "unauthorized_client")


class TestClientAuthentication:
    @pytest.mark.spec("RFC7523-3")
    def test_replayed_assertion_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        form = {"grant_type": "client_credentials"} | client.authentication()[0]
        assert client.post("/token", form, authenticate=False).status_code == 200

        assert error(client.post("/token", form, authenticate=False)) == (401, "invalid_client")

    @pytest.mark.spec("RFC7523-3")
    @pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
    def test_assertion_is_spent_everywhere(self, world: IdpWorld, path: str) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        credentials = client.authentication()[0]
        form = {"grant_type": "client_credentials"} | credentials
        assert client.post("/token", form, authenticate=False).status_code == 200

        again = client.parameters(scope=None if path == "/token" else "openid")
        again |= {"token": "x", "grant_type": "client_credentials"}
        answer = client.post(path, again | credentials, authenticate=False)

        assert error(answer) == (401, "invalid_client")

    @pytest.mark.spec("RFC7523-3")
    @pytest.mark.parametrize(
        "change",
        [{"exp": 1}, {"aud": "https://elsewhere.example"}, {"sub": None}, {"iss": "other"}],
        ids=["stale", "wrong audience", "no subject", "other issuer"],
    )
    def test_bad_assertion_is_refused(self, world: IdpWorld, change: dict[str, Any]) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": client.authentication()[0]["client_assertion_type"],
            "client_assertion": client.assertion(**change),
        }

        assert error(client.post("/token", form, authenticate=False)) == (401, "invalid_client")

    def test_unknown_client_is_refused_like_a_wrong_secret(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        form = {"grant_type": "client_credentials"}
        client.secret = "wrong"
        wrong = client.post("/token", form)
        client.client_id = "nobody"
        unknown = client.post("/token", form)

        assert error(wrong) == error(unknown) == (401, "invalid_client")
        assert wrong.json() == unknown.json()
        assert wrong.headers["www-authenticate"] == unknown.headers["www-authenticate"]

    def test_disabled_client_is_refused_at_once(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()
        token = client.tokens(person, scope="openid profile")["access_token"]
        code = client.code(person)

        with world.session() as session:
            administration.disable_client(session, client.client_id, at=world.clock.now())

        assert error(client.redeem(code)) == (401, "invalid_client")
        assert error(client.userinfo(token)) == (401, "invalid_token")

    def test_disabled_client_gets_nothing_for_itself_either(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        form = {"grant_type": "client_credentials"}
        assert client.post("/token", form).status_code == 200

        with world.session() as session:
            administration.disable_client(session, client.client_id, at=world.clock.now())

        assert error(client.post("/token", form)) == (401, "invalid_client")

    def test_replaced_key_counts_at_once(self, world: IdpWorld) -> None:
        """What a process remembers of a client is never trusted by itself."""
        client = world.a_relying_party(method="private_key_jwt")
        form = {"grant_type": "client_credentials"}
        assert client.post("/token", form).status_code == 200
        new = ProofKey()
        self.replace(world, client.client_id, [{**new.jwk, "kid": "key-1"}])

        assert error(client.post("/token", form)) == (401, "invalid_client")
        client.key = new
        assert client.post("/token", form).status_code == 200

    def replace(self, world: IdpWorld, client_id: str, keys: list[dict[str, Any]]) -> None:
        from dataclasses import replace  # noqa: PLC0415

        from idp.store.clients import find_client, replace_client  # noqa: PLC0415

        with world.session() as session:
            found = find_client(session, client_id)
            assert found is not None
            replace_client(
                session,
                found.client_id,
                metadata=replace(found.metadata, jwks={"keys": keys}),
                sector=found.sector,
                secret_digest=None,
            )


class TestForm:
    @pytest.mark.spec("RFC6749-3.2")
    def test_repeated_parameter_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        form = [("grant_type", "client_credentials"), ("grant_type", "client_credentials")]

        assert error(client.post("/token", form)) == (400, "invalid_request")

    @pytest.mark.spec("RFC6749-5.2")
    @pytest.mark.parametrize(
        ("form", "code"),
        [
            ({}, "invalid_request"),
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": "authorization_code"}, "invalid_request"),
            ({"grant_type": "refresh_token"}, "invalid_request"),
        ],
        ids=["nothing", "unknown grant", "no code", "no refresh token"],
    )
    def test_incomplete_request_is_refused(
        self, world: IdpWorld, form: dict[str, str], code: str
    ) -> None:
        assert error(world.a_relying_party().post("/token", form)) == (400, code)

    @pytest.mark.parametrize(
        ("content", "content_type"),
        [
            (b'{"grant_type": "client_credentials"}', "application/json"),
            (b"grant_type=client_credentials", "text/plain"),
            (b"grant_type=client_credentials", ""),
            (b"\xff\xfe", "application/x-www-form-urlencoded"),
            (b"grant_type=%ff", "application/x-www-form-urlencoded"),
            (b"grant_type=a%00b", "application/x-www-form-urlencoded"),
            (b"a=" + b"x" * 20_000, "application/x-www-form-urlencoded"),
            (b"&".join(b"a%d=1" % n for n in range(200)), "application/x-www-form-urlencoded"),
        ],
        ids=["json", "text", "none", "binary", "not utf-8", "nul", "long", "many"],
    )
    def test_malformed_form_is_refused(
        self, world: IdpWorld, content: bytes, content_type: str
    ) -> None:
        answer = world.http.post("/token", content=content, headers={"Content-Type": content_type})

        assert error(answer) == (400, "invalid_request")

    def test_megabyte_is_not_read(self, world: IdpWorld) -> None:
        answer = world.http.post("/token", data={"grant_type": "x" * 1_000_000})

        assert answer.status_code == 413

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize("path", ["/token", "/par", "/introspect", "/revoke"])
    def test_other_methods_are_refused(self, world: IdpWorld, path: str, method: str) -> None:
        assert world.http.request(method, path).status_code == 405

    def test_metacharacters_are_just_characters(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        for text in ("' OR 1=1 --", "{{7*7}}", "${jndi:x}", "%s%n", "<script>"):
            form = {"grant_type": "refresh_token", "refresh_token": text}
            assert error(client.post("/token", form)) == (400, "invalid_grant")

    def test_key_confusion_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        claims = claims_of(client.assertion())
        for key, alg in ((OTHER_EC_KEY, "ES256"), ("x" * 32, "HS256")):
            forged = jwt.encode(claims, key, algorithm=alg)
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": client.authentication()[0]["client_assertion_type"],
                "client_assertion": forged,
            }
            assert error(client.post("/token", form, authenticate=False)) == (
                InvalidClient.status,
                "invalid_client",
            )
