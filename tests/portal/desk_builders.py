"""A desk with a case, and officials who sign in to it with a telephone in their hand."""

import re
from base64 import b32decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from weakref import WeakKeyDictionary

import httpx
import pytest

from idp.api import (
    OperatorRole,
    PasswordHasher,
    add_operator,
)
from idp.passwords import PROFILES
from idp.second_factor import code_of, step_at
from idp.store.operators import list_operators
from kernel.clock import Clock
from kernel.db import unit_of_work_of
from kernel.ids import AgencyId, PersonId
from kernel.secret import Secret
from population_register.api import (
    Accepted,
    CaseKey,
    RecordKind,
    SourceRecord,
    accept_record,
    case_key,
    members_of,
    set_account_holder,
)
from tests.asgi import client_of
from tests.portal.portal_builders import World, field

DESK_PASSWORD = "seventeen quiet lanterns"
ANNA = {"family_name": "Волкова", "given_name": "Анна", "middle_name": "Дмитриевна",
        "birthdate": "1986-03-14"}  # fmt: skip
NOBODYS = "0193b0a0-0000-7000-8000-000000000000"
WHY = {"comment": "Seen both passports"}


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A desk with one case, and officials of each role."""

    world: World
    case: CaseKey

    @property
    def address(self) -> str:
        return f"/desk/cases/{self.case.one}/{self.case.other}"

    def confirm_accounts(self) -> None:
        """Let both people have a confirmed account."""
        with unit_of_work_of(self.world.sessions) as session:
            for person_id in self.case:
                set_account_holder(session, person_id, self.world.clock.now())

    def are_one(self) -> bool:
        with self.world.sessions() as session:
            return self.case.other in members_of(session, self.case.one)


def say(world: World, agency: str, number: str, **attributes: str) -> PersonId:
    record = SourceRecord(
        agency_id=AgencyId(agency), record_number=number, version=1, kind=RecordKind.STATEMENT,
        valid_from=date(2020, 1, 1), attributes=attributes, arrived_at=world.clock.now(),
    )  # fmt: skip
    with unit_of_work_of(world.sessions) as session:
        outcome = accept_record(session, world.keyring, record, world.clock.now())
    assert isinstance(outcome, Accepted)
    return outcome.person_id


@pytest.fixture
def desk(world: World) -> Desk:
    one = say(world, "interior", "i-1", **ANNA)
    world.later(timedelta(minutes=1))
    other = say(world, "tax", "t-1", **{**ANNA, "birthdate": "1986-04-13", "inn": "500100732259"})
    assert one != other
    return Desk(world=world, case=case_key(one, other))


Official = Callable[..., httpx.Client]


@pytest.fixture
def official(world: World) -> Iterator[Official]:
    """Make an official who is signed in at the desk, in a browser of their own."""
    hasher = PasswordHasher(PROFILES["test"])
    with ExitStack() as browsers:

        def enter(name: str, *roles: str) -> httpx.Client:
            with unit_of_work_of(world.sessions) as session:
                if name not in {each.operator_id for each in list_operators(session)}:
                    add_operator(
                        session, world.keyring, hasher, operator_id=name, name=name.title(),
                        roles=[OperatorRole(role) for role in roles or ("clerk",)],
                        password=Secret(DESK_PASSWORD), at=world.clock.now(),
                    )  # fmt: skip
            client = browsers.enter_context(client_of(world.app))
            client.headers["Accept-Language"] = "en"
            assert desk_sign_in(client, name).status_code == 303
            return client

        yield enter


class Telephone:
    """The authenticator applications of the officials of one test."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secrets: dict[str, Secret[bytes]] = {}
        self._used: dict[str, int] = {}

    def set_up(self, name: str, page: str) -> None:
        """Type the key in, if the page shows one."""
        shown = re.search(r'civitas-code">([A-Z2-7 ]{39})<', page)
        if shown is not None:
            self._secrets[name] = Secret(b32decode(shown[1].replace(" ", "")))
            self._used[name] = 0

    def secret(self, name: str) -> Secret[bytes]:
        return self._secrets[name]

    def code(self, name: str) -> str:
        """Return a code that was not used yet; of three at one instant at most."""
        step = max(step_at(self._clock.now()) - 1, self._used[name] + 1)
        self._used[name] = step
        return code_of(self._secrets[name], step)


_telephones: list[Telephone] = []


@pytest.fixture(autouse=True)
def telephone(world: World) -> Iterator[Telephone]:
    """The officials' telephones; what `desk_sign_in` reads the codes from."""
    made = Telephone(world.clock)
    _telephones.append(made)
    yield made
    _telephones.remove(made)


def give_password(client: httpx.Client, name: str, password: str = DESK_PASSWORD) -> httpx.Response:
    """Do the first half of signing in."""
    return send(client, "/desk/sign-in", username=name, password=password)


def desk_sign_in(client: httpx.Client, name: str, password: str = DESK_PASSWORD) -> httpx.Response:
    """Sign in with password and code, or return the first refusal."""
    answer = give_password(client, name, password)
    if answer.status_code != 303:
        return answer
    name = name.strip().casefold()
    _telephones[-1].set_up(name, client.get("/desk/code").text)
    return send(client, "/desk/code", code=_telephones[-1].code(name))


_tokens: WeakKeyDictionary[httpx.Client, str] = WeakKeyDictionary()


def token(client: httpx.Client) -> dict[str, str]:
    """Return the token of a browser's forms: the same for all of them."""
    if client not in _tokens:
        _tokens[client] = field(client.get("/desk/sign-in").text, "form_token")
    return {"form_token": _tokens[client]}


def send(client: httpx.Client, address: str, **fields: str) -> httpx.Response:
    """Send a form of the desk as one of its pages does."""
    return client.post(address, data={**token(client), **fields})


def take(client: httpx.Client, desk: Desk) -> httpx.Response:
    return send(client, f"{desk.address}/take")


def decide(client: httpx.Client, desk: Desk, verdict: str, **fields: str) -> httpx.Response:
    return send(client, f"{desk.address}/decide", verdict=verdict, **{**WHY, **fields})


def proposal_of(client: httpx.Client, desk: Desk) -> str:
    return field(client.get(desk.address).text, "about")


def forms(desk: Desk) -> dict[str, dict[str, str]]:
    """Return every form of the desk that changes something."""
    return {
        f"{desk.address}/take": {},
        f"{desk.address}/leave": {},
        f"{desk.address}/decide": {"verdict": "same", **WHY},
        f"{desk.address}/confirm": {"about": NOBODYS, "decision": "confirm", **WHY},
        f"{desk.address}/undo": {"about": NOBODYS, "decision": "undo", **WHY},
    }


def pages(desk: Desk) -> list[str]:
    return ["/desk", "/desk/cases", "/desk/decisions", desk.address]
