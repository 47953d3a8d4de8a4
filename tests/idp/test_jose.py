"""Signatures of others: what counts is decided by us, never by the token."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.jose import (
    ALGORITHMS,
    FAPI2_ALGORITHMS,
    NotVerified,
    parse_jwks,
    parse_public_jwk,
    verify_jws,
)
from tests.idp.pure import (
    EC_KEY,
    KEY_OF_ALG,
    OTHER_EC_KEY,
    RSA_KEY,
    SMALL_RSA_KEY,
    private_jwk,
    public_jwk,
    signed,
)

CLAIMS = {"iss": "client-1"}
KEYS = (parse_public_jwk(public_jwk(EC_KEY, kid="key-1")),)


def encoded(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def hmac_signed(header: dict[str, Any], secret: bytes) -> str:
    head = f"{encoded(header)}.{encoded(CLAIMS)}"
    return f"{head}.{encoded(hmac.digest(secret, head.encode(), 'sha256'))}"


class TestVerify:
    @pytest.mark.spec("RFC7518-3.1")
    @pytest.mark.parametrize("alg", ALGORITHMS)
    def test_every_offered_algorithm_verifies(self, alg: str) -> None:
        key = KEY_OF_ALG[alg]

        verified = verify_jws(
            signed(CLAIMS, key=key, alg=alg),
            (parse_public_jwk(public_jwk(key)),),
            algorithms=ALGORITHMS,
        )

        assert verified.claims == CLAIMS
        assert verified.header["alg"] == alg

    @pytest.mark.spec("RFC9864-2.2")
    @pytest.mark.parametrize(("named", "alg"), [("EdDSA", "Ed25519"), ("Ed25519", "EdDSA")])
    def test_key_that_names_one_algorithm_verifies_no_other_name_of_it(
        self, named: str, alg: str
    ) -> None:
        key = parse_public_jwk(public_jwk(KEY_OF_ALG[alg], alg=named))

        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, key=KEY_OF_ALG[alg], alg=alg), (key,), algorithms=ALGORITHMS)

    @pytest.mark.spec("RFC8725-3.1")
    def test_rsa_with_pkcs1_is_not_accepted_from_a_fapi2_client(self) -> None:
        with pytest.raises(NotVerified):
            verify_jws(
                signed(CLAIMS, key=RSA_KEY, alg="RS256"),
                (parse_public_jwk(public_jwk(RSA_KEY)),),
                algorithms=FAPI2_ALGORITHMS,
            )

    @pytest.mark.spec("RFC8725-3.2")
    @pytest.mark.parametrize(
        "alg", ["none", "None", "NONE", "nOnE", "", None, 1, ["ES256"]], ids=repr
    )
    def test_alg_none_is_refused(self, alg: object) -> None:
        for signature in ("", "AAAA"):
            compact = f"{encoded({'alg': alg})}.{encoded(CLAIMS)}.{signature}"
            with pytest.raises(NotVerified):
                verify_jws(compact, KEYS, algorithms=ALGORITHMS)

    @pytest.mark.spec("RFC8725-3.1")
    @pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["EC", "RSA"])
    def test_public_key_is_not_taken_for_an_hmac_secret(self, key: Any) -> None:  # noqa: ANN401
        public = key.public_key()
        secrets = [
            public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            json.dumps(public_jwk(key)).encode(),
        ]

        for secret in secrets:
            for alg in ("HS256", "HS384", "HS512"):
                with pytest.raises(NotVerified):
                    verify_jws(
                        hmac_signed({"alg": alg}, secret),
                        (parse_public_jwk(public_jwk(key)),),
                        algorithms=ALGORITHMS,
                    )

    @pytest.mark.spec("RFC8725-3.10")
    @pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "jwk"])
    def test_key_that_the_token_brings_or_names_is_not_used(self, name: str) -> None:
        smuggled: Any = {
            "jku": "https://evil.example/jwks",
            "x5u": "https://evil.example/cert",
            "x5c": ["MII="],
            "jwk": public_jwk(OTHER_EC_KEY),
        }[name]

        with pytest.raises(NotVerified):
            verify_jws(
                signed(CLAIMS, key=OTHER_EC_KEY, **{name: smuggled}), KEYS, algorithms=ALGORITHMS
            )

    @pytest.mark.spec("RFC7515-4.1.11")
    def test_critical_parameter_that_we_do_not_know_is_refused(self) -> None:
        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, crit=["exp"], exp=1), KEYS, algorithms=ALGORITHMS)

    def test_another_key_is_refused(self) -> None:
        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, key=OTHER_EC_KEY), KEYS, algorithms=ALGORITHMS)

    def test_kid_of_another_key_is_refused(self) -> None:
        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, kid="key-2"), KEYS, algorithms=ALGORITHMS)

    @pytest.mark.spec("RFC7515-6")
    def test_kid_chooses_among_keys(self) -> None:
        keys = parse_jwks(
            {"keys": [public_jwk(OTHER_EC_KEY, kid="a"), public_jwk(EC_KEY, kid="b")]}
        )

        assert verify_jws(signed(CLAIMS, kid="b"), keys, algorithms=ALGORITHMS).claims == CLAIMS
        assert verify_jws(signed(CLAIMS), keys, algorithms=ALGORITHMS).claims == CLAIMS
        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, kid="a"), keys, algorithms=ALGORITHMS)

    def test_no_bit_of_it_can_change(self) -> None:
        compact = signed(CLAIMS)
        head, payload, signature = compact.split(".")

        for changed in (
            f"{head}.{encoded({'iss': 'client-2'})}.{signature}",
            f"{encoded({'alg': 'ES256', 'typ': 'x'})}.{payload}.{signature}",
            f"{head}.{payload}.{'A' * len(signature)}",
            f"{head}.{payload}.",
            f"{head}.{payload}",
            compact + "A",
            compact + ".",
        ):
            with pytest.raises(NotVerified):
                verify_jws(changed, KEYS, algorithms=ALGORITHMS)

    @pytest.mark.parametrize(
        "compact",
        [
            "",
            ".",
            "..",
            "a.b.c",
            "{}",
            "e30.e30.e30",
            "\x00",
            "é.é.é",
            "A" * 20_000,
            "a" * 9 + ".b.c",
        ],
        ids=lambda text: text[:10] or "empty",
    )
    def test_malformed_one_is_refused(self, compact: str) -> None:
        with pytest.raises(NotVerified):
            verify_jws(compact, KEYS, algorithms=ALGORITHMS)

    def test_payload_that_is_no_object_is_refused(self) -> None:
        import jwt  # noqa: PLC0415

        compact = jwt.PyJWS().encode(b"[1]", EC_KEY, algorithm="ES256")

        with pytest.raises(NotVerified):
            verify_jws(compact, KEYS, algorithms=ALGORITHMS)


class TestKeys:
    @pytest.mark.spec("RFC7517-1.1")
    @pytest.mark.parametrize(
        "jwk",
        [
            private_jwk(EC_KEY),
            {"kty": "oct", "k": "c2VjcmV0"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB"},
        ],
        ids=["private", "symmetric", "private RSA"],
    )
    def test_private_or_symmetric_key_is_refused(self, jwk: dict[str, Any]) -> None:
        with pytest.raises(NotVerified):
            parse_public_jwk(jwk)
        with pytest.raises(NotVerified):
            parse_jwks({"keys": [jwk]})

    @pytest.mark.spec("RFC7518-3.3")
    def test_small_rsa_key_is_refused(self) -> None:
        with pytest.raises(NotVerified):
            parse_public_jwk(public_jwk(SMALL_RSA_KEY))

    @pytest.mark.parametrize(
        "jwk",
        [
            {},
            {"kty": "EC"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
            {"kty": "EC", "crv": "P-256", "x": 1, "y": 2},
            {"kty": "OKP", "crv": "X25519", "x": "AA"},
            {"kty": ["EC"]},
        ],
        ids=repr,
    )
    def test_malformed_key_is_refused(self, jwk: dict[str, Any]) -> None:
        with pytest.raises(NotVerified):
            parse_public_jwk(jwk)

    @pytest.mark.spec("RFC7517-5")
    def test_keys_that_we_have_no_use_for_are_left_out(self) -> None:
        keys = parse_jwks(
            {
                "keys": [
                    {"kty": "future"},
                    public_jwk(OTHER_EC_KEY, use="enc"),
                    public_jwk(EC_KEY, kid="mine"),
                ]
            }
        )

        assert [key.kid for key in keys] == ["mine"]

    @pytest.mark.parametrize(
        "jwks", [{}, {"keys": "text"}, {"keys": {}}, {"keys": [1]}, {"keys": [{}] * 17}], ids=repr
    )
    def test_what_is_no_key_set_is_refused(self, jwks: dict[str, Any]) -> None:
        with pytest.raises(NotVerified):
            parse_jwks(jwks)

    @pytest.mark.spec("RFC7517-4.4")
    def test_key_that_names_its_algorithm_verifies_no_other(self) -> None:
        key = parse_public_jwk(public_jwk(RSA_KEY, alg="PS256"))

        assert key.algorithms == ("PS256",)
        with pytest.raises(NotVerified):
            verify_jws(signed(CLAIMS, key=RSA_KEY, alg="RS256"), (key,), algorithms=ALGORITHMS)
