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
