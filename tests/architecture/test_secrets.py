"""No secret shows in a repr, nor what is known of a person; no context's settings leak one."""

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import NamedTuple

import msgspec
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
    "assertion",
    "client_secret",
    "code_verifier",
    "data_key",
    "form_token",
    "id_token_claims",
    "id_token_hint",
    "password",
    "payload",
    "person_key",
    "plaintext",
    "private_key",
    "refresh_token",
    "secret",
    "session_token",
    "signed",
)
PERSONAL_NAMES = (
    "attributes",
    "birthdate",
    "body",
    "claims",
    "deathdate",
    "document_number",
    "explanation",
    "family_name",
    "given_name",
    "given_names",
    "identifiers",
    "middle_name",
    "names",
    "passport",
    "passport_number",
    "personal_number",
    "shown_name",
    "snils",
    "stays",
    "value",
    "values",
    "words",
)
NOT_A_SECRET = ("_digest", "_sealed", "wrapped_", "_endpoint", "_hash", "_method", "_at", "_limit")
_HIDES_ITSELF = re.compile(r"Secret\[|SecretStr|AttributeValue|SignedValue|GivenValue|\bCTE\b")
_HOLDS_TEXT = re.compile(r"\b(str|bytes|Any|object|date)\b")
_NAMES_ONLY = re.compile(r"^(tuple|list|frozenset)\[(str|int), \.\.\.\]$|AttributeName")


class Shown(NamedTuple):
    """A class, and its fields that may not show."""

    cls: type
    hidden: tuple[str, ...]


def our_values() -> Iterator[Shown]:
    """Return our dataclasses, structures and named tuples."""
    for name, module in sorted(sys.modules.items()):
        is_ours = name.partition(".")[0] in CONTEXTS and not name.startswith("app.demo.")
        for _, cls in inspect.getmembers(module, inspect.isclass) if is_ours else ():
            types = types_of(cls) if cls.__module__ == name and cls not in PRINTED else {}
            hidden = tuple(field for field, kind in types.items() if is_hidden(cls, field, kind))
            if types:
                yield Shown(cls, hidden)


def types_of(cls: type) -> dict[str, str]:
    if is_dataclass(cls):
        return {field.name: str(field.type) for field in fields(cls)}
    if issubclass(cls, msgspec.Struct):
        return {name: str(kind) for name, kind in inspect.get_annotations(cls).items()}
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return {name: str(kind) for name, kind in inspect.get_annotations(cls).items()}
    return {}


def is_hidden(cls: type, field: str, kind: str) -> bool:
    name = field.lower()
    is_secret = any(name == s or name.endswith(f"_{s}") or name == f"{s}s" for s in SECRET_NAMES)
    if name in PERSONAL_NAMES and not _NAMES_ONLY.search(kind):
        is_secret = (cls.__module__, cls.__name__, field) not in ABOUT_NOBODY
    if not is_secret or any(part in name for part in NOT_A_SECRET):
        return False
    return _HOLDS_TEXT.search(kind) is not None and _HIDES_ITSELF.search(kind) is None


ABOUT_NOBODY = {
    ("idp.page_views", "AskedDisclosure", "explanation"),  # of a purpose
    ("idp.store.authorization", "NewGrant", "claims"),  # their names
    ("population_register.deidentification", "Dimension", "values"),  # every value there may be
    ("population_register.mapping", "FeedMapping", "values"),  # codes of an agency, and ours
    ("population_register.scoring", "Part", "words"),  # what a comparison is called
}


class Marked(str):
    """A text that passes for a value of any kind."""

    __slots__ = ()

    def __getattr__(self, _name: str) -> "Marked":
        return self


def filled(cls: type, names: list[str]) -> object:
    """Return an instance whose fields all hold their names, whatever their types."""
    marked = {name: Marked(f"<{name}>") for name in names}
    if not is_dataclass(cls):
        return cls(**marked)
    instance = cls.__new__(cls)
    for name, value in marked.items():
        object.__setattr__(instance, name, value)
    return instance


@pytest.mark.parametrize(
    "shown",
    [each for each in our_values() if each.hidden],
    ids=lambda shown: f"{shown.cls.__module__}.{shown.cls.__name__}",
)
def test_repr_hides_secrets_and_what_is_known_of_a_person(shown: Shown) -> None:
    text = repr(filled(shown.cls, list(types_of(shown.cls))))

    assert [name for name in shown.hidden if f"<{name}>" in text] == []


def test_structures_are_looked_at_as_dataclasses_are() -> None:
    looked_at = {f"{shown.cls.__module__}.{shown.cls.__name__}" for shown in our_values()}

    assert looked_at >= {
        "audit.model.Actor",
        "audit.model.NewEntry",
        "idp.model.tokens.VerifiedToken",
        "idp.service.attempts.Attempt",
        "partner_api.attempt.Attempt",
    }


def test_settings_hide_addresses_that_hold_passwords() -> None:
    settings = Settings.model_validate({"database_url": "postgresql://civitas:hunter2@db/civitas"})

    assert "hunter2" not in repr(settings)
    assert "hunter2" not in settings.model_dump_json()
