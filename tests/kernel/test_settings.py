"""Settings: production refuses what only a demonstration may have."""

from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from kernel.settings import Settings

PRODUCTION = {
    "CIVITAS_MODE": "production",
    "CIVITAS_ISSUER": "https://id.example",
    "CIVITAS_DATABASE_URL": "postgresql://civitas:hunter2@db/civitas",
    "CIVITAS_PKCS11_MODULE": "/usr/lib/softhsm/libsofthsm2.so",
    "CIVITAS_PKCS11_PIN_FILE": "/run/secrets/pin",
}


def settings_from(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> Settings:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings()


def test_production_accepts_a_complete_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(monkeypatch, PRODUCTION)

    assert settings.is_https


def test_signing_in_a_module_needs_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="CIVITAS_PKCS11_MODULE"):
        settings_from(monkeypatch, {"CIVITAS_PKCS11_SIGNING": "true"})


@pytest.mark.parametrize(
    "change",
    [
        {"CIVITAS_ISSUER": "http://id.example"},
        {"CIVITAS_ISSUER": "https://id.example/"},
        {"CIVITAS_ISSUER": "id.example"},
        {"CIVITAS_PASSWORD_PROFILE": "test"},
        {"CIVITAS_PORT": "0"},
        {"CIVITAS_MODE": "prod"},
        {"CIVITAS_SIGNING_KEY_DAYS": "-1"},
    ],
    ids=str,
)
def test_production_refuses(monkeypatch: pytest.MonkeyPatch, change: Mapping[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings_from(monkeypatch, {**PRODUCTION, **change})


def test_production_refuses_the_embedded_database(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {k: v for k, v in PRODUCTION.items() if k != "CIVITAS_DATABASE_URL"}

    with pytest.raises(ValidationError, match="CIVITAS_DATABASE_URL"):
        settings_from(monkeypatch, environment)


def test_production_refuses_a_root_key_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {k: v for k, v in PRODUCTION.items() if k != "CIVITAS_PKCS11_MODULE"}

    with pytest.raises(ValidationError, match="CIVITAS_PKCS11_MODULE"):
        settings_from(monkeypatch, environment)


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(monkeypatch, PRODUCTION)

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()


TLS_PORT = {
    "CIVITAS_MTLS_PORT": "8444",
    "CIVITAS_MTLS_URL": "https://mtls.example",
    "CIVITAS_TLS_CERTIFICATE_FILE": "tls.pem",
    "CIVITAS_TLS_KEY_FILE": "tls.key",
}


@pytest.mark.parametrize("version", ["1.0", "1.1", "", "1.4"])
def test_version_of_tls_that_nobody_should_speak_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    with pytest.raises(ValidationError, match="tls_minimum"):
        settings_from(monkeypatch, {"CIVITAS_TLS_MINIMUM": version})


def test_port_for_certificates_has_the_certificate_of_the_other_unless_it_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert [str(file) for file in settings_from(monkeypatch, TLS_PORT).mtls_files] == [
        "tls.pem", "tls.key",
    ]  # fmt: skip

    own = {"CIVITAS_MTLS_CERTIFICATE_FILE": "own.pem", "CIVITAS_MTLS_KEY_FILE": "own.key"}
    settings = settings_from(monkeypatch, own)

    assert [str(file) for file in settings.mtls_files] == ["own.pem", "own.key"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"CIVITAS_TLS_KEY_FILE": None}, "CIVITAS_TLS_KEY_FILE"),
        ({"CIVITAS_MTLS_KEY_FILE": "own.key"}, "CIVITAS_MTLS_CERTIFICATE_FILE"),
        ({"CIVITAS_MTLS_URL": None}, "CIVITAS_MTLS_URL"),
        ({"CIVITAS_PORT": "8444"}, "CIVITAS_MTLS_PORT"),
        (
            {"CIVITAS_TLS_KEY_FILE": None, "CIVITAS_TLS_CERTIFICATE_FILE": None},
            "CIVITAS_MTLS_CERTIFICATE_FILE",
        ),
    ],
)
def test_half_of_tls_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: Mapping[str, str | None], named: str
) -> None:
    environment = {k: v for k, v in {**TLS_PORT, **change}.items() if v is not None}

    with pytest.raises(ValidationError, match=named):
        settings_from(monkeypatch, environment)


@pytest.mark.parametrize("issuer", ["id.example", "ftp://id.example", "http://id.example/", ""])
def test_issuer_is_an_address_in_a_demonstration_too(
    monkeypatch: pytest.MonkeyPatch, issuer: str
) -> None:
    with pytest.raises(ValidationError, match="issuer"):
        settings_from(monkeypatch, {"CIVITAS_ISSUER": issuer})


@pytest.mark.parametrize("missing", ["CIVITAS_PKCS11_MODULE", "CIVITAS_PKCS11_PIN_FILE"])
def test_production_needs_the_module_and_its_pin(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    environment = {name: value for name, value in PRODUCTION.items() if name != missing}

    with pytest.raises(ValidationError, match="PKCS11"):
        settings_from(monkeypatch, environment)


def test_module_may_sign_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_from(
        monkeypatch, PRODUCTION | {"CIVITAS_PKCS11_SIGNING": "true"}
    ).pkcs11_signing


def test_port_for_certificates_may_be_the_only_one_that_speaks_tls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"CIVITAS_MTLS_CERTIFICATE_FILE": "own.pem", "CIVITAS_MTLS_KEY_FILE": "own.key"}
    without = {name: value for name, value in TLS_PORT.items() if "_TLS_" not in name}

    settings = settings_from(monkeypatch, without | own)

    assert settings.tls_files is None
    assert [str(file) for file in settings.mtls_files] == ["own.pem", "own.key"]
