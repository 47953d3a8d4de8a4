"""The composition of a person's record (Federal Law 168-FZ, article 7): every attribute, its shape.

The names are a contract: consents name them, partners receive them. An attribute is never given a
new meaning; a new one is added.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from population_register.identifiers import Identifier, IdentifierKind, from_canonical
from population_register.model import JSONValue
from population_register.names import comparison_key
from population_register.values import (
    COUNTRY,
    DAY,
    MRZ,
    NAME,
    PARTIAL_DAY,
    Composite,
    Many,
    Shape,
    choice,
    identifier,
    matching,
    text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a person.

    Attributes:
        name: The name in consents, feeds and answers.
        shape: How a value is read.
        is_many: Whether several values hold at once; the value is then a list of items.
        identity: Of a many-valued attribute: what makes two items the same thing, so that two
            agencies' words about one child are one child.
        number: The kind of number by which its person can be found, and the part of the value that
            holds it; None for the value itself.
    """

    name: str
    shape: Shape
    is_many: bool = False
    identity: Callable[[JSONValue], object] = repr
    number: tuple[IdentifierKind, str | None] | None = None


def _relative_identity(value: JSONValue) -> object:
    return comparison_key(value["given_name"]), value["birthdate"]


_ADDRESS = Composite(
    {
        "formatted": text(400),
        "postal_code": matching("[0-9]{6}", "Six digits."),
        "country": COUNTRY,
        "region": text(100),
        "locality": text(100),
        "street": text(200),
        "house": text(40),
        "flat": text(20),
        "fias_id": matching(
            "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            "The address's UUID in the FIAS, lower case.",
        ),
        "registered_on": DAY,
        "registered_until": DAY,
    },
    frozenset({"formatted"}),
)

_RELATIVE_PARTS: Mapping[str, Shape] = {
    "family_name": NAME,
    "given_name": NAME,
    "middle_name": NAME,
    "birthdate": PARTIAL_DAY,
    "snils": identifier(IdentifierKind.SNILS),
}
_RELATIVE_REQUIRED = frozenset({"given_name", "birthdate"})
_RELATIVE = Composite(_RELATIVE_PARTS, _RELATIVE_REQUIRED)
_PARENT = Composite(
    {"role": choice("mother", "father"), **_RELATIVE_PARTS}, _RELATIVE_REQUIRED | {"role"}
)
_GUARDIAN = Composite(
    {
        "role": choice("guardian", "trustee", "foster_parent"),
        **_RELATIVE_PARTS,
        "since": DAY,
        "until": DAY,
    },
    _RELATIVE_REQUIRED | {"role"},
)

_ATTRIBUTES = (
    Attribute(name="family_name", shape=NAME),
    Attribute(name="given_name", shape=NAME),
    Attribute(name="middle_name", shape=NAME),
    Attribute(
        name="former_names",
        shape=Many(
            Composite({"family_name": NAME, "given_name": NAME, "middle_name": NAME, "until": DAY})
        ),
        is_many=True,
    ),
    Attribute(name="gender", shape=choice("female", "male")),
    Attribute(name="birthdate", shape=PARTIAL_DAY),
    Attribute(name="birthplace", shape=text(300)),
    Attribute(name="deathdate", shape=PARTIAL_DAY),
    Attribute(name="deathplace", shape=text(300)),
    Attribute(name="citizenships", shape=Many(COUNTRY)),
    Attribute(
        name="marital_status",
        shape=Composite(
            {
                "status": choice("single", "married", "divorced", "widowed"),
                "since": DAY,
                "spouse": _RELATIVE,
            },
            frozenset({"status"}),
        ),
    ),
    Attribute(
        name="civil_acts",
        shape=Many(
            Composite(
                {
                    "kind": choice(
                        "birth",
                        "marriage",
                        "divorce",
                        "name_change",
                        "paternity",
                        "adoption",
                        "death",
                    ),
                    "number": text(40),
                    "registered_on": DAY,
                    "office": text(200),
                },
                frozenset({"kind", "number", "registered_on"}),
            )
        ),
        is_many=True,
        identity=lambda value: (value["kind"], value["number"]),
    ),
    Attribute(
        name="snils",
        shape=identifier(IdentifierKind.SNILS),
        number=(IdentifierKind.SNILS, None),
    ),
    Attribute(name="inn", shape=identifier(IdentifierKind.INN), number=(IdentifierKind.INN, None)),
    Attribute(name="enp", shape=identifier(IdentifierKind.ENP), number=(IdentifierKind.ENP, None)),
    Attribute(
        name="passport",
        shape=Composite(
            {
                "series_number": identifier(IdentifierKind.PASSPORT),
                "issued_on": DAY,
                "issuer": text(300),
                "division_code": matching("[0-9]{3}-[0-9]{3}", "Write it as 770-001."),
                "expires_on": DAY,
            },
            frozenset({"series_number"}),
        ),
        number=(IdentifierKind.PASSPORT, "series_number"),
    ),
    Attribute(
        name="foreign_passport",
        shape=Composite(
            {
                "issuing_state": COUNTRY,
                "number": matching("[A-Z0-9]{5,9}", "Five to nine Latin letters and digits."),
                "latin_name": text(80),
                "issued_on": DAY,
                "expires_on": DAY,
                "issuer": text(300),
                "mrz": MRZ,
            },
            frozenset({"issuing_state", "number"}),
        ),
        number=(IdentifierKind.FOREIGN_PASSPORT, "number"),
    ),
    Attribute(
        name="birth_certificate",
        shape=Composite(
            {
                "series_number": identifier(IdentifierKind.BIRTH_CERTIFICATE),
                "issued_on": DAY,
                "issuer": text(300),
            },
            frozenset({"series_number"}),
        ),
        number=(IdentifierKind.BIRTH_CERTIFICATE, "series_number"),
    ),
    Attribute(
        name="residence_permit",
        shape=Composite(
            {
                "kind": choice(
                    "temporary", "permanent", "visa", "refugee", "asylum", "patent", "stateless"
                ),
                "number": text(40),
                "issued_on": DAY,
                "expires_on": DAY,
                "issuer": text(300),
            },
            frozenset({"kind", "number"}),
        ),
    ),
    Attribute(
        name="identity_documents",
        shape=Many(
            Composite(
                {
                    "kind": choice(
                        "temporary_identity_card",
                        "military_id",
                        "seafarer_id",
                        "diplomatic_passport",
                        "service_passport",
                        "return_certificate",
                        "release_certificate",
                        "other",
                    ),
                    "number": text(40),
                    "issuing_state": COUNTRY,
                    "issuer": text(300),
                    "issued_on": DAY,
                    "expires_on": DAY,
                },
                frozenset({"kind", "number"}),
            )
        ),
        is_many=True,
        identity=lambda value: (value["kind"], value["number"]),
    ),
    Attribute(name="registration_address", shape=_ADDRESS),
    Attribute(name="stay_address", shape=_ADDRESS),
    Attribute(
        name="arrivals",
        shape=Many(
            Composite(
                {
                    "arrived_on": DAY,
                    "departed_on": DAY,
                    "from_state": COUNTRY,
                    "to_state": COUNTRY,
                    "purpose": text(100),
                    "migration_card": matching("[0-9]{11}", "Eleven digits: series and number."),
                    "stay_until": DAY,
                },
                frozenset({"arrived_on"}),
            )
        ),
        is_many=True,
        identity=lambda value: value["arrived_on"],
    ),
    Attribute(name="children", shape=Many(_RELATIVE), is_many=True, identity=_relative_identity),
    Attribute(name="parents", shape=Many(_PARENT), is_many=True, identity=_relative_identity),
    Attribute(name="guardians", shape=Many(_GUARDIAN), is_many=True, identity=_relative_identity),
    Attribute(
        name="social_insurance",
        shape=Composite(
            {"number": text(40), "registered_on": DAY, "office": text(200)}, frozenset({"number"})
        ),
    ),
    Attribute(
        name="entrepreneur",
        shape=Composite(
            {
                "ogrnip": matching("[34][0-9]{14}", "Fifteen digits, the first is 3 or 4."),
                "registered_on": DAY,
                "ceased_on": DAY,
            },
            frozenset({"ogrnip"}),
        ),
    ),
    Attribute(
        name="self_employed",
        shape=Composite({"registered_on": DAY, "ceased_on": DAY}, frozenset({"registered_on"})),
    ),
    Attribute(
        name="employment_service",
        shape=Composite(
            {"registered_on": DAY, "ceased_on": DAY, "office": text(200)},
            frozenset({"registered_on"}),
        ),
    ),
    Attribute(
        name="military",
        shape=Composite(
            {
                "is_liable": choice("yes", "no"),
                "office": text(200),
                "registered_on": DAY,
                "document_number": text(40),
            },
            frozenset({"is_liable"}),
        ),
    ),
    Attribute(
        name="education",
        shape=Many(
            Composite(
                {
                    "level": choice("school", "vocational", "higher", "doctoral"),
                    "institution": text(300),
                    "document_number": text(40),
                    "issued_on": DAY,
                },
                frozenset({"level"}),
            )
        ),
        is_many=True,
    ),
    Attribute(
        name="academic_degrees",
        shape=Many(
            Composite(
                {
                    "kind": choice("candidate", "doctor", "docent", "professor"),
                    "field": text(200),
                    "document_number": text(40),
                    "issued_on": DAY,
                },
                frozenset({"kind"}),
            )
        ),
        is_many=True,
        identity=lambda value: (value["kind"], value.get("field")),
    ),
)

ATTRIBUTES: Mapping[str, Attribute] = {attribute.name: attribute for attribute in _ATTRIBUTES}
"""Every attribute by its name, in the order in which a record is shown."""


_NUMBERS = {a.name: a.number for a in _ATTRIBUTES if a.number is not None}


def identifiers_in(values: Iterable[tuple[str, JSONValue]]) -> list[Identifier]:
    """Return the identifiers in canonical values, given as attribute name and value."""
    found: list[Identifier] = []
    for name, value in values:
        number = _NUMBERS.get(name)
        if number is None:
            continue
        kind, part = number
        text = value if part is None else value[part]
        if kind is IdentifierKind.FOREIGN_PASSPORT:
            text = f"{value['issuing_state']}:{text}"
        found.append(from_canonical(kind, text))
    return found
