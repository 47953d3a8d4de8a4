"""Settings: read once from the environment (`CIVITAS_…`), passed as a value, never looked up again.

Each field's description is the row of `docs/settings.md`.
"""

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an institution decides about its installation."""

    model_config = SettingsConfigDict(env_prefix="CIVITAS_", frozen=True, extra="ignore")

    mode: Literal["demo", "production", "test"] = Field(
        "demo",
        description="`demo` opens registration and allows http; `production` refuses both, the "
        "local key file and the cheap password profile; `test` is for the tests.",
    )
    issuer: str = Field(
        "http://localhost:8000",
        description="The issuer identifier and public address, without a slash at the end.",
    )
    data: Path = Field(
        Path(".civitas"), description="Folder of the embedded database, the blobs and the key file."
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://…`; when unset, an embedded PostgreSQL in the data folder.",
    )
    blob_url: str | None = Field(
        None,
        description="`file:///folder` or `s3://bucket/prefix`; when unset, `blobs` in the data "
        "folder.",
    )
    root_key_file: Path | None = Field(
        None, description="The root key; when unset, `root.key` in the data folder."
    )
    pkcs11_module: Path | None = Field(
        None,
        description="PKCS#11 module that holds the root key (production); when unset, the root "
        "key file.",
    )
    pkcs11_token: str = Field("civitas", description="Label of the token in the PKCS#11 module.")
    pkcs11_pin_file: Path | None = Field(
        None, description="File with the token's user PIN; its last newline is not part of it."
    )
    pkcs11_signing: bool = Field(
        default=False,
        description="Whether new signing keys are made in the PKCS#11 module, which then signs; "
        "otherwise they are sealed under the root key.",
    )
    signing_key_days: int = Field(
        90,
        ge=0,
        description="After how many days a signing key is followed by the next one, which has been "
        "published for as long by then; 0: by command only.",
    )
    host: str = Field("127.0.0.1", description="Address that `civitas serve` listens on.")
    port: int = Field(8000, ge=1, le=65535, description="Port that `civitas serve` listens on.")
    workers: int = Field(1, ge=1, le=256, description="Server processes; one per core.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies whose `X-Forwarded-For`, "
        "`X-Forwarded-Proto`, `Client-Cert` and `Client-Cert-Chain` (RFC 9440; where "
        "`CIVITAS_MTLS_PORT` is unset) are believed, as a JSON list.",
    )
    metrics_from: tuple[str, ...] = Field(
        ("127.0.0.0/8", "::1"),
        description="Addresses or networks from which `/metrics` is answered, as a JSON list, and "
        "never through a proxy; from elsewhere it is 404.",
    )
    tls_certificate_file: Path | None = Field(
        None,
        description="The server's certificate, as PEM, and those between it and a root: `civitas "
        "serve` then speaks TLS on its port; when unset, a proxy does.",
    )
    tls_key_file: Path | None = Field(
        None, description="The private key of that certificate, as PEM without a password."
    )
    tls_minimum: Literal["1.2", "1.3"] = Field(
        "1.2",
        description="Least version of TLS on that port. With 1.2 one suite more is taken than RFC "
        "9325 recommends (ChaCha20-Poly1305); where FAPI is to be kept to the letter, 1.3.",
    )
    mtls_url: str | None = Field(
        None,
        description="Address of the same endpoints where a client certificate is asked for (RFC "
        "8705, 5), by us on `CIVITAS_MTLS_PORT` or by a proxy, without a slash at the end; when "
        "unset, mutual TLS is not offered.",
    )
    mtls_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Further port of `civitas serve`, with TLS that asks for a client certificate; "
        "no header is believed there. When unset, a proxy passes certificates on.",
    )
    mtls_certificate_file: Path | None = Field(
        None,
        description="The server's certificate on that port; when unset, "
        "`CIVITAS_TLS_CERTIFICATE_FILE`.",
    )
    mtls_key_file: Path | None = Field(
        None, description="The private key of that certificate; when unset, `CIVITAS_TLS_KEY_FILE`."
    )
    client_ca_file: Path | None = Field(
        None,
        description="Authorities, as PEM, whose certificates authenticate clients of "
        "`tls_client_auth`; when unset, that method is not offered.",
    )
    software_statement_issuers_file: Path | None = Field(
        None,
        description="Whose software statements count (RFC 7591, 2.3): a JSON object of JWK Sets by "
        "issuer; when unset, nobody's.",
    )
    outbound_ca_file: Path | None = Field(
        None,
        description="Authorities, as PEM, that are trusted beside the well-known ones when we call "
        "addresses of clients: `jwks_uri`, `request_uris`, `sector_identifier_uri`, logout, "
        "notifications, webhooks.",
    )
    password_profile: Literal["recommended", "test"] = Field(
        "recommended",
        description="Cost of Argon2id: `recommended` is RFC 9106's second choice (64 MiB, t=3, "
        "p=4); `test` is cheap and refused in production.",
    )
    signature_roots: Path | None = Field(
        None,
        description="Folder of certificates (`*.pem`) of the authorities whose word is taken for "
        "who signed a PDF; when unset, `signature-roots` in the data folder. Without it nobody is "
        "trusted.",
    )
    document_limit_bytes: int = Field(
        1 << 30, ge=1, description="Largest document a citizen may put into the vault, in bytes."
    )
    feed_limit_bytes: int = Field(
        1 << 30, ge=1, description="Largest feed an agency may send over HTTP, in bytes."
    )
    holidays: frozenset[date] = Field(
        frozenset(),
        description="Days on which agencies don't work, beside weekends, as a JSON list of "
        "`YYYY-MM-DD`: work lists are due after ten working days.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity that is logged."
    )
    otlp_endpoint: str | None = Field(
        None, description="OpenTelemetry collector; when unset, no traces are kept."
    )

    @property
    def root_key_path(self) -> Path:
        """Where the root key lies."""
        return self.root_key_file or self.data / "root.key"

    @property
    def signature_roots_path(self) -> Path:
        """Where the certificates of those lie who vouch for signatures of documents."""
        return self.signature_roots or self.data / "signature-roots"

    @property
    def blob_address(self) -> str:
        """The blob store's URL."""
        return self.blob_url or f"file://{(self.data / 'blobs').absolute()}"

    @property
    def is_https(self) -> bool:
        """Whether the issuer is reached over TLS: decides on `Secure` cookies and HSTS."""
        return self.issuer.startswith("https://")

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """The certificate and the key of the port; None where a proxy speaks TLS."""
        if self.tls_certificate_file is None or self.tls_key_file is None:
            return None
        return self.tls_certificate_file, self.tls_key_file

    @property
    def mtls_files(self) -> tuple[Path, Path]:
        """The certificate and the key of the port that asks for client certificates."""
        if self.mtls_certificate_file is not None and self.mtls_key_file is not None:
            return self.mtls_certificate_file, self.mtls_key_file
        assert self.tls_files is not None  # checked when they were read
        return self.tls_files

    @model_validator(mode="after")
    def _refuse_half_of_tls(self) -> Self:
        """Refuse a certificate without its key, and a port without a certificate or address."""
        for certificate, key, name in (
            (self.tls_certificate_file, self.tls_key_file, "TLS"),
            (self.mtls_certificate_file, self.mtls_key_file, "MTLS"),
        ):
            if (certificate is None) != (key is None):
                raise ValueError(
                    f"CIVITAS_{name}_CERTIFICATE_FILE and CIVITAS_{name}_KEY_FILE go together"
                )
        if self.mtls_port is None:
            return self
        if self.mtls_port == self.port:
            raise ValueError("CIVITAS_MTLS_PORT is another one than CIVITAS_PORT")
        if self.mtls_url is None:
            raise ValueError("CIVITAS_MTLS_PORT needs CIVITAS_MTLS_URL, by which clients find it")
        if self.mtls_certificate_file is None and self.tls_certificate_file is None:
            raise ValueError("CIVITAS_MTLS_PORT needs CIVITAS_MTLS_CERTIFICATE_FILE and its key")
        return self

    @model_validator(mode="after")
    def _refuse_unsafe_production(self) -> Self:
        """Refuse to start in production with what only a demonstration may have."""
        if self.issuer.endswith("/") or not self.issuer.startswith(("http://", "https://")):
            raise ValueError("issuer is an http(s) URL without a slash at the end")
        if self.pkcs11_signing and self.pkcs11_module is None:
            raise ValueError("CIVITAS_PKCS11_SIGNING needs CIVITAS_PKCS11_MODULE")
        if self.mode != "production":
            return self
        if not self.is_https:
            raise ValueError("in production the issuer begins with https://")
        if self.database_url is None:
            raise ValueError("in production CIVITAS_DATABASE_URL names the database")
        if self.pkcs11_module is None or self.pkcs11_pin_file is None:
            raise ValueError(
                "in production the root key is in a hardware security module: set "
                "CIVITAS_PKCS11_MODULE and CIVITAS_PKCS11_PIN_FILE"
            )
        if self.password_profile == "test":  # noqa: S105  # the name of a profile
            raise ValueError("in production the password profile is not `test`")
        return self
