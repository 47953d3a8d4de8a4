"""What speaks for and against two records being of one person, in words. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kernel.languages import Language, _
from population_register.api import Compared, EvidencePart
from portal.desk_words import Tag, tag
from portal.record_view import LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """What one feature says for or against."""

    words: str = field(repr=False)
    bits: str
    tag: Tag


_FOR = (_("For"), "green")
_AGAINST = (_("Against"), "red")
_NEITHER = (_("Neither"), "grey")

_EVIDENCE: Mapping[str, str] = {
    "same {}": _("%(feature)s: the same"),
    "{} one letter off, or spelled by another rule": _(
        "%(feature)s: one letter off, or spelled by another rule"
    ),
    "similar {}": _("%(feature)s: similar"),
    "short form of the {}": _("%(feature)s: a short form"),
    "initial of the {} agrees": _("%(feature)s: the initial agrees"),
    "somewhat similar {}": _("%(feature)s: somewhat similar"),
    "hardly similar {}": _("%(feature)s: hardly similar"),
    "different {}": _("%(feature)s: different"),
    "{} with day and month swapped": _("%(feature)s: day and month swapped"),
    "{} one digit off": _("%(feature)s: one digit off"),
    "{} two digits off": _("%(feature)s: two digits off"),
    "{} agrees in two of day, month and year": _(
        "%(feature)s: agrees in two of day, month and year"
    ),
    "{} agrees in the year": _("%(feature)s: agrees in the year"),
    "same {}, but others have it too": _("%(feature)s: the same, but others have it too"),
    "same {} by postal code or town, the other is unclear": _(
        "%(feature)s: the same by postal code or town, the other is unclear"
    ),
    "same town, other postal code": _("The same town, another postal code"),
    "postal code or town one letter off": _("Postal code or town one letter off"),
    "postal code two digits off": _("Postal code two digits off"),
    "same region only": _("Only the region is the same"),
    "{} the same but for spelling": _("%(feature)s: the same but for spelling"),
    "same street, other house": _("The same street, another house"),
    "{} with the same numbers only": _("%(feature)s: only the numbers are the same"),
    "names in the same order": _("Names in the same order"),
    "given and family name swapped": _("Given and family name swapped"),
    "one name stands in the other's place": _("One name stands in the other's place"),
}
"""What the register's model says of a feature, by its own words; a test compares them."""

_FEATURES: Mapping[str, str] = {
    **{name: LABELS[name] for name in (
        "family_name", "given_name", "middle_name", "birthdate", "birthplace", "gender", "snils",
        "inn", "enp", "passport", "foreign_passport", "birth_certificate",
    )},
    "place": _("Town or postal code"),
    "dwelling": _("Street, house and flat"),
    "phone": _("Telephone"),
}  # fmt: skip
_HOUSEHOLD = _("As like two of one household")
_PRIOR = _("Before looking: one person among so many")


def signed(bits: float) -> str:
    """Write a score: with its sign, and a minus as typographers write it."""
    return f"{bits:+z.1f}".replace("-", "\N{MINUS SIGN}")


def evidence_rows(best: Compared, language: Language) -> Iterable[EvidenceRow]:
    """Put what the likest two records say for and against into words."""
    for part in best.parts:
        bits = round(part.weight, 1)
        yield EvidenceRow(
            words=evidence_words(part, language),
            bits=signed(bits),
            tag=tag(_FOR if bits > 0 else _AGAINST if bits < 0 else _NEITHER, language),
        )


def evidence_words(part: EvidencePart, language: Language) -> str:
    """Write what one feature says."""
    if part.feature == "household":
        return language.text(_HOUSEHOLD)
    if part.feature == "prior":
        return language.text(_PRIOR)
    label = language.text(_FEATURES.get(part.feature, part.feature))
    template = _EVIDENCE.get(part.template)
    return part.words if template is None else language.text(template) % {"feature": label}
