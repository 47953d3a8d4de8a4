"""Names that a record has only in its mailbox."""

import pytest

from population_register.comparison import Profile
from population_register.mailbox_names import with_names_of_mailboxes

KNOWN: list[Profile] = [
    {"given_name": (given,), "family_name": (family,)}
    for given, family in (("anna", "smith"), ("james", "barbury"), ("морис", "james"))
    for _ in range(3)
]
KNOWN += [{"given_name": ("james",)}] * 9


def read(mailbox: str, **said: str) -> Profile:
    own: Profile = {"email": (mailbox,)} | {name: (value,) for name, value in said.items()}
    found = with_names_of_mailboxes([*KNOWN, own])[-1]
    return {name: values for name, values in found.items() if name != "email"}


@pytest.mark.parametrize(
    ("mailbox", "names"),
    [
        ("anna.smith42@post.example", {"given_name": ("anna",), "family_name": ("smith",)}),
        ("barbury-77@post.example", {"family_name": ("barbury",)}),
        ("moris@post.example", {"given_name": ("moris",)}),
        ("james@post.example", {"given_name": ("james",)}),
        ("sunflower@post.example", {}),
        ("post@anna.smith.example", {}),
        ("as@post.example", {}),
    ],
    ids=["both", "one", "other-alphabet", "mostly-given", "no-name", "provider", "initials"],
)
def test_are_read_where_others_have_them_as_such_a_name(
    mailbox: str, names: dict[str, tuple[str, ...]]
) -> None:
    assert read(mailbox) == names


def test_never_take_the_place_of_a_name_that_was_written() -> None:
    said = {"given_name": "olga", "family_name": "anna"}

    assert read("anna.smith@post.example", **said) == {name: (v,) for name, v in said.items()}
    assert read("anna@post.example", family_name="anna") == {"family_name": ("anna",)}
