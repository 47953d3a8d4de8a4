"""DPoP proofs: RFC 9449."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from idp.dpop import mint_nonce, thumbprint, verify_proof
from idp.errors import InvalidDPoPProof, UseDPoPNonce
from idp.policy import Policy
from kernel.secret import b64url, sha256
from tests.idp.pure import (
    EC_KEY,
    ED_KEY,
    NOON,
    OTHER_EC_KEY,
    RSA_KEY,
    private_jwk,
    public_jwk,
    signed,
)

TOKEN_ENDPOINT = "https://civitas.example/token"
ALIAS = "https://mtls.civitas.example/token"
POLICY = Policy()
NONCE_KEY = b"k" * 32


def jwk_of(key: Any) -> dict[str, Any]:  # noqa: ANN401
    return {n: v for n, v in public_jwk(key).items() if n in {"kty", "crv", "x", "y", "n", "e"}}


def a_proof(
    key: Any = EC_KEY,  # noqa: ANN401
    alg: str = "ES256",
    header: dict[str, Any] | None = None,
    **change: Any,  # noqa: ANN401
) -> str:
    claims: dict[str, Any] = {
        "jti": "one",
        "htm": "POST",
        "htu": TOKEN_ENDPOINT,
        "iat": NOON.timestamp(),
    }
    parts = {"typ": "dpop+jwt", "jwk": jwk_of(key)} | (header or {})
    return signed(claims | change, key=key, alg=alg, **parts)


def verify(proof: str, **change: Any) -> Any:  # noqa: ANN401
    arguments: dict[str, Any] = {
        "method": "POST",
        "uris": [TOKEN_ENDPOINT, ALIAS],
        "at": NOON,
        "policy": POLICY,
    }
    return verify_proof(proof, **(arguments | change))


class TestVerifyProof:
    @pytest.mark.spec("RFC8037-2")
    @pytest.mark.spec("RFC9449-4.3")
    @pytest.mark.parametrize(
        ("key", "alg"),
        [(EC_KEY, "ES256"), (ED_KEY, "EdDSA"), (ED_KEY, "Ed25519"), (RSA_KEY, "PS256")],
        ids=["EC", "Ed", "Ed25519", "RSA"],
    )
    def test_proof_of_each_kind_of_key_is_good(self, key: Any, alg: str) -> None:  # noqa: ANN401
        proof = verify(a_proof(key, alg))

        assert proof.jkt == thumbprint(jwk_of(key))
        assert proof.made_at == NOON

    @pytest.mark.spec("RFC9449-4.3")
    @pytest.mark.parametrize(
        "proof",
        [
            a_proof(htm="GET"),
            a_proof(htm=None),
            a_proof(htm="post"),
            a_proof(htu="https://civitas.example/par"),
            a_proof(htu="https://elsewhere.example/token"),
            a_proof(htu="http://civitas.example/token"),
            a_proof(htu="https://civitas.example:8443/token"),
            a_proof(htu="https://user@civitas.example/token"),
            a_proof(htu="https://civitas.example/Token"),
            a_proof(htu=None),
            a_proof(htu=["https://civitas.example/token"]),
            a_proof(htu="https://[/token"),
            a_proof(jti=None),
            a_proof(jti=""),
            a_proof(jti=7),
            a_proof(jti="x" * 257),
            a_proof(iat=None),
            a_proof(iat="1"),
            a_proof(iat=True),
            a_proof(header={"typ": "JWT"}),
            a_proof(header={"typ": None}),
            a_proof(header={"jwk": None}),
            a_proof(header={"jwk": "text"}),
            a_proof(header={"jwk": jwk_of(OTHER_EC_KEY)}),
            a_proof(header={"jwk": private_jwk(EC_KEY)}),
            a_proof(header={"jwk": {"kty": "oct", "k": "c2VjcmV0"}}),
            a_proof(header={"crit": ["exp"], "exp": 1}),
            a_proof(iat=1e300),
            a_proof(iat=10**18),
            a_proof(RSA_KEY, "RS256"),
            "not a jwt",
            "",
        ],
        ids=range(32),
    )
    def test_whatever_is_wrong_is_refused_alike(self, proof: str) -> None:
        with pytest.raises(InvalidDPoPProof) as refused:
            verify(proof)

        assert refused.value.detail == InvalidDPoPProof.title

    @pytest.mark.spec("RFC9449-4.3")
    def test_header_that_was_good_before_makes_no_signature_good(self) -> None:
        head, payload, signature = a_proof().split(".")
        other = a_proof(jti="two").split(".")
        assert verify(f"{head}.{payload}.{signature}")

        for parts in ((head, other[1], signature), (head, payload, other[2])):
            with pytest.raises(InvalidDPoPProof):
                verify(".".join(parts))

    @pytest.mark.spec("RFC3986-6.2.2")
    @pytest.mark.spec("RFC9449-4.3")
    @pytest.mark.parametrize(
        "htu",
        [
            "https://civitas.example/token?query=1",
            "https://civitas.example/token#fragment",
            "https://civitas.example:443/token",
            "https://CIVITAS.example/token",
            "HTTPS://civitas.example/token",
            "https://mtls.civitas.example/token",
        ],
    )
    def test_address_is_compared_normalised_without_query_and_fragment(self, htu: str) -> None:
        assert verify(a_proof(htu=htu))

    @pytest.mark.spec("RFC9449-11.1")
    @pytest.mark.parametrize("seconds", [-60, -10, 0, 10, 30])
    def test_clock_may_be_off_a_little(self, seconds: int) -> None:
        assert verify(a_proof(iat=NOON.timestamp() + seconds))

    @pytest.mark.spec("RFC9449-11.1")
    @pytest.mark.parametrize("seconds", [-61, 31, -86400, 86400, 1e300])
    def test_stale_and_future_proofs_are_refused(self, seconds: float) -> None:
        with pytest.raises(InvalidDPoPProof):
            verify(a_proof(iat=NOON.timestamp() + seconds))

    @pytest.mark.spec("RFC9449-4.2")
    def test_nbf_and_exp_are_no_claims_of_a_proof(self) -> None:
        now = NOON.timestamp()

        assert verify(a_proof(nbf=now + 100, exp=now - 100))

    @pytest.mark.spec("RFC9449-7.1")
    def test_proof_for_a_resource_names_the_token(self) -> None:
        ath = b64url(sha256(b"token"))

        assert verify(a_proof(ath=ath), ath=b64url(sha256(b"token")))
        for wrong in (None, "", b64url(sha256(b"other")), 1):
            with pytest.raises(InvalidDPoPProof):
                verify(a_proof(ath=wrong), ath=b64url(sha256(b"token")))

    def test_proof_is_named_by_its_key_and_jti(self) -> None:
        same = verify(a_proof(iat=NOON.timestamp() - 5)).digest

        assert verify(a_proof()).digest == same
        assert verify(a_proof(jti="two")).digest != same
        assert verify(a_proof(OTHER_EC_KEY)).digest != same

    @pytest.mark.spec("RFC7638-3.2")
    @pytest.mark.spec("RFC7638-3.1")
    def test_thumbprint_is_the_published_one(self) -> None:
        modulus = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
            "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
            "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI"
            "4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        )

        found = thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "x"})

        assert found == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


class TestNonces:
    STRICT = replace(POLICY, requires_dpop_nonce=True)

    def verify(self, proof: str, **change: Any) -> Any:  # noqa: ANN401
        return verify(proof, policy=self.STRICT, nonce_key=NONCE_KEY, **change)

    @pytest.mark.spec("RFC9449-8")
    def test_our_nonce_is_accepted(self) -> None:
        assert self.verify(a_proof(nonce=mint_nonce(NONCE_KEY, NOON)))

    @pytest.mark.spec("RFC9449-8")
    @pytest.mark.parametrize(
        "nonce",
        [
            None,
            "",
            "guess",
            1,
            mint_nonce(b"o" * 32, NOON),
            mint_nonce(NONCE_KEY, NOON - timedelta(minutes=6)),
            mint_nonce(NONCE_KEY, NOON + timedelta(minutes=1)),
            b64url(b"\xff" * 24),
        ],
        ids=["missing", "empty", "guessed", "number", "foreign", "old", "future", "far"],
    )
    def test_any_other_is_answered_with_a_fresh_one(self, nonce: object) -> None:
        with pytest.raises(UseDPoPNonce) as refused:
            self.verify(a_proof(nonce=nonce))

        fresh = refused.value.headers["DPoP-Nonce"]
        assert self.verify(a_proof(nonce=fresh))

    def test_nonce_is_not_looked_at_where_it_is_not_required(self) -> None:
        assert verify(a_proof(nonce="whatever"), nonce_key=NONCE_KEY)
