"""The log's keys as verifiers know them."""

from collections.abc import Mapping, Sequence
from typing import cast

from audit.checkpoint import VerifierKey
from kernel.key_pairs import SigningKey
from kernel.secret import b64url_decode
from kernel.signing import SigningKeys

KEY_USE = "log"
ALG = "EdDSA"


def current_key(signing: SigningKeys) -> SigningKey:
    """Return the key that signs checkpoints now."""
    return signing.current(KEY_USE, ALG)


def verifier_key(jwk: Mapping[str, str], *, origin: str) -> VerifierKey:
    """Return a public key of the log under the log's name."""
    return VerifierKey(name=origin, public_key=b64url_decode(jwk["x"]))


def verifier_keys(signing: SigningKeys, *, origin: str) -> Sequence[VerifierKey]:
    """Return every key that may have signed a checkpoint of this log, or soon will."""
    published = cast("Sequence[Mapping[str, str]]", signing.public_jwks(KEY_USE)["keys"])
    return [verifier_key(jwk, origin=origin) for jwk in published]
