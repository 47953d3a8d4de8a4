"""The five agencies of the demonstration: what each knows of its people, and how it writes it down.

Each has its own habits, as in life: the civil registry and the interior ministry send NDJSON under
our names, the health fund NDJSON under its own, the tax service CSV in windows-1251 with Russian
columns, the pension fund CSV with dots in its dates. They also disagree now and then: somebody
still has a maiden name at the health fund, and the tax service writes е for ё.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from app.demo.population import TODAY, Person, birthday, passport_issued_on
from kernel.ids import AgencyId
from population_register.api import Agency, AgencyRole, FeedFormat

Row = dict[str, Any]
People = Mapping[str, Person]

_SINCE = date(2012, 1, 1)
"""From when on the agencies keep electronic records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFeed:
    """An agency, and what it sends."""

    agency: Agency
    file_name: str
    feed_format: FeedFormat
    rows: Callable[[People], Iterator[Row]]

    def write(self, folder: Path, people: People) -> Path:
        """Write the feed into `folder` and return its path."""
        path = folder / self.file_name
        rows = list(self.rows(people))
        if self.feed_format is FeedFormat.NDJSON:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            path.write_text("".join(lines), encoding="utf-8", newline="")
            return path
        table = io.StringIO()
        mapping = self.agency.mapping
        columns = list(dict.fromkeys(column for row in rows for column in row))
        writer = csv.DictWriter(table, columns, delimiter=mapping["delimiter"])
        writer.writeheader()
        writer.writerows(rows)
        path.write_bytes(table.getvalue().encode(mapping["encoding"]))
        return path


def _names(person: Person) -> Row:
    names = {"family_name": person.family_name, "given_name": person.given_name}
    return names | ({"middle_name": person.middle_name} if person.middle_name else {})


def _relative(person: Person) -> Row:
    return _names(person) | {"birthdate": person.birthdate.isoformat(), "snils": person.snils}


# Civil registry: births and marriages


def _civil_registry(people: People) -> Iterator[Row]:
    children: dict[str, list[Person]] = {}
    for person in people.values():
        for parent_key in person.parent_keys:
            children.setdefault(parent_key, []).append(person)
    for number, person in enumerate(people.values(), start=1):
        if person.foreigner is None:
            yield _birth(number, person, people)
        if person.marriage is not None:
            yield _marriage(number, person, people)
        for child in children.get(person.key, ()):
            yield _parenthood(number, person, child)


def _office(person: Person) -> str:
    return f"Отдел ЗАГС, {person.birthplace}"


def _birth(number: int, person: Person, people: People) -> Row:
    registered_on = min(person.birthdate + timedelta(days=12), TODAY)
    return {
        "record_number": f"birth-{number}",
        "version": 1,
        "valid_from": person.birthdate.isoformat(),
        **_names(person),
        "family_name": person.birth_family_name,
        "gender": person.gender,
        "birthdate": person.birthdate.isoformat(),
        "birthplace": person.birthplace,
        "snils": person.snils,
        "birth_certificate": {
            "series_number": person.birth_certificate,
            "issued_on": registered_on.isoformat(),
            "issuer": _office(person),
        },
        "civil_acts": [
            {
                "kind": "birth",
                "number": f"1-{number:05d}",
                "registered_on": registered_on.isoformat(),
                "office": _office(person),
            }
        ],
        "parents": [
            {"role": "mother" if parent.gender == "female" else "father", **_relative(parent)}
            for parent in (people[key] for key in person.parent_keys)
        ],
    }


def _marriage(number: int, person: Person, people: People) -> Row:
    assert person.marriage is not None
    on = person.marriage.on.isoformat()
    return {
        "record_number": f"marriage-{number}",
        "version": 1,
        "valid_from": on,
        **_names(person),
        "birthdate": person.birthdate.isoformat(),
        "snils": person.snils,
        "marital_status": {
            "status": "married",
            "since": on,
            "spouse": _relative(people[person.marriage.spouse_key]),
        },
        "civil_acts": [{"kind": "marriage", "number": f"2-{number:05d}", "registered_on": on}],
    }


def _parenthood(number: int, person: Person, child: Person) -> Row:
    return {
        "record_number": f"parent-{number}-{child.key}",
        "version": 1,
        "valid_from": child.birthdate.isoformat(),
        "given_name": person.given_name,
        "birthdate": person.birthdate.isoformat(),
        "snils": person.snils,
        "children": [_relative(child)],
    }


# Interior ministry: passports, addresses, foreigners


def _interior(people: People) -> Iterator[Row]:
    for number, person in enumerate(people.values(), start=1):
        address = {
            "formatted": person.address.formatted,
            "postal_code": person.address.postal_code,
            "country": "RUS",
            "region": person.address.region,
            "locality": person.address.locality,
            "street": person.address.street,
            "house": person.address.house,
            "flat": person.address.flat,
        }
        row: Row = {
            "record_number": f"МВД-{number:06d}",
            "version": 1,
            "valid_from": max(_SINCE, person.birthdate).isoformat(),
            **_names(person),
            "gender": person.gender,
            "birthdate": person.birthdate.isoformat(),
            "birthplace": person.birthplace,
            "snils": person.snils,
        }
        if person.foreigner is not None:
            yield row | _foreigner(person) | {"stay_address": address}
            continue
        row |= {"citizenships": ["RUS"], "registration_address": address}
        issued_on = passport_issued_on(person.birthdate)
        if birthday(person.birthdate, 14) < issued_on <= TODAY:
            row["valid_from"] = max(_SINCE, issued_on).isoformat()
            row["passport"] = {
                "series_number": person.passport,
                "issued_on": issued_on.isoformat(),
                "issuer": f"УМВД России, {person.address.locality}",
                "division_code": f"990-{number % 1000:03d}",
            }
        yield row


def _foreigner(person: Person) -> Row:
    foreigner = person.foreigner
    assert foreigner is not None
    return {
        "valid_from": foreigner.arrived_on.isoformat(),
        "citizenships": [foreigner.state],
        "foreign_passport": {
            "issuing_state": foreigner.state,
            "number": foreigner.passport_number,
            "latin_name": foreigner.latin_name,
            "expires_on": foreigner.passport_expires_on.isoformat(),
        },
        "residence_permit": {"kind": "temporary", "number": foreigner.permit_number},
        "arrivals": [{"arrived_on": foreigner.arrived_on.isoformat(), "purpose": "работа"}],
    }


# Tax service


def _tax(people: People) -> Iterator[Row]:
    for number, person in enumerate(people.values(), start=1):
        if person.age() < 14:  # noqa: PLR2004 - children have no INN in the demonstration
            continue
        row = {
            "НОМЕР_ЗАПИСИ": f"ЕРН-{number:07d}",
            "ВЕРСИЯ": "1",
            "ДЕЙСТВУЕТ_С": f"{_SINCE:%d.%m.%Y}",
            "ИНН": person.inn,
            "СНИЛС": person.snils,
            "ФАМИЛИЯ": person.family_name,
            "ИМЯ": person.given_name,
            "ОТЧЕСТВО": person.middle_name or "",
            "ДАТА_РОЖДЕНИЯ": f"{person.birthdate:%d.%m.%Y}",
            "ПОЛ": "М" if person.gender == "male" else "Ж",
            "КОД_НО": "0000",
        }
        yield {column: text.replace("ё", "е").replace("Ё", "Е") for column, text in row.items()}


_TAX_MAPPING = {
    "encoding": "windows-1251",
    "delimiter": ";",
    "date_format": "dd.mm.yyyy",
    "ignore": ["КОД_НО"],
    "fields": {
        "НОМЕР_ЗАПИСИ": "record_number",
        "ВЕРСИЯ": "version",
        "ДЕЙСТВУЕТ_С": "valid_from",
        "ИНН": "inn",
        "СНИЛС": "snils",
        "ФАМИЛИЯ": "family_name",
        "ИМЯ": "given_name",
        "ОТЧЕСТВО": "middle_name",
        "ДАТА_РОЖДЕНИЯ": "birthdate",
        "ПОЛ": "gender",
    },
    "values": {"gender": {"М": "male", "Ж": "female"}},
}


# Pension fund


def _pension(people: People) -> Iterator[Row]:
    for person in people.values():
        is_vague = person.key == "zinaida"
        yield {
            "record_number": person.snils,
            "version": "1",
            "valid_from": f"{max(_SINCE, person.birthdate):%d.%m.%Y}",
            "snils": person.snils,
            "family_name": person.family_name,
            "given_name": person.given_name,
            "middle_name": person.middle_name or "",
            "birthdate": str(person.birthdate.year) if is_vague else f"{person.birthdate:%d.%m.%Y}",
            "gender": person.gender,
        }


# Health fund


def _health(people: People) -> Iterator[Row]:
    for number, person in enumerate(people.values(), start=1):
        # Every fifth who married has not told the fund yet.
        has_told = person.marriage is None or number % 5
        yield {
            "policy_record": f"ФФОМС/{number}",
            "version": 1,
            "valid_from": max(_SINCE, person.birthdate).isoformat(),
            "insured": {
                "surname": person.family_name if has_told else person.birth_family_name,
                "name": person.given_name,
                "patronymic": person.middle_name,
                "birth_date": person.birthdate.isoformat(),
                "sex": "1" if person.gender == "male" else "2",
            },
            "policy": {"enp": person.enp, "snils": person.snils},
        }
    yield from islice(_paper_policies(people), PAPER_POLICIES)


PAPER_POLICIES = 3
"""How many have no number to know their owner by: questions for the desk."""


def _paper_policies(people: People) -> Iterator[Row]:
    """Policies of old, typed in from paper: of the birth date only the year, and no number."""
    for number, person in enumerate(people.values(), start=1):
        new_year = person.birthdate.replace(month=1, day=1)
        # What visitors see of themselves is clean.
        if person.key.isalpha() or not person.middle_name or person.birthdate == new_year:
            continue
        yield {
            "policy_record": f"ФФОМС/Б-{number}",
            "version": 1,
            "valid_from": max(_SINCE, new_year).isoformat(),
            "insured": {
                "surname": person.birth_family_name,
                "name": person.given_name,
                "patronymic": person.middle_name,
                "birth_date": new_year.isoformat(),
                "sex": "1" if person.gender == "male" else "2",
            },
            "policy": {},
        }


_HEALTH_MAPPING = {
    "fields": {
        "policy_record": "record_number",
        "insured.surname": "family_name",
        "insured.name": "given_name",
        "insured.patronymic": "middle_name",
        "insured.birth_date": "birthdate",
        "insured.sex": "gender",
        "policy.enp": "enp",
        "policy.snils": "snils",
    },
    "values": {"gender": {"1": "male", "2": "female"}},
}


def _agency(
    agency_id: str, role: AgencyRole, name_ru: str, name_en: str, mapping: Mapping[str, Any]
) -> Agency:
    return Agency(
        agency_id=AgencyId(agency_id), role=role, name_ru=name_ru, name_en=name_en, mapping=mapping
    )


DEMO_FEEDS = (
    DemoFeed(
        agency=_agency(
            "civil_registry", AgencyRole.CIVIL_REGISTRY, "Реестр ЗАГС", "Civil registry", {}
        ),
        file_name="civil_registry.ndjson",
        feed_format=FeedFormat.NDJSON,
        rows=_civil_registry,
    ),
    DemoFeed(
        agency=_agency(
            "interior", AgencyRole.INTERIOR, "МВД России", "Ministry of Internal Affairs", {}
        ),
        file_name="interior.ndjson",
        feed_format=FeedFormat.NDJSON,
        rows=_interior,
    ),
    DemoFeed(
        agency=_agency("tax", AgencyRole.TAX, "Налоговая служба", "Tax service", _TAX_MAPPING),
        file_name="tax.csv",
        feed_format=FeedFormat.CSV,
        rows=_tax,
    ),
    DemoFeed(
        agency=_agency(
            "pension",
            AgencyRole.PENSION,
            "Социальный фонд",
            "Social fund",
            {"encoding": "utf-8", "delimiter": ",", "date_format": "dd.mm.yyyy"},
        ),
        file_name="pension.csv",
        feed_format=FeedFormat.CSV,
        rows=_pension,
    ),
    DemoFeed(
        agency=_agency(
            "health",
            AgencyRole.HEALTH,
            "Фонд медицинского страхования",
            "Health insurance fund",
            _HEALTH_MAPPING,
        ),
        file_name="health.ndjson",
        feed_format=FeedFormat.NDJSON,
        rows=_health,
    ),
)
