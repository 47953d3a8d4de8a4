"""Encrypted answers: a JWS in a JWE, to the key that the client registered."""

from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwe
from joserfc.jwk import ECKey, OKPKey, RSAKey
from jwt.algorithms import RSAAlgorithm

from idp.errors import InvalidClientMetadata
from idp.jwe import Encryption, NoEncryptionKey, encrypt
from tests.idp.idp_world import ISSUER, IdpWorld, ProofKey, RelyingParty, claims_of

WEAK_KEY = rsa.generate_private_key(65537, 1024)  # what is to be refused
WEAK = RSAAlgorithm.to_jwk(WEAK_KEY.public_key(), as_dict=True)
RSA = RSAKey.generate_key(2048, private=True)
EC = ECKey.generate_key("P-256", private=True)
X25519 = OKPKey.generate_key("X25519", private=True)

PAIRS = [
    (RSA, "RSA-OAEP-256", "A128CBC-HS256"),
    (RSA, "RSA-OAEP-256", "A256GCM"),
    (EC, "ECDH-ES", "A128CBC-HS256"),
    (EC, "ECDH-ES+A256KW", "A256GCM"),
    (X25519, "ECDH-ES", "A256GCM"),
]


def public(key: Any, **members: str) -> dict[str, Any]:  # noqa: ANN401
    return {**key.as_dict(private=False), "kid": "enc-1", "use": "enc", **members}


def a_client(
    world: IdpWorld,
    key: Any,  # noqa: ANN401
    *kinds: str,
    alg: str,
    enc: str | None = None,
    **more: Any,  # noqa: ANN401
) -> RelyingParty:
    metadata: dict[str, Any] = {"jwks": {"keys": [public(key)]}}
    for kind in kinds:
        metadata[f"{kind}_encrypted_response_alg"] = alg
        if enc is not None:
            metadata[f"{kind}_encrypted_response_enc"] = enc
    return world.a_relying_party(**(metadata | more))


def registered(world: IdpWorld, name: str, value: Any) -> RelyingParty:  # noqa: ANN401
    asked: dict[str, Any] = {name: value}
    return world.a_relying_party(**asked)


def opened(compact: str, key: Any, alg: str, enc: str) -> jwe.CompactEncryption:  # noqa: ANN401
    return jwe.decrypt_compact(compact, key, algorithms=[alg, enc])


def signed_in(found: jwe.CompactEncryption) -> dict[str, Any]:
    assert found.headers()["cty"] == "JWT"
    assert found.plaintext is not None
    return claims_of(found.plaintext.decode())


@pytest.mark.spec("OIDCC-10.2")
@pytest.mark.spec("RFC7518-4.3")
@pytest.mark.spec("RFC7518-4.6")
@pytest.mark.spec("RFC7519-5.2")
@pytest.mark.parametrize(("key", "alg", "enc"), PAIRS)
def test_id_token(world: IdpWorld, key: Any, alg: str, enc: str) -> None:  # noqa: ANN401
    client = a_client(world, key, "id_token", alg=alg, enc=enc)

    id_token = client.tokens(world.someone())["id_token"]

    found = opened(id_token, key, alg, enc)
    assert found.headers()["kid"] == "enc-1"
    assert signed_in(found)["aud"] == client.client_id


@pytest.mark.spec("OIDCC-5.3.2")
def test_userinfo_signed_and_encrypted(world: IdpWorld) -> None:
    client = a_client(
        world, EC, "userinfo", alg="ECDH-ES", enc="A256GCM", userinfo_signed_response_alg="RS256"
    )
    token = client.tokens(world.someone())["access_token"]

    answer = client.userinfo(token)

    assert answer.headers["content-type"] == "application/jwt"
    assert signed_in(opened(answer.text, EC, "ECDH-ES", "A256GCM"))["iss"] == ISSUER


@pytest.mark.spec("OIDCC-5.3.2")
def test_userinfo_encrypted_alone(world: IdpWorld) -> None:
    client = a_client(world, RSA, "userinfo", alg="RSA-OAEP-256")
    token = client.tokens(world.someone())["access_token"]

    found = opened(client.userinfo(token).text, RSA, "RSA-OAEP-256", "A128CBC-HS256")

    assert found.plaintext is not None
    assert orjson.loads(found.plaintext)["sub"]
    assert "cty" not in found.headers()


@pytest.mark.spec("RFC9701-5")
def test_introspection(world: IdpWorld) -> None:
    client = a_client(world, EC, "introspection", alg="ECDH-ES+A256KW")
    token = client.tokens(world.someone())["access_token"]

    answer = client.post(
        "/introspect",
        {"token": token},
        headers={"Accept": "application/token-introspection+jwt"},
    )

    found = opened(answer.text, EC, "ECDH-ES+A256KW", "A128CBC-HS256")
    assert signed_in(found)["token_introspection"]["active"] is True


@pytest.mark.spec("JARM-2.2")
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_authorization_response(world: IdpWorld, decision: str) -> None:
    client = a_client(world, RSA, "authorization", alg="RSA-OAEP-256", enc="A256GCM")

    answer = world.browser().authorize(
        client.url(client.verifier(), response_mode="jwt"), world.someone(), decision
    )

    claims = signed_in(opened(answer["response"], RSA, "RSA-OAEP-256", "A256GCM"))
    assert ("code" if decision == "allow" else "error") in claims
    assert claims["aud"] == client.client_id


@pytest.mark.parametrize("kind", ["id_token", "userinfo", "authorization", "introspection"])
class TestRegistration:
    """OpenID Connect Registration, 2."""

    @pytest.mark.spec("OIDCR-2")
    @pytest.mark.parametrize(
        ("alg", "enc"),
        [
            ("RSA1_5", None),
            ("dir", None),
            ("A256KW", None),
            ("RSA-OAEP", None),
            ("none", None),
            ("RSA-OAEP-256", "A192CBC-HS384"),
            ("ECDH-ES", None),  # the key is of RSA
        ],
    )
    def test_not_offered(self, world: IdpWorld, kind: str, alg: str, enc: str | None) -> None:
        with pytest.raises(InvalidClientMetadata):
            a_client(world, RSA, kind, alg=alg, enc=enc)

    @pytest.mark.spec("OIDCR-2")
    def test_enc_needs_alg(self, world: IdpWorld, kind: str) -> None:
        with pytest.raises(InvalidClientMetadata):
            registered(world, f"{kind}_encrypted_response_enc", "A256GCM")

    def test_key_is_needed(self, world: IdpWorld, kind: str) -> None:
        with pytest.raises(InvalidClientMetadata):
            registered(world, f"{kind}_encrypted_response_alg", "RSA-OAEP-256")

    def test_wrong_type(self, world: IdpWorld, kind: str) -> None:
        with pytest.raises(InvalidClientMetadata):
            registered(world, f"{kind}_encrypted_response_alg", 7)


def test_answer_through_the_browser_waits_for_no_other_server(world: IdpWorld) -> None:
    with pytest.raises(InvalidClientMetadata):
        world.a_relying_party(
            jwks_uri="https://rp.example/jwks", authorization_encrypted_response_alg="ECDH-ES"
        )


class TestKeys:
    """Which key is encrypted to."""

    WANTED = Encryption(alg="RSA-OAEP-256", enc="A256GCM")

    @pytest.mark.parametrize(
        "jwks",
        [
            None,
            {},
            {"keys": "x"},
            {"keys": []},
            {"keys": [None, 7]},
            {"keys": [public(RSA, use="sig")]},
            {"keys": [public(RSA, alg="RSA-OAEP")]},
            {"keys": [{**public(RSA), "d": "AQAB"}]},
            {"keys": [public(EC)]},
            {"keys": [{"kty": "RSA", "use": "enc"}]},
            {"keys": [{"kty": "RSA", "use": "enc", "n": "!!", "e": "AQAB"}]},
            {"keys": [{**WEAK, "use": "enc"}]},
            {"keys": [public(RSA)] * 17},
        ],
    )
    def test_none_fits(self, jwks: dict[str, Any] | None) -> None:
        with pytest.raises(NoEncryptionKey):
            encrypt("x.y.z", self.WANTED, jwks)

    def test_first_that_fits(self) -> None:
        jwks = {"keys": [public(EC), public(RSA, use="sig"), public(RSA, kid="the-one")]}

        found = opened(encrypt("x.y.z", self.WANTED, jwks), RSA, "RSA-OAEP-256", "A256GCM")

        assert found.headers()["kid"] == "the-one"

    def test_key_that_signs_is_left_to_signing(self) -> None:
        jwks = {"keys": [ProofKey().jwk]}

        with pytest.raises(NoEncryptionKey):
            encrypt("x.y.z", Encryption(alg="ECDH-ES", enc="A256GCM"), jwks)


def test_metadata(world: IdpWorld) -> None:
    document = world.http.get("/.well-known/openid-configuration").json()

    for kind in ("id_token", "userinfo", "authorization", "introspection"):
        assert "RSA-OAEP-256" in document[f"{kind}_encryption_alg_values_supported"]
        assert "A256GCM" in document[f"{kind}_encryption_enc_values_supported"]
