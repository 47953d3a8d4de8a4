"""No secret shows in a repr, and no context's settings leak one."""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from typing import Any

import pytest

from app.demo.named_people import DemoPerson
from kernel.settings import Settings
from tools.docs import CONTEXTS, import_everything

import_everything()

PRINTED = {DemoPerson}
"""Passwords of people who do not exist: `make run` prints them."""

# Names that secrets have. A digest, a wrapped or a sealed value is not one, nor is a public key.
SECRET_NAMES = (
    "access_token",
    "client_secret",
    "code_verifier",
    "data_key",
    "form_token",
    "password",
    "person_key",
    "plaintext",
    "private_key",
    "refresh_token",
    "secret",
    "session_token",
)
NOT_A_SECRET = ("_digest", "_sealed", "wrapped_", "_endpoint", "_hash", "_method", "_at", "_limit")


def our_dataclasses() -> Iterator[type]:
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in CONTEXTS:
            for _, cls in inspect.getmembers(module, inspect.isclass):
                if cls.__module__ == name and is_dataclass(cls) and cls not in PRINTED:
                    yield cls


def shows_a_secret(field: "Field[Any]") -> bool:
    name = field.name.lower()
    is_secret = any(name == s or name.endswith(f"_{s}") or name == f"{s}s" for s in SECRET_NAMES)
    if not is_secret or any(part in name for part in NOT_A_SECRET):
        return False
    kind = str(field.type)
    hides_itself = "Secret[" in kind or "SecretStr" in kind
    return field.repr and not hides_itself and re.search(r"\b(str|bytes)\b", kind) is not None


@pytest.mark.parametrize(
    "cls", list(our_dataclasses()), ids=lambda c: f"{c.__module__}.{c.__name__}"
)
def test_repr_of_a_dataclass_hides_its_secrets(cls: type) -> None:
    is_generated = "__repr__" in vars(cls) and hasattr(cls.__repr__, "__wrapped__")
    shown = [field.name for field in fields(cls) if shows_a_secret(field)]

    assert not is_generated or shown == []


def test_settings_hide_addresses_that_hold_passwords() -> None:
    settings = Settings.model_validate(
        {
            "database_url": "postgresql://civitas:hunter2@db/civitas",
            "smtp_url": "smtp://civitas:hunter2@mail",
        }
    )

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
