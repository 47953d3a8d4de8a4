"""A certificate authority and a signer of the demonstration: made at the first start, kept.

Its keys lie in the data folder like everything of the demonstration, and are worth nothing outside
of it: the only place that trusts this authority is the folder `signature-roots` beside them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Final

from cryptography import x509 as certificates
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers

SIGNATURE_ROOTS: Final = "signature-roots"
_FOLDER: Final = "demo-signer"
_AUTHORITY_LIFETIME: Final = timedelta(days=20 * 365)
_SIGNER_LIFETIME: Final = timedelta(days=15 * 30)  # as usual for an organisation's certificate


@dataclass(frozen=True, slots=True)
class DemoSigner:
    """Who signs the documents of the demonstration's agencies."""

    folder: Path
    certificate: certificates.Certificate

    @classmethod
    def open(cls, data: Path, *, at: datetime) -> "DemoSigner":
        """Load the signer; make it, and the authority that vouches for it, at the first start.

        A certificate that is about to expire is replaced by one of the same authority.

        Args:
            data: The data folder.
            at: Now.
        """
        folder = data / _FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority_key = _key(folder / "authority.key")
        authority = _certificate(folder / "authority.pem") or _make_authority(authority_key, at)
        key = _key(folder / "signer.key")
        certificate = _certificate(folder / "signer.pem")
        if certificate is None or certificate.not_valid_after_utc < at + timedelta(days=30):
            certificate = _make_signer(key, authority, authority_key, at)
        _write(folder / "authority.pem", _pem(authority))
        _write(folder / "signer.pem", _pem(certificate))
        roots = data / SIGNATURE_ROOTS
        roots.mkdir(exist_ok=True)
        _write(roots / "demo-authority.pem", _pem(authority))
        return cls(folder, certificate)

    @property
    def serial_hex(self) -> str:
        """The certificate's serial number, as it is printed on paper."""
        return f"{self.certificate.serial_number:032X}"

    @property
    def owner(self) -> str:
        """Whose certificate it is."""
        (name,) = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(name.value)

    def sign(self, pdf: bytes, *, reason: str, field: str = "Signature") -> bytes:
        """Sign a PDF: PAdES, baseline B-B (ETSI EN 319 142-1, 6)."""
        signer = signers.SimpleSigner.load(
            str(self.folder / "signer.key"),
            str(self.folder / "signer.pem"),
            ca_chain_files=(str(self.folder / "authority.pem"),),
        )
        assert signer is not None
        metadata = signers.PdfSignatureMetadata(
            field_name=field,
            md_algorithm="sha256",
            subfilter=fields.SigSeedSubFilter.PADES,
            reason=reason,
            location="Москва",
        )
        out = BytesIO()
        signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf)), metadata, signer, output=out)
        return out.getvalue()


def _make_authority(key: ec.EllipticCurvePrivateKey, at: datetime) -> certificates.Certificate:
    name = _name("Civitas", "Демонстрационный УЦ Civitas")
    return (
        _builder(name, name, key, at, _AUTHORITY_LIFETIME)
        .add_extension(certificates.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(is_authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _make_signer(
    key: ec.EllipticCurvePrivateKey,
    authority: certificates.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    at: datetime,
) -> certificates.Certificate:
    subject = _name("Налоговая служба (демонстрация)", "Налоговая служба (демонстрация)")
    identifier = certificates.AuthorityKeyIdentifier.from_issuer_public_key
    return (
        _builder(subject, authority.subject, key, at, _SIGNER_LIFETIME)
        .add_extension(certificates.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(is_authority=False), critical=True)
        .add_extension(identifier(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: certificates.Name,
    issuer: certificates.Name,
    key: ec.EllipticCurvePrivateKey,
    at: datetime,
    lifetime: timedelta,
) -> certificates.CertificateBuilder:
    begins = at.astimezone(UTC) - timedelta(days=1)
    public = key.public_key()
    return (
        certificates.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(certificates.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + lifetime)
        .add_extension(certificates.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, is_authority: bool) -> certificates.KeyUsage:
    return certificates.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _name(organisation: str, common_name: str) -> certificates.Name:
    return certificates.Name(
        [
            certificates.NameAttribute(NameOID.COUNTRY_NAME, "RU"),
            certificates.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            certificates.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Load a key; make it if there is none."""
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        unencrypted = serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        _write(path, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unencrypted))
        return key
    loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded


def _certificate(path: Path) -> certificates.Certificate | None:
    if not path.exists():
        return None
    return certificates.load_pem_x509_certificate(path.read_bytes())


def _pem(certificate: certificates.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there, readable by its owner only."""
    unfinished = path.with_suffix(".new")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.replace(path)
