"""Values for tests of what decides: valid by default, one override visible per test."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from jwt.api_jws import PyJWS

from idp.checks import Submission
from idp.disclosures import read_disclosure
from idp.model import Client, ClientMetadata, ClientProfile
from idp.resource_indicators import resources_of
from kernel.ids import ClientId, PartnerId

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUER = "https://civitas.example"
REDIRECT_URI = "https://rp.example/callback"

EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=1024)

_SIGNER = PyJWS()
_SIGNER.register_algorithm("Ed25519", OKPAlgorithm())  # RFC 9864, which PyJWT does not know

KEY_OF_ALG: Mapping[str, Any] = {
    "ES256": EC_KEY,
    "EdDSA": ED_KEY,
    "Ed25519": ED_KEY,
    "RS256": RSA_KEY,
    "PS256": RSA_KEY,
}


def public_jwk(key: Any, **more: object) -> dict[str, Any]:  # noqa: ANN401
    match key:
        case ec.EllipticCurvePrivateKey():
            return {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}
        case rsa.RSAPrivateKey():
            jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            return {**{n: jwk[n] for n in ("kty", "n", "e")}, **more}
        case _:
            return {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}


def private_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    return dict(ECAlgorithm.to_jwk(key, as_dict=True))


def signed(
    claims: Mapping[str, object],
    *,
    key: Any = EC_KEY,  # noqa: ANN401
    alg: str = "ES256",
    **header: object,
) -> str:
    said = {name: value for name, value in claims.items() if value is not None}
    return _SIGNER.encode(orjson.dumps(said), key, algorithm=alg, headers=dict(header))


def a_client(
    *,
    profile: ClientProfile = ClientProfile.OIDC,
    **metadata: Any,  # noqa: ANN401
) -> Client:
    values: dict[str, Any] = {
        "redirect_uris": (REDIRECT_URI,),
        "client_name": "Ромашка Банк",
        "grant_types": ("authorization_code", "refresh_token"),
    }
    return Client(
        client_id=ClientId("client-1"),
        partner_id=PartnerId("bank"),
        partner_name="АО «Ромашка Банк»",
        partner_is_verified=True,
        profile=profile,
        metadata=ClientMetadata(**(values | metadata)),
        sector="bank/rp.example",
        revision=1,
    )


def a_submission(client: Client | None = None, **change: Any) -> Submission:  # noqa: ANN401
    """Return a request; `None` takes a parameter out, names of fields change the rest."""
    parameters: dict[str, str | None] = {
        "client_id": "client-1",
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid profile",
        "state": "st-1",
        "nonce": "n-1",
    }
    fields = {"resources", "channel", "proof_jkt"}
    parameters |= {name: value for name, value in change.items() if name not in fields}
    submission = Submission(
        client=client or a_client(),
        parameters={name: value for name, value in parameters.items() if value is not None},
        resources=(),
        channel="browser",
        proof_jkt=None,
        known_resources=resources_of(ISSUER),
        read_disclosure=read_disclosure,
    )
    return replace(submission, **{n: value for n, value in change.items() if n in fields})
