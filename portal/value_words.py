"""Write the value of one attribute in the person's own words, in lines. No I/O."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from kernel.languages import Language, _

_WORDS: Mapping[str, Mapping[str, str]] = {
    "gender": {"female": _("Female"), "male": _("Male")},
    "status": {
        "single": _("Not married"),
        "married": _("Married"),
        "divorced": _("Divorced"),
        "widowed": _("Widowed"),
    },
    "role": {
        "mother": _("Mother"),
        "father": _("Father"),
        "guardian": _("Guardian"),
        "trustee": _("Trustee"),
        "foster_parent": _("Foster parent"),
    },
    "identity_document": {
        "temporary_identity_card": _("Temporary identity card"),
        "military_id": _("Military identity card"),
        "seafarer_id": _("Identity document of a seafarer"),
        "diplomatic_passport": _("Diplomatic passport"),
        "service_passport": _("Service passport"),
        "return_certificate": _("Certificate of return"),
        "release_certificate": _("Certificate of release"),
        "other": _("Another identity document"),
    },
    "degree": {
        "candidate": _("Candidate of sciences"),
        "doctor": _("Doctor of sciences"),
        "docent": _("Docent"),
        "professor": _("Professor"),
    },
    "civil_act": {
        "birth": _("Record of birth"),
        "marriage": _("Record of marriage"),
        "divorce": _("Record of divorce"),
        "name_change": _("Record of a change of name"),
        "paternity": _("Record of paternity"),
        "adoption": _("Record of adoption"),
        "death": _("Record of death"),
    },
    "permit": {
        "temporary": _("Temporary residence permit"),
        "permanent": _("Permanent residence permit"),
        "visa": _("Visa"),
        "refugee": _("Refugee certificate"),
        "asylum": _("Certificate of temporary asylum"),
        "patent": _("Work patent"),
        "stateless": _("Temporary identity document of a stateless person"),
    },
    "is_liable": {"yes": _("Registered for military service"), "no": _("Not registered")},
    "level": {
        "school": _("School"),
        "vocational": _("Vocational education"),
        "higher": _("Higher education"),
        "doctoral": _("Doctoral degree"),
    },
}

_STATELESS = "XXA"
_ISO_CODES = {"D": "DEU"}
"""State codes of ICAO 9303 that ISO 3166-1 writes in another way."""

_DAY_PARTS = 3  # year, month, day


NOBODY = "—"
"""How a list is written of which somebody says that it is empty."""


def lines_of(name: str, value: Any, language: Language) -> Iterable[str]:  # noqa: ANN401  # JSON
    """Write the value of an attribute, one line for each of its parts or items."""
    writer = _WRITERS.get(name)
    if writer is not None:
        items = value if isinstance(value, list) else [value]
        return [line for item in items for line in writer(item, language)] or [NOBODY]
    return [str(value)]


def _word(kind: str) -> Callable[[Any, Language], list[str]]:
    return lambda value, language: [language.text(_WORDS[kind].get(value, value))]


def _partial_day(text: str, language: Language) -> str:
    """Write a date of which the day may be unknown."""
    if text.count("-") == _DAY_PARTS - 1:
        return language.day(date.fromisoformat(text))
    year, _dash, month = text.partition("-")
    return f"{month}.{year}" if month else year


def _day_line(label: str, value: Mapping[str, Any], part: str, language: Language) -> list[str]:
    if part not in value:
        return []
    return [f"{language.text(label)} {_partial_day(value[part], language)}"]


def _country(code: str, language: Language) -> str:
    if code == _STATELESS:
        return language.text(_("Stateless"))
    return language.territory(_ISO_CODES.get(code, code)) or code


def _full_name(value: Mapping[str, Any]) -> str:
    parts = (value.get(part) for part in ("family_name", "given_name", "middle_name"))
    return " ".join(part for part in parts if part)


def _former_name(value: Mapping[str, Any], language: Language) -> list[str]:
    return [_full_name(value), *_day_line(_("until"), value, "until", language)]


def relative_lines(value: Mapping[str, Any], language: Language) -> list[str]:
    """Write who a parent, a child, a spouse or a guardian is."""
    role = [language.text(_WORDS["role"][value["role"]])] if "role" in value else []
    return [
        ", ".join([*role, _full_name(value)]),
        *_day_line(_("born"), value, "birthdate", language),
    ]


def _marriage(value: Mapping[str, Any], language: Language) -> list[str]:
    lines = _word("status")(value["status"], language)
    lines += _day_line(_("since"), value, "since", language)
    if "spouse" in value:
        lines += relative_lines(value["spouse"], language)
    return lines


def _guardian(value: Mapping[str, Any], language: Language) -> list[str]:
    return [
        *relative_lines(value, language),
        *_day_line(_("since"), value, "since", language),
        *_day_line(_("until"), value, "until", language),
    ]


def _address(value: Mapping[str, Any], language: Language) -> list[str]:
    postal_code = [value["postal_code"]] if "postal_code" in value else []
    formatted: str = value["formatted"]
    known = bool(postal_code) and postal_code[0] in formatted
    return [
        *([formatted] if known else [*postal_code, formatted]),
        *_day_line(_("registered on"), value, "registered_on", language),
        *_day_line(_("until"), value, "registered_until", language),
    ]


def _identity_document(value: Mapping[str, Any], language: Language) -> list[str]:
    kinds = {**_WORDS["permit"], **_WORDS["identity_document"]}
    lines = [language.text(kinds[value["kind"]])] if "kind" in value else []
    if "issuing_state" in value:
        lines.append(_country(value["issuing_state"], language))
    lines.append(value.get("series_number") or value["number"])
    if "latin_name" in value:
        lines.append(value["latin_name"])
    if "issuer" in value:
        code = f" ({value['division_code']})" if "division_code" in value else ""
        lines.append(value["issuer"] + code)
    lines += _day_line(_("issued on"), value, "issued_on", language)
    return lines + _day_line(_("valid until"), value, "expires_on", language)


def _civil_act(value: Mapping[str, Any], language: Language) -> list[str]:
    kind = language.text(_WORDS["civil_act"].get(value["kind"], value["kind"]))
    office = [value["office"]] if "office" in value else []
    day = _day_line(_("registered on"), value, "registered_on", language)
    return [f"{kind} № {value['number']}", *office, *day]


def _arrival(value: Mapping[str, Any], language: Language) -> list[str]:
    return [
        *_day_line(_("arrived on"), value, "arrived_on", language),
        *_day_line(_("departed on"), value, "departed_on", language),
    ]


def _insurance(value: Mapping[str, Any], language: Language) -> list[str]:
    office = [value["office"]] if "office" in value else []
    day = _day_line(_("registered on"), value, "registered_on", language)
    return [value["number"], *office, *day]


def _registration(value: Mapping[str, Any], language: Language) -> list[str]:
    number = [value["ogrnip"]] if "ogrnip" in value else []
    office = [value["office"]] if "office" in value else []
    return [
        *number,
        *office,
        *_day_line(_("registered on"), value, "registered_on", language),
        *_day_line(_("ceased on"), value, "ceased_on", language),
    ]


def _military(value: Mapping[str, Any], language: Language) -> list[str]:
    more = [value[part] for part in ("office", "document_number") if part in value]
    return [*_word("is_liable")(value["is_liable"], language), *more]


def _education(value: Mapping[str, Any], language: Language) -> list[str]:
    lines = _word("level")(value["level"], language)
    lines += [value[part] for part in ("institution", "document_number") if part in value]
    return lines + _day_line(_("issued on"), value, "issued_on", language)


def _degree(value: Mapping[str, Any], language: Language) -> list[str]:
    lines = _word("degree")(value["kind"], language)
    lines += [value[part] for part in ("field", "document_number") if part in value]
    return lines + _day_line(_("issued on"), value, "issued_on", language)


_WRITERS: Mapping[str, Callable[[Any, Language], list[str]]] = {
    "gender": _word("gender"),
    "birthdate": lambda value, language: [_partial_day(value, language)],
    "deathdate": lambda value, language: [_partial_day(value, language)],
    "citizenships": lambda value, language: [_country(value, language)],
    "former_names": _former_name,
    "passport": _identity_document,
    "foreign_passport": _identity_document,
    "birth_certificate": _identity_document,
    "residence_permit": _identity_document,
    "identity_documents": _identity_document,
    "registration_address": _address,
    "stay_address": _address,
    "arrivals": _arrival,
    "marital_status": _marriage,
    "children": relative_lines,
    "parents": relative_lines,
    "guardians": _guardian,
    "civil_acts": _civil_act,
    "social_insurance": _insurance,
    "entrepreneur": _registration,
    "self_employed": _registration,
    "employment_service": _registration,
    "military": _military,
    "education": _education,
    "academic_degrees": _degree,
}
