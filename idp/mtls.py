"""Mutual TLS: clients that authenticate by a certificate, tokens bound to one (RFC 8705). No I/O.

Where the certificate comes from is the business of whoever terminated TLS; that the client holds
its private key was proven there. Whether the certificate is the client's is decided here.
"""

import ssl
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from idp.errors import InvalidClient
from idp.model import ClientMetadata, JSONObject
from kernel.secret import b64url, equal, sha256

TLS_CLIENT_AUTH = "tls_client_auth"  # RFC 8705, 2.1
SELF_SIGNED_TLS_CLIENT_AUTH = "self_signed_tls_client_auth"  # RFC 8705, 2.2
METHODS = (TLS_CLIENT_AUTH, SELF_SIGNED_TLS_CLIENT_AUTH)

SUBJECT_FIELDS = (
    "tls_client_auth_subject_dn", "tls_client_auth_san_dns", "tls_client_auth_san_uri",
    "tls_client_auth_san_ip", "tls_client_auth_san_email",
)  # fmt: skip
"""By which of them a client of `tls_client_auth` is known: exactly one (RFC 8705, 2.1.2)."""

LONGEST_CHAIN = 8  # certificates between the client's and the authority's


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """The certificate of the connection, and what came along to build a chain from.

    Attributes:
        der: The client's own certificate.
        intermediates: Of authorities, in no order that is relied on.
    """

    der: bytes
    intermediates: tuple[bytes, ...] = ()

    @property
    def thumbprint(self) -> str:
        """What a token is bound to: `x5t#S256` (RFC 8705, 3.1), base64url."""
        return b64url(sha256(self.der))


def parse_chain(pems: Sequence[str]) -> ClientCertificate | None:
    """Return what a server presents as the chain of the client (PEM); None if there is none."""
    try:
        leaf, *intermediates = (ssl.PEM_cert_to_DER_cert(pem) for pem in pems)
    except ValueError:
        return None
    return ClientCertificate(der=leaf, intermediates=tuple(intermediates))


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authorities whose certificates authenticate clients."""

    anchors: tuple[x509.Certificate, ...]

    @classmethod
    def parse(cls, pem: bytes) -> "Authorities":
        """Read them.

        Raises:
            ValueError: There is none, or one is malformed.
        """
        return cls(tuple(x509.load_pem_x509_certificates(pem)))

    def verify(self, presented: ClientCertificate, *, at: datetime) -> x509.Certificate:
        """Return the client's certificate if an authority vouches for it.

        Raises:
            InvalidClient: 401. Malformed, expired, not for clients, or of no authority of ours.

        Source:
            RFC 8705, 2.1; RFC 5280, 6.1.
        """
        try:
            leaf = _load(presented.der)
            intermediates = [_load(der) for der in presented.intermediates[:LONGEST_CHAIN]]
            # A private authority need not keep the rules for sites on the Internet (a name in the
            # alternative names, an identifier of its key, a use of it); what it says counts.
            policy = (
                verification.PolicyBuilder()
                .store(verification.Store(list(self.anchors)))
                .time(at)
                .max_chain_depth(LONGEST_CHAIN)
                .extension_policies(ca_policy=_CA, ee_policy=_CLIENT)
            )
            policy.build_client_verifier().verify(leaf, intermediates)
        except (verification.VerificationError, ValueError, x509.UnsupportedGeneralNameType) as e:
            raise InvalidClient(reason="certificate of no authority") from e
        return leaf


def _is_for_clients(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    usage: x509.ExtendedKeyUsage | None,
) -> None:
    # RFC 5280, 4.2.1.12: a certificate that does not say what it is for is for everything.
    if usage is not None and not (
        {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & set(usage)
    ):
        raise ValueError("the certificate is not for clients")


def _is_no_authority(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    constraints: x509.BasicConstraints | None,
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("an authority is not a client")


def _signs_certificates(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the key does not sign certificates")


_ANY = verification.Criticality.AGNOSTIC
_CLIENT = (
    verification.ExtensionPolicy.permit_all()
    .may_be_present(x509.ExtendedKeyUsage, _ANY, _is_for_clients)
    .may_be_present(x509.BasicConstraints, _ANY, _is_no_authority)
)
_CA = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, _ANY, None)
    .may_be_present(x509.KeyUsage, _ANY, _signs_certificates)
)


def authenticate(
    metadata: ClientMetadata,
    presented: ClientCertificate | None,
    *,
    authorities: Authorities | None,
    registered: frozenset[bytes],
    at: datetime,
) -> None:
    """Hold the certificate of the connection against what the client registered.

    Args:
        metadata: The client's; its method is one of `METHODS`.
        presented: The certificate, if there was one.
        authorities: Whose certificates we take; None for nobody's.
        registered: SHA-256 of each certificate in the client's key set.
        at: Now.

    Raises:
        InvalidClient: 401. No certificate, or not the client's.
    """
    if presented is None:
        raise InvalidClient("A client certificate is needed.", reason="no certificate")
    if metadata.token_endpoint_auth_method == SELF_SIGNED_TLS_CLIENT_AUTH:
        # RFC 8705, 2.2: the certificate is the registered one; nobody has to vouch for it.
        if sha256(presented.der) not in registered:
            raise InvalidClient(reason="another certificate")
        return
    if authorities is None:
        raise InvalidClient(reason="no authorities")
    if not has_registered_subject(authorities.verify(presented, at=at), metadata):
        raise InvalidClient(reason="another subject")


def has_registered_subject(certificate: x509.Certificate, metadata: ClientMetadata) -> bool:
    """Tell whether a certificate names the client as it registered (RFC 8705, 2.1.2)."""
    field = next((name for name in SUBJECT_FIELDS if getattr(metadata, name) is not None), None)
    if field is None:
        return False
    expected: str = getattr(metadata, field)
    if field == "tls_client_auth_subject_dn":
        return certificate.subject == parse_dn(expected)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    # Compared as names, not as patterns: a wildcard matches itself (RFC 8705, 2.1.2).
    match field:
        case "tls_client_auth_san_dns":
            found = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
            expected = expected.lower()
        case "tls_client_auth_san_uri":
            found = set(names.get_values_for_type(x509.UniformResourceIdentifier))
        case "tls_client_auth_san_ip":
            found = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
            expected = str(ip_address(expected))
        case _:
            found = set(names.get_values_for_type(x509.RFC822Name))
    return expected in found


def parse_dn(text: str) -> x509.Name:
    """Read a distinguished name (RFC 4514).

    Raises:
        ValueError: Malformed, or empty.
    """
    name = x509.Name.from_rfc4514_string(text)
    if not name.rdns:
        raise ValueError("an empty name is nobody's")
    return name


def check_subject_fields(metadata: ClientMetadata) -> str | None:
    """Return what is wrong with the fields that name a client of `tls_client_auth`; None if none.

    Source:
        RFC 8705, 2.1.2.
    """
    named = [name for name in SUBJECT_FIELDS if getattr(metadata, name) is not None]
    if metadata.token_endpoint_auth_method != TLS_CLIENT_AUTH:
        return f"{named[0]} is for tls_client_auth." if named else None
    if len(named) != 1:
        return "tls_client_auth needs exactly one tls_client_auth_ field."
    try:
        match named[0]:
            case "tls_client_auth_subject_dn":
                parse_dn(getattr(metadata, named[0]))
            case "tls_client_auth_san_ip":
                ip_address(getattr(metadata, named[0]))
            case _:
                if not getattr(metadata, named[0]):
                    return f"{named[0]} is empty."
    except ValueError:
        return f"{named[0]} is malformed."
    return None


def certificates_of(jwks: JSONObject | None) -> frozenset[bytes]:
    """Return the SHA-256 of each certificate in a key set: the first of each `x5c`.

    Source:
        RFC 8705, 2.2.2; RFC 7517, 4.7.
    """
    keys = (jwks or {}).get("keys")
    if not isinstance(keys, Sequence) or isinstance(keys, str):
        return frozenset()
    return frozenset(digest for key in keys if (digest := _certificate_digest(key)) is not None)


def _certificate_digest(key: object) -> bytes | None:
    if not isinstance(key, Mapping):
        return None
    chain: Any = key.get("x5c")
    if not isinstance(chain, Sequence) or isinstance(chain, str) or not chain:
        return None
    try:
        return sha256(b64decode(chain[0], validate=True))
    except (ValueError, TypeError):
        return None


def is_bound_to(thumbprint: str, presented: ClientCertificate | None) -> bool:
    """Tell whether a token that names a certificate came over a connection with it.

    Source:
        RFC 8705, 3.
    """
    return presented is not None and equal(presented.thumbprint.encode(), thumbprint.encode())


@lru_cache(maxsize=1024)
def _load(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)
