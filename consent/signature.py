"""The signature of a consent: made when it is given, verifiable for as long as the record exists.

A compact JWS (RFC 7515) with ES256 by the key of use `consent` over `receipt.canonical_form`.
Retired `consent` keys stay in the published set for ever: a receipt outlives its key.
"""

from datetime import datetime
from typing import cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

from consent.errors import ConsentNotAuthentic
from consent.model import ConsentRecord, ConsentRequest, PublicJWKS
from consent.receipt import canonical_form, facts_of_payload, facts_of_record
from kernel.ids import ConsentId
from kernel.signing import SigningKeys

TYPE = "civitas-consent+jws"
KEY_USE = "consent"


def sign_consent(
    signing: SigningKeys, request: ConsentRequest, *, consent_id: ConsentId, given_at: datetime
) -> str:
    """Sign what a person is agreeing to and return the compact JWS."""
    payload = canonical_form(request, consent_id=consent_id, given_at=given_at)
    return signing.jws(KEY_USE, payload, header={"typ": TYPE})


def verify_signature(compact: str, *, jwks: PublicJWKS) -> bytes:
    """Verify a consent's signature and return the canonical record that it covers.

    Args:
        compact: The JWS.
        jwks: Our published keys of use `consent`, retired ones included.

    Raises:
        ConsentNotAuthentic: Not a JWS, another type or algorithm, an unknown key, or changed.
    """
    try:
        keys = KeySet.import_key_set(cast("KeySetSerialization", jwks))
        signed = jws.deserialize_compact(compact, keys, algorithms=["ES256"])
    except (JoseError, ValueError) as error:
        raise ConsentNotAuthentic(reason=type(error).__name__) from error
    if signed.headers().get("typ") != TYPE:
        raise ConsentNotAuthentic(reason="typ")
    return signed.payload


def verify_record(record: ConsentRecord, *, jwks: PublicJWKS) -> bytes:
    """Verify that a row says what the person signed; return the canonical record.

    The signature alone proves that somebody consented to something; this proves that it was to
    what the row now claims. A row with an item added, a later end, or another row's signature is
    refused.

    Raises:
        ConsentNotAuthentic: The signature does not verify, or the row differs from it.
    """
    payload = verify_signature(record.signature, jwks=jwks)
    try:
        signed = facts_of_payload(payload)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ConsentNotAuthentic(reason="schema", consent_id=record.consent_id) from error
    if signed != facts_of_record(record):
        raise ConsentNotAuthentic(reason="row differs", consent_id=record.consent_id)
    return payload
