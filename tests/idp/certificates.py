"""Certificates for tests: an authority, clients of it, and clients of nobody."""

import ipaddress
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kernel.clock import SystemClock
from tests.idp.idp_world import NOON, ec_jwk

A_DAY = timedelta(days=1)
SUBJECT = "CN=bank.example,O=Romashka,C=RU"
MTLS_URL = "https://mtls.localhost:8443"


SINCE_NOON = (SystemClock().now() - NOON) / A_DAY
TODAY = (SINCE_NOON - 1, SINCE_NOON + 1)
"""For real connections, whose other end asks the operating system for the time."""


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass
class Certificate:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuers: "list[Certificate]" = field(default_factory=list)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def jwk(self) -> dict[str, Any]:
        return ec_jwk(self.key) | {"x5c": [b64encode(self.der).decode()], "use": "sig"}

    @property
    def headers(self) -> dict[str, str]:
        """What a proxy adds (RFC 9440, 2.2 and 2.3)."""
        sent = {"Client-Cert": f":{b64encode(self.der).decode()}:"}
        if self.issuers:
            sent["Client-Cert-Chain"] = ", ".join(
                f":{b64encode(issuer.der).decode()}:" for issuer in self.issuers
            )
        return sent


def make(
    subject: x509.Name,
    *,
    issuer: "Certificate | None" = None,
    is_authority: bool = False,
    for_clients: bool | None = True,
    days: tuple[float, float] = (-1, 1),
    names: tuple[x509.GeneralName, ...] = (),
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOON + days[0] * A_DAY)
        .not_valid_after(NOON + days[1] * A_DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority and for_clients is not None:
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if for_clients else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signer = key if issuer is None else issuer.key
    return Certificate(certificate=builder.sign(signer, hashes.SHA256()), key=key)


def with_key(certificate: Certificate) -> bytes:
    """What a server or a client loads: the key and the certificate, as PEM."""
    key = certificate.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key + certificate.pem


def a_server_certificate() -> Certificate:
    return make(name("localhost"), for_clients=None, days=TODAY, names=(x509.DNSName("localhost"),))


def an_authority(common_name: str = "Test authority") -> Certificate:
    return make(name(common_name), is_authority=True)


NAMES: tuple[x509.GeneralName, ...] = (
    x509.DNSName("bank.example"),
    x509.UniformResourceIdentifier("https://bank.example/client"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.7")),
    x509.RFC822Name("client@bank.example"),
)


def a_client_certificate(issuer: Certificate | None, **change: Any) -> Certificate:  # noqa: ANN401
    arguments: dict[str, Any] = {"issuer": issuer, "names": NAMES} | change
    return make(x509.Name.from_rfc4514_string(SUBJECT), **arguments)


def behind_mutual_tls(authority: Certificate, folder: Path) -> dict[str, Any]:
    """Return the settings of an application behind a proxy that asks for certificates."""
    ca_file = folder / "clients.pem"
    ca_file.write_bytes(authority.pem)
    return {
        "trusted_proxies": ("127.0.0.0/8",),
        "mtls_url": MTLS_URL,
        "client_ca_file": ca_file,
    }
