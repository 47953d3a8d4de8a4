"""Agencies' questions, whole: by number against their physical floor, by name by the clock.

The server is the application as `civitas serve` runs it. Every question brings its own DPoP proof
and its own official's assertion; both are verified and spent, the client, the agency and its
mandates are asked for, the person is looked up, the record is opened, the access entry is written
and committed (fsync on). Every question is about another person, so that nothing is remembered.

A question by name goes one at a time: what counts is how long an official waits. One in five each
has the name and birth date as they are, the patronymic too, a slip of the finger, day and month the
wrong way round, and a name that many have.

`CIVITAS_BENCH_PEOPLE` is how many people are made (20,000); two in three are known to the agency.
`CIVITAS_BENCH_REGISTER` is a folder in which `loadtests.population_load --data` has kept a
register, loaded from one feed: questions by name are asked in a copy of it.
"""

import json
import os
import random
import statistics
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import cycle, islice
from pathlib import Path

from sqlalchemy import func, select

from app.resources import Resources
from idp.tokens import Subject
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId
from kernel.secret import random_b64url
from loadtests.application import (
    CLIENT,
    Floor,
    Prover,
    hold_against_floor,
    register_client,
    serve_filled,
)
from loadtests.figures import Figure
from loadtests.machine import Machine, Running, http_request
from loadtests.matching.population import REPORTED, rows
from loadtests.register_feeds import Country
from loadtests.register_load import KEY_FILE
from loadtests.rounds import Round
from loadtests.signer import Signer
from partner_api.agencies import store
from partner_api.agencies.official import ASSERTION_TYPE
from partner_api.agencies.store import Binding
from population_register.control import read_record
from population_register.mandate import Condition, LegalBasis
from population_register.model import Agency, AgencyRole, SourceRecord
from population_register.service.accepting import accept_records
from population_register.service.agencies import add_agency, add_official_key
from population_register.service.mandates import add_legal_basis, grant_mandate
from population_register.tables import persons

FLOOR = Floor(
    primitives=("es256_verify", "es256_verify", "aead_open_32", "aead_open_1024"),
    words="two ES256 verifications + two AEAD openings",
    request="one question by number",
    target=0.45,
    most_rate=6_000,
)
TARGET_BY_NAME_MS = 10.0

PEOPLE = int(os.environ.get("CIVITAS_BENCH_PEOPLE", "20000"))
REGISTER = os.environ.get("CIVITAS_BENCH_REGISTER", "")
PATH = "/agency/v1/resolve"
ASKER, BASIS = AgencyId("bench"), "tax_code_85"
FIELDS = ("family_name", "given_name", "middle_name", "birthdate", "gender", "inn", "over_18")
BATCH = 500

Said = Mapping[str, str]
"""Attributes of a person by name, as the agency that asks has them."""


# What officials type


def as_it_is(person: Said, _dice: random.Random) -> dict[str, str]:
    """Ask by name and birth date."""
    return {name: person[name] for name in ("family_name", "given_name", "birthdate")}


def whole_name(person: Said, dice: random.Random) -> Said:
    """Ask by the patronymic, too, of whoever has one."""
    asked = as_it_is(person, dice)
    return asked | {"middle_name": person["middle_name"]} if person.get("middle_name") else asked


def with_a_slip(person: Said, dice: random.Random) -> Said:
    """Ask with a letter too many somewhere in the name, of whichever alphabet it is."""
    asked = as_it_is(person, dice)
    name = dice.choice(("family_name", "given_name"))
    text = asked[name]
    place = dice.choice([n for n, letter in enumerate(text) if letter.islower()] or [0])
    return {**asked, name: text[:place] + text[place:].replace(text[place], text[place] * 2, 1)}


def day_for_month(person: Said, dice: random.Random) -> Said:
    """Ask with day and month the wrong way round, where that is a date."""
    year, month, day = person["birthdate"].split("-")
    swapped = {"birthdate": f"{year}-{day}-{month}"} if day <= "12" else {}
    return {**as_it_is(person, dice), **swapped}


WAYS = {
    "as it is": as_it_is,
    "whole name": whole_name,
    "a slip": with_a_slip,
    "day for month": day_for_month,
    "frequent name": as_it_is,
}


class Sample:
    """Whom officials ask for by name."""

    def __init__(self, people: Iterator[Said], *, size: int) -> None:
        """Draw people, and those who are called as many are.

        Args:
            people: By chance.
            size: How many of them.
        """
        drawn = list(islice(people, size))
        names = [(one["family_name"], one["given_name"]) for one in drawn]
        ranks = {name: n for n, name in enumerate(_by_frequency(family for family, _ in names))}
        given = {name: n for n, name in enumerate(_by_frequency(given for _, given in names))}
        drawn.sort(key=lambda one: ranks[one["family_name"]] + given[one["given_name"]])
        self._frequent = drawn[: 1 + len(drawn) // 20]
        self._anybody = random.Random(5).sample(drawn, len(drawn))

    def asked(self, way: str) -> Iterator[Said]:
        """Return what is asked in a way, without end."""
        dice = random.Random(f"{way}/5")
        people = self._frequent if way == "frequent name" else self._anybody
        for person in cycle(people):
            yield WAYS[way](person, dice)

    def mixed(self) -> Iterator[Said]:
        """Return what is asked, one way after another, without end."""
        ways = [self.asked(way) for way in WAYS]
        for way in cycle(ways):
            yield next(way)


def _by_frequency(names: Iterator[str]) -> list[str]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return sorted(counted, key=lambda name: (-counted[name], name))


class Asker:
    """An agency that asks: its client, its officials' key, its mandates."""

    def __init__(self, resources: Resources) -> None:
        """Let the register know the agency."""
        self.at = datetime.now(UTC)
        self.officials = Signer(ASSERTION_TYPE, kid="officials")
        prover = Prover(resources)
        self.issuer = prover.issuer
        self.token = prover.token(Subject(sub=CLIENT, scope=("register.resolve",)), at=self.at)
        with unit_of_work_of(resources.sessions) as session:
            agency = Agency(
                agency_id=ASKER, role=AgencyRole.TAX, name_ru="ФНС", name_en="Tax", mapping={}
            )
            add_agency(session, agency, self.at)
            jwk = {**self.officials.jwk, "kid": "officials"}
            add_official_key(session, ASKER, kid="officials", jwk=jwk, at=self.at)
            words = LegalBasis(code=BASIS, title_ru="Учёт", title_en="Records", reference="85")
            add_legal_basis(session, words, self.at)
            for field in FIELDS:
                grant_mandate(
                    session,
                    ASKER,
                    field=field,
                    condition=Condition.ALWAYS,
                    legal_basis=BASIS,
                    valid_from=date(2020, 1, 1),
                    valid_to=None,
                    by="bench",
                    at=self.at,
                )
            register_client(session, self.at)
            store.insert_binding(session, Binding(CLIENT, ASKER), self.at)

    def ask(self, question: Mapping[str, object], at: datetime) -> bytes:
        """Return one request, with a proof and an assertion of its own."""
        now = int(at.timestamp())
        official = self.officials.sign(
            {
                "iss": ASKER,
                "aud": f"{self.issuer}/agency/v1",
                "sub": f"inspector-{now % 7}",
                "iat": now,
                "exp": now + 240,
                "jti": random_b64url(12),
            }
        )
        asked = {"legal_basis": BASIS, "purpose": "bench", **question}
        return http_request(
            "POST",
            PATH,
            host=self.issuer.removeprefix("http://"),
            headers={
                **self.token.headers("POST", PATH, at=at),
                "Civitas-Official": official,
                "Content-Type": "application/json",
            },
            body=json.dumps(asked, ensure_ascii=False).encode(),
        )


class Made(Asker):
    """A register of made-up people of whom the agency itself has told."""

    def __init__(self, resources: Resources, people: int) -> None:
        """Take the people in, through the register's own path; not everybody is known to it."""
        super().__init__(resources)
        self.people: list[Said] = []
        records = self._records(people)
        while batch := list(islice(records, BATCH)):
            with unit_of_work_of(resources.sessions) as session:
                accept_records(session, resources.keyring, ASKER, batch, at=self.at)
        self.sample = Sample(iter(self.people), size=len(self.people))
        self._turns = cycle(self.people)

    def _records(self, people: int) -> Iterator[SourceRecord]:
        """Return one record of each person, as the tax service wrote it down."""
        for number, row in enumerate(rows(REPORTED[0], people)):
            if row["agency"] != "tax":
                continue
            said = {
                name: row[name]
                for name in ("family_name", "given_name", "middle_name", "gender", "birthdate")
            }
            named = {**said, "inn": row["inn"], "snils": row["snils"]}
            read = read_record(
                {"record_number": number, "version": 1, "valid_from": "2020-01-01", **named},
                agency_id=ASKER,
                at=self.at,
            )
            if not isinstance(read, SourceRecord):
                continue
            if {"inn", "family_name", "given_name", "birthdate"} <= read.attributes.keys():
                self.people.append(read.attributes)
            yield read

    def by_number(self, at: datetime) -> Iterator[bytes]:
        """Ask about one after another by the number that a tax service has."""
        for someone in self._turns:
            yield self.ask({"identifiers": {"inn": someone["inn"]}}, at)


class Kept(Asker):
    """A register that was loaded before, from one agency's feed about a country."""

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        with resources.sessions() as session:
            self.count = session.scalar(select(func.count()).select_from(persons)) or 0
        dice, country = random.Random(5), Country()
        drawn = (country.person(dice.randrange(self.count)) for _ in cycle("a"))
        self.sample = Sample(drawn, size=20_000)


def run(machine: Machine, _earlier: dict[str, Figure]) -> list[Figure]:
    """Measure questions by number in turns with the ceiling, then questions by name."""
    people = PEOPLE if machine.seconds >= 1 else min(PEOPLE, 1_000)
    name = "agency_resolve"
    with serve_filled(machine, name, lambda resources: Made(resources, people)) as (made, server):
        figures = hold_against_floor(machine, name, FLOOR, server, made.by_number)
        if not REGISTER:
            return [*figures, *_by_name(machine, made, made.sample, server, len(made.people))]
    with serve_filled(machine, "agency_names", Kept, kept=Path(REGISTER), root_key=KEY_FILE) as (
        kept,
        server,
    ):
        return [*figures, *_by_name(machine, kept, kept.sample, server, kept.count)]


def _by_name(
    machine: Machine, asker: Asker, sample: Sample, server: Running, people: int
) -> list[Figure]:
    mixed = sample.mixed()
    rounds = [_one_at_a_time(machine, asker, mixed, server) for _ in range(machine.rounds + 1)][1:]
    p95s = [each.p95_ms for each in rounds]
    p95 = statistics.median(p95s)
    return [
        Figure(
            name="agency_resolve.by_name_p95",
            value=p95,
            unit="ms",
            ratio=TARGET_BY_NAME_MS / p95,
            target=1.0,
            against=f"{TARGET_BY_NAME_MS:.0f} ms, one at a time, {people:,} people",
            spread=(min(p95s), max(p95s)),
        ),
        Figure(
            name="agency_resolve.by_name_p50",
            value=statistics.median(each.p50_ms for each in rounds),
            unit="ms",
        ),
        Figure(
            name="agency_resolve.by_name_cpu",
            value=statistics.median(each.cost_us for each in rounds),
            unit="us/request",
            against="server and database",
        ),
        *(
            Figure(
                name=f"agency_resolve.by_name_p95.{way.replace(' ', '_')}",
                value=_one_at_a_time(machine, asker, sample.asked(way), server).p95_ms,
                unit="ms",
            )
            for way in WAYS
        ),
    ]


def _one_at_a_time(machine: Machine, asker: Asker, asked: Iterator[Said], server: Running) -> Round:
    at = datetime.now(UTC)
    requests = [
        asker.ask({"attributes": each}, at) for each in islice(asked, int(600 * machine.seconds))
    ]
    done = machine.load(server, requests, connections=1)
    if set(done.statuses) != {"200"} or done.failures:
        raise RuntimeError(f"not what was meant: {done.statuses}, {done.failures}")
    return done
