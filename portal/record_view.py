"""Write a person's record in the person's own words: groups and labels. No I/O."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from kernel.languages import Language, _
from portal.value_words import lines_of, relative_lines


class StatedValue(Protocol):
    """What the register calls an attribute value: what, says who, as of when."""

    @property
    def value(self) -> Any:  # noqa: ANN401  # whatever JSON can carry
        """What is said."""
        ...

    @property
    def source(self) -> str:
        """The agency that says so."""
        ...

    @property
    def as_of(self) -> date:
        """The day from which the agency last said so."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One value as it is shown.

    Attributes:
        lines: The value, one line or several.
        source: Name of the agency.
        as_of: The day from which the agency says so.
        attribute: Whose value it is.
        source_id: The agency.
        is_disputed: Whether the person disputes it, and the agency has not answered yet.
    """

    lines: tuple[str, ...]
    source: str
    as_of: date
    attribute: str
    source_id: str
    is_disputed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attribute: the value that counts, and what other agencies say.

    Attributes:
        is_list: Whether what they say counts beside it, and not instead.
    """

    label: str
    stated: Statement
    others: tuple[Statement, ...]
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Attributes that belong together on the page."""

    title: str
    rows: tuple[Row, ...]


_GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        _("Name"),
        (
            ("family_name", _("Family name")),
            ("given_name", _("Given name")),
            ("middle_name", _("Patronymic")),
            ("former_names", _("Former names")),
        ),
    ),
    (
        _("Birth and citizenship"),
        (
            ("birthdate", _("Date of birth")),
            ("birthplace", _("Place of birth")),
            ("gender", _("Sex")),
            ("citizenships", _("Citizenship")),
            ("deathdate", _("Date of death")),
            ("deathplace", _("Place of death")),
        ),
    ),
    (
        _("Numbers"),
        (
            ("snils", _("Social insurance number (SNILS)")),
            ("inn", _("Taxpayer number (INN)")),
            ("enp", _("Health insurance number (ENP)")),
            ("social_insurance", _("Social insurance registration")),
        ),
    ),
    (
        _("Identity documents"),
        (
            ("passport", _("Passport")),
            ("foreign_passport", _("Travel passport")),
            ("birth_certificate", _("Birth certificate")),
            ("residence_permit", _("Residence permit or visa")),
            ("identity_documents", _("Other identity documents")),
        ),
    ),
    (
        _("Addresses and travel"),
        (
            ("registration_address", _("Registered address")),
            ("stay_address", _("Address of stay")),
            ("arrivals", _("Entries and departures")),
        ),
    ),
    (
        _("Family"),
        (
            ("marital_status", _("Marital status")),
            ("children", _("Children")),
            ("parents", _("Parents")),
            ("guardians", _("Guardians")),
            ("civil_acts", _("Civil registry acts")),
        ),
    ),
    (
        _("Work and duties"),
        (
            ("entrepreneur", _("Sole trader")),
            ("self_employed", _("Self-employed")),
            ("employment_service", _("Registered as looking for work")),
            ("military", _("Military registration")),
            ("education", _("Education")),
            ("academic_degrees", _("Academic degrees and titles")),
        ),
    ),
)

CHILD_ITEMS = ("family_name", "given_name", "middle_name", "birthdate")
"""What a parent sees of a child."""

LABELS: Mapping[str, str] = {
    name: label for _title, attributes in _GROUPS for name, label in attributes
}
"""Every attribute that has a place on the page; a test compares it with the register's."""


def groups_of(
    said: Mapping[str, Sequence[StatedValue]],
    *,
    lists: Collection[str] = (),
    agencies: Mapping[str, str],
    language: Language,
    disputed: Collection[tuple[str, str]] = (),
) -> list[Group]:
    """Arrange a record for the page; groups without a value are left out.

    Args:
        said: What agencies say, by attribute, the value that counts first.
        lists: Attributes of which everything that is said counts.
        agencies: Names of agencies in `language`; an unknown one is shown by its identifier.
        language: Of the page.
        disputed: Attributes and agencies of values that are disputed, and not answered yet.
    """

    def statement(name: str, value: StatedValue) -> Statement:
        return Statement(
            lines=tuple(lines_of(name, value.value, language)),
            source=agencies.get(value.source, value.source),
            as_of=value.as_of,
            attribute=name,
            source_id=value.source,
            is_disputed=(name, value.source) in disputed,
        )

    groups = []
    for title, attributes in _GROUPS:
        rows: list[Row] = []
        for name, label in attributes:
            shown = [statement(name, value) for value in said.get(name, ())]
            if shown:
                rows.append(
                    Row(
                        label=language.text(label),
                        stated=shown[0],
                        others=tuple(shown[1:]),
                        is_list=name in lists,
                    )
                )
        if rows:
            groups.append(Group(title=language.text(title), rows=tuple(rows)))
    return groups


def child_lines(stated: Mapping[str, StatedValue], language: Language) -> list[str]:
    """Put a child into words, as a parent sees it."""
    return relative_lines(
        {name: stated[name].value for name in CHILD_ITEMS if name in stated}, language
    )
