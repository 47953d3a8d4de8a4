"""Accounts, passwords, sessions of browsers."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from time import process_time
from typing import Any

import argon2
import httpx
import psutil
import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from idp import argon2id
from idp.assurance import AssuranceLevel
from idp.errors import SignInFailed, UnacceptablePassword, UsernameTaken
from idp.known_browsers import MOST_PEOPLE, find_browser
from idp.model import Account, SignedIn
from idp.passwords import PROFILES, PasswordHasher, PasswordMismatch, check_password
from idp.policy import Policy
from idp.service import accounts, sessions
from idp.service.attempts import FREE_ATTEMPTS_PER_ADDRESS, FREE_ATTEMPTS_PER_NAME
from idp.service.closing import close_accounts, reopen_accounts
from idp.store.upstreams import list_accounts
from idp.tables import accounts as accounts_table
from idp.tables import session_cookies, sign_in_failures, sign_in_sessions
from kernel.errors import Conflict, TooManyRequests, Undecryptable
from kernel.ids import AccountId, PersonId, new_id
from kernel.secret import Secret
from population_register.matching_store import find_account_holders
from tests.idp.idp_world import PASSWORD, WAITING, Browser, IdpWorld, Person
from tests.idp.pure import NOON

_strangers = count(1)


def sign_in(
    world: IdpWorld,
    person: Person,
    password: str = PASSWORD,
    address: str | None = None,
    browser: str | None = None,
) -> SignedIn:
    """Sign in; each person from an address of their own unless one is given."""
    with world.session() as session:
        return accounts.sign_in(
            session,
            world.keyring,
            world.hasher,
            username=person.username,
            password=Secret(password),
            address=address or person.username,
            browser=browser,
            at=world.clock.now(),
        )


def from_page(browser: Browser, person: Person) -> httpx.Response:
    page = browser.get("/sign-in?again=yes")
    said = {"username": person.username, "password": PASSWORD}
    return browser.http.post("/sign-in", data=said | {"form_token": browser.form_token(page)})


def locked_by_strangers(world: IdpWorld, person: Person) -> None:
    """Somebody who knows the name types wrong passwords, from wherever nobody guessed before."""
    for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
        with pytest.raises(SignInFailed):
            sign_in(world, person, "wrong", address=f"host-{next(_strangers)}.example")


class TestKnownBrowser:
    def test_strangers_do_not_lock_a_person_out_of_their_own_browser(self, world: IdpWorld) -> None:
        person = world.someone()
        kept = accounts.remember_browser(world.keyring, None, f" {person.username.upper()}")
        locked_by_strangers(world, person)

        with pytest.raises(SignInFailed):
            sign_in(world, person)
        assert sign_in(world, person, browser=kept).person_id == person.person_id

    def test_its_guesses_are_counted_too(self, world: IdpWorld) -> None:
        person = world.someone()
        kept = accounts.remember_browser(world.keyring, None, person.username)
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            with pytest.raises(SignInFailed):
                sign_in(world, person, "wrong", browser=kept)

        with pytest.raises(SignInFailed) as refused:
            sign_in(world, person, browser=kept)
        assert refused.value.context["reason"] == "throttled"
        sign_in(world, person)  # elsewhere, the person is not locked out by it

    @pytest.mark.parametrize("forged", ["another's", "changed", "cut", "foreign", "nothing"])
    def test_proof_of_another_or_of_nobody_is_none(self, world: IdpWorld, forged: str) -> None:
        person, other = world.someone(), world.someone()
        kept = accounts.remember_browser(world.keyring, None, person.username)
        presented = {
            "another's": accounts.remember_browser(world.keyring, None, other.username),
            "changed": ("B" if kept[0] == "A" else "A") + kept[1:],
            "cut": kept[:-1],
            "foreign": "é" * len(kept),
            "nothing": "",
        }[forged]
        locked_by_strangers(world, person)

        with pytest.raises(SignInFailed):
            sign_in(world, person, browser=presented)

    def test_browser_of_a_family_knows_each_of_them_and_not_the_whole_village(
        self, world: IdpWorld
    ) -> None:
        kept, names = None, [f"villager-{number}" for number in range(MOST_PEOPLE + 1)]
        for name in (*names, names[-1]):
            kept = accounts.remember_browser(world.keyring, kept, name)

        known = [find_browser(world.keyring, kept, name) is not None for name in names]

        assert known == [False] + [True] * MOST_PEOPLE

    def test_browser_is_given_its_proof_and_brings_it(self, world: IdpWorld) -> None:
        person = world.someone()
        browser = world.browser()
        signing_in = from_page(browser, person)
        cookie = next(
            each for each in signing_in.headers.get_list("set-cookie") if "known_browser" in each
        )
        locked_by_strangers(world, person)

        again = from_page(browser, person)
        elsewhere = from_page(world.browser(), person)

        assert {"httponly", "samesite=lax"} <= set(cookie.lower().split("; "))
        assert again.status_code == 303
        assert elsewhere.status_code == 401


class TestSignIn:
    def test_right_password_tells_who_it_is(self, world: IdpWorld) -> None:
        person = world.someone(AssuranceLevel.STANDARD)

        signed_in = sign_in(world, person)

        assert signed_in.person_id == person.person_id
        assert signed_in.level is AssuranceLevel.STANDARD
        assert signed_in.amr == ("pwd",)
        assert signed_in.auth_time == world.clock.now()

    @pytest.mark.parametrize(
        "written", ["{}", " {} ", "{}".upper()], ids=["same", "spaces", "upper"]
    )
    def test_name_is_found_however_it_is_typed(self, world: IdpWorld, written: str) -> None:
        person = world.someone()
        typed = person.username.upper() if written.isupper() else written.format(person.username)

        assert sign_in(world, replace(person, username=typed)).person_id == person.person_id

    @pytest.mark.parametrize(
        "password", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 5000], ids=range(5)
    )
    def test_any_other_password_is_refused(self, world: IdpWorld, password: str) -> None:
        with pytest.raises(SignInFailed):
            sign_in(world, world.someone(), password)

    def test_unknown_name_is_refused_in_the_same_words(self, world: IdpWorld) -> None:
        person = world.someone()
        with pytest.raises(SignInFailed) as wrong:
            sign_in(world, person, "wrong")
        with pytest.raises(SignInFailed) as unknown:
            sign_in(world, replace(person, username="nobody"))

        assert wrong.value.detail == unknown.value.detail
        assert wrong.value.context != unknown.value.context

    def test_disabled_account_is_refused(self, world: IdpWorld) -> None:
        person = world.someone()
        with world.session() as session:
            session.execute(
                update(accounts_table)
                .where(accounts_table.c.person_id == person.person_id)
                .values(disabled_at=NOON)
            )

        with pytest.raises(SignInFailed):
            sign_in(world, person)

    def test_disabled_account_is_signed_out_at_once(self, world: IdpWorld) -> None:
        person, client, browser = world.someone(), world.a_relying_party(), world.browser()
        browser.authorize(client.url(), person)
        assert browser.get("/account").status_code == 200
        with world.session() as session:
            session.execute(
                update(accounts_table)
                .where(accounts_table.c.person_id == person.person_id)
                .values(disabled_at=NOON)
            )

        assert browser.get("/account").status_code == 303

    def test_failed_attempt_is_kept_although_it_is_refused(self, world: IdpWorld) -> None:
        with world.session() as session:
            before = len(session.execute(select(sign_in_failures)).all())
        with pytest.raises(SignInFailed):
            sign_in(world, world.someone(), "wrong", address="192.0.2.77")

        with world.session() as session:
            after = len(session.execute(select(sign_in_failures)).all())
        assert after == before + 2  # the name and the address

    def test_after_some_failures_one_has_to_wait(self, world: IdpWorld) -> None:
        person = world.someone()
        for _ in range(FREE_ATTEMPTS_PER_NAME + 1):
            with pytest.raises(SignInFailed):
                sign_in(world, person, "wrong")

        with pytest.raises(SignInFailed) as refused:
            sign_in(world, person)  # the right one

        assert refused.value.context["reason"] == "throttled"
        world.later(seconds=2)
        sign_in(world, person)

    def test_wait_doubles_up_to_a_quarter_of_an_hour(self, world: IdpWorld) -> None:
        person = world.someone()
        for _ in range(FREE_ATTEMPTS_PER_NAME + 12):
            with pytest.raises(SignInFailed):
                sign_in(world, person, "wrong", address=f"192.0.2.{_}")
            world.later(minutes=15, seconds=1)
        with pytest.raises(SignInFailed):
            sign_in(world, person, "wrong", address="192.0.2.200")

        world.later(minutes=14, seconds=59)
        with pytest.raises(SignInFailed):
            sign_in(world, person, address="192.0.2.201")
        world.later(seconds=1)
        sign_in(world, person, address="192.0.2.202")

    def test_right_password_forgives(self, world: IdpWorld) -> None:
        person = world.someone()
        for _ in range(3):
            for _ in range(FREE_ATTEMPTS_PER_NAME):
                with pytest.raises(SignInFailed):
                    sign_in(world, person, "wrong")
            sign_in(world, person)

    def test_address_has_to_wait_too(self, world: IdpWorld) -> None:
        address = "198.51.100.9"
        for number in range(FREE_ATTEMPTS_PER_ADDRESS + 1):
            with pytest.raises(SignInFailed):
                sign_in(world, Person(PersonId(new_id(NOON)), f"guess-{number}", "1986-03-14"),
                        "wrong", address=address)  # fmt: skip
        person = world.someone()

        with pytest.raises(SignInFailed):
            sign_in(world, person, address=address)
        sign_in(world, person, address="198.51.100.10")

    def test_guesses_from_one_network_of_version_6_are_counted_together(
        self, world: IdpWorld
    ) -> None:
        for number in range(FREE_ATTEMPTS_PER_ADDRESS + 1):
            with pytest.raises(SignInFailed):
                sign_in(world, Person(PersonId(new_id(NOON)), f"guess6-{number}", "1986-03-14"),
                        "wrong", address=f"2001:db8:1:2:{number:x}::1")  # fmt: skip
        person = world.someone()

        with pytest.raises(SignInFailed):
            sign_in(world, person, address="2001:db8:1:2:ffff::1")
        sign_in(world, person, address="2001:db8:1:3::1")

    @pytest.mark.parametrize("name", ["аnna", "an\u200bna", "an\u202ena", "an na", "an\0na"])
    def test_name_that_looks_like_another_is_not_given(self, world: IdpWorld, name: str) -> None:
        with world.session() as session, pytest.raises(UsernameTaken):
            accounts.create_account(
                session,
                world.keyring,
                world.hasher,
                person_id=PersonId(new_id(NOON)),
                username=name,
                password=Secret(PASSWORD),
                level=AssuranceLevel.SIMPLIFIED,
                at=NOON,
            )

    def test_name_is_taken_once(self, world: IdpWorld) -> None:
        person = world.someone()

        with world.session() as session, pytest.raises(UsernameTaken):
            accounts.create_account(
                session,
                world.keyring,
                world.hasher,
                person_id=PersonId(new_id(NOON)),
                username=person.username.upper(),
                password=Secret(PASSWORD),
                level=AssuranceLevel.SIMPLIFIED,
                at=NOON,
            )

    def test_stored_hash_is_sealed_to_its_account(self, world: IdpWorld) -> None:
        one, two = world.someone(), world.someone()
        with world.session() as session:
            sealed = {
                row.person_id: row.password_hash_sealed
                for row in session.execute(select(accounts_table))
            }
            assert b"$argon2" not in sealed[one.person_id]
            session.execute(
                update(accounts_table)
                .where(accounts_table.c.person_id == two.person_id)
                .values(password_hash_sealed=sealed[one.person_id])
            )

        with pytest.raises(Undecryptable):
            sign_in(world, two)


@pytest.fixture
def apart() -> Iterator[PasswordHasher]:
    """A hasher with a process of its own, and little to do for it."""
    hasher = PasswordHasher(replace(PROFILES["recommended"], memory_kib=64, lanes=2))
    yield hasher
    hasher.close()


def hashing_process() -> psutil.Process:
    """Return the process that hashes; it runs once something was hashed."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # what another test left to be waited for
            if argon2id.__file__ in child.cmdline():
                found.append(child)
    (process,) = found
    return process


class TestPasswords:
    @pytest.mark.spec("RFC9106-4")
    def test_hash_is_argon2id_of_the_profile(self) -> None:
        hasher = PasswordHasher(PROFILES["recommended"])

        encoded = hasher.hash(Secret(PASSWORD))

        assert encoded.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
        hasher.verify(Secret(PASSWORD), encoded)
        hasher.close()

    def test_hash_is_everybodys(self, apart: PasswordHasher) -> None:
        theirs = argon2.PasswordHasher(time_cost=3, memory_cost=64, parallelism=2)

        assert theirs.verify(apart.hash(Secret(PASSWORD)), PASSWORD)
        apart.verify(Secret(PASSWORD), theirs.hash(PASSWORD))
        assert not apart.needs_rehash(theirs.hash(PASSWORD))

    def test_hash_of_another_profile_is_verified_and_made_anew(self) -> None:
        hasher = PasswordHasher(PROFILES["test"])
        old = argon2.PasswordHasher(time_cost=2, memory_cost=16, parallelism=2).hash(PASSWORD)

        hasher.verify(Secret(PASSWORD), old)

        assert hasher.needs_rehash(old)
        assert not hasher.needs_rehash(hasher.hash(Secret(PASSWORD)))

    @pytest.mark.parametrize(
        "encoded",
        [
            "x",
            "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$A",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA\n",
        ],
        ids=range(6),
    )
    def test_no_password_fits_what_is_no_hash(self, encoded: str) -> None:
        hasher = PasswordHasher(PROFILES["test"])

        with pytest.raises(PasswordMismatch):
            hasher.verify(Secret(PASSWORD), encoded)

    def test_hash_that_nobody_could_make_is_a_defect(self, apart: PasswordHasher) -> None:
        for hasher in (apart, PasswordHasher(PROFILES["test"])):
            with pytest.raises(argon2id.HashingFailed):
                hasher.verify(Secret(PASSWORD), "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$AAAA")

        assert apart.hash(Secret(PASSWORD))

    def test_unknown_name_costs_the_time_of_a_wrong_password(self) -> None:
        hasher = PasswordHasher(
            replace(PROFILES["recommended"], memory_kib=8192, lanes=1, is_apart=False)
        )
        encoded = hasher.hash(Secret(PASSWORD))

        def fastest(against: str | None, password: str) -> float:
            times = []
            for _ in range(15):
                started = process_time()
                with pytest.raises(PasswordMismatch):
                    hasher.verify(Secret(password), against)
                times.append(process_time() - started)
            return min(times)

        known, unknown, long = (
            fastest(encoded, "wrong"),
            fastest(None, "wrong"),
            fastest(encoded, "x" * 100_000),
        )
        # Hashing is all of it or none of it: a skipped one would be a hundred times cheaper.
        assert 0.2 < unknown / known < 5
        assert 0.2 < long / known < 5

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
    def test_process_that_hashes_steps_back_and_knows_nothing(
        self, apart: PasswordHasher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CIVITAS_DATABASE_URL", "postgresql://with-a-password")
        apart.hash(Secret(PASSWORD))

        process = hashing_process()

        assert psutil.Process().nice() < process.nice()
        assert not [name for name in process.environ() if "CIVITAS" in name]
        assert "hugetlb=1" in process.environ()["GLIBC_TUNABLES"]

    def test_process_that_was_killed_is_started_again(self, apart: PasswordHasher) -> None:
        encoded = apart.hash(Secret(PASSWORD))
        first = hashing_process()
        first.kill()

        apart.verify(Secret(PASSWORD), encoded)

        assert hashing_process().pid != first.pid

    def test_answer_that_nobody_waited_for_is_nobody_elses(self) -> None:
        class Interrupted:
            def __init__(self, answers: Any) -> None:  # noqa: ANN401
                self.answers = answers

            def __getattr__(self, name: str) -> Any:  # noqa: ANN401
                return getattr(self.answers, name)

            def read(self, _length: int) -> bytes:
                raise KeyboardInterrupt

        def derive(message: bytes) -> bytes:
            return process.derive(message, bytes(8), memory_kib=8, iterations=1, lanes=1, length=16)

        process = argon2id.HashingProcess()
        right = derive(b"mine")
        running: Any = process._process  # noqa: SLF001
        running.stdout = Interrupted(running.stdout)
        with pytest.raises(KeyboardInterrupt):
            derive(b"theirs")

        assert derive(b"mine") == right
        process.close()

    def test_process_ends_with_its_hasher(self, apart: PasswordHasher) -> None:
        apart.hash(Secret(PASSWORD))
        process = hashing_process()

        apart.close()

        assert not process.is_running()

    def test_process_ends_with_its_input(self) -> None:
        request = struct.pack(">6I", 8, 1, 1, 16, 8, 1) + bytes(8) + b"p"

        done = subprocess.run(
            [sys.executable, "-P", argon2id.__file__],
            input=request * 2, capture_output=True, check=True,
        )  # fmt: skip

        tag = argon2id.derive(b"p", bytes(8), memory_kib=8, iterations=1, lanes=1, length=16)
        assert done.stdout == tag * 2

    def test_too_many_at_once_are_turned_away(self) -> None:
        hasher = PasswordHasher(replace(PROFILES["test"], waiting=0))
        hasher._places.acquire()  # noqa: SLF001

        with pytest.raises(TooManyRequests):
            hasher.hash(Secret(PASSWORD))
        hasher._places.release()  # noqa: SLF001
        assert hasher.hash(Secret(PASSWORD))

    @pytest.mark.parametrize(
        "password",
        ["short", "x" * 257, "password1", "ПАРОЛЬ123", "aaaaaaaaaa", "abababab", "annavolkova"],
        ids=range(7),
    )
    def test_guessable_one_is_refused(self, password: str) -> None:
        with pytest.raises(UnacceptablePassword):
            check_password(Secret(password), username="annavolkova")

    def test_cheap_parameters_are_noticed(self) -> None:
        cheap, dear = PasswordHasher(PROFILES["test"]), PasswordHasher(PROFILES["recommended"])

        assert dear.needs_rehash(cheap.hash(Secret(PASSWORD)))
        assert not cheap.needs_rehash(cheap.hash(Secret(PASSWORD)))
        cheap.close()
        dear.close()


class TestSessions:
    SIGNED_IN = SignedIn(
        account_id=AccountId(new_id(NOON)),
        person_id=PersonId(new_id(NOON)),
        level=AssuranceLevel.CONFIRMED,
        amr=("pwd",),
        auth_time=NOON,
    )
    POLICY = Policy()

    def open(self, session: Session, replaces: str | None = None) -> tuple[str, SignedIn]:
        signed_in = replace(self.SIGNED_IN, person_id=PersonId(new_id(NOON)))
        opened = sessions.open_session(
            session, signed_in, policy=self.POLICY, replaces=replaces, at=NOON
        )
        return opened.cookie.reveal(), signed_in

    def find(self, session: Session, cookie: str | None, after: timedelta = timedelta(0)) -> object:
        return sessions.find_session(session, cookie, policy=self.POLICY, at=NOON + after)

    def test_cookie_finds_its_session(self, session: Session) -> None:
        cookie, signed_in = self.open(session)

        found = sessions.find_session(session, cookie, policy=self.POLICY, at=NOON)

        assert found is not None
        assert found.person_id == signed_in.person_id
        assert found.acr == AssuranceLevel.CONFIRMED.acr

    @pytest.mark.parametrize("cookie", [None, "", "x", "cvs_" + "A" * 43 + "_00000000", "é"])
    def test_any_other_finds_nothing(self, session: Session, cookie: str | None) -> None:
        assert self.find(session, cookie) is None

    def test_only_the_digest_of_the_cookie_is_stored(self, session: Session) -> None:
        cookie, _ = self.open(session)

        (digest,) = session.scalars(select(session_cookies.c.cookie_digest)).all()

        assert len(digest) == 32
        assert cookie.encode() not in digest

    def test_sign_in_ends_the_session_that_the_browser_brought(self, session: Session) -> None:
        planted, _ = self.open(session)

        fresh, _ = self.open(session, replaces=planted)

        assert fresh != planted
        assert self.find(session, planted) is None
        assert self.find(session, fresh) is not None

    def test_session_ends_an_hour_after_its_last_use(self, session: Session) -> None:
        cookie, _ = self.open(session)
        minutes = timedelta(minutes=50)
        assert self.find(session, cookie, minutes)
        assert self.find(session, cookie, 2 * minutes)

        assert self.find(session, cookie, 2 * minutes + timedelta(hours=1)) is None

    def test_session_ends_after_twelve_hours_however_it_is_used(self, session: Session) -> None:
        cookie, _ = self.open(session)
        for half_hours in range(1, 24):
            assert self.find(session, cookie, timedelta(minutes=30 * half_hours))

        assert self.find(session, cookie, timedelta(hours=12)) is None

    def test_use_is_noted_once_a_minute(self, session: Session) -> None:
        cookie, _ = self.open(session)

        def noted() -> object:
            return session.scalar(select(sign_in_sessions.c.last_used_at))

        self.find(session, cookie, timedelta(seconds=59))
        assert noted() == NOON
        self.find(session, cookie, timedelta(seconds=60))
        assert noted() == NOON + timedelta(seconds=60)

    def test_person_sees_and_ends_their_own(self, session: Session) -> None:
        cookie, mine = self.open(session)
        foreign, other = self.open(session)
        (listed,) = sessions.list_sessions(session, mine.person_id, policy=self.POLICY, at=NOON)

        sessions.end_session(session, other.person_id, listed.session_id, at=NOON)
        assert self.find(session, cookie) is not None
        sessions.end_session(session, mine.person_id, listed.session_id, at=NOON)

        assert self.find(session, cookie) is None
        assert self.find(session, foreign) is not None
        assert not sessions.list_sessions(session, mine.person_id, policy=self.POLICY, at=NOON)


class TestClosing:
    """An account that is being opened while its person is being closed; both for real."""

    def open(self, world: IdpWorld, session: Session, person_id: PersonId) -> Account:
        return accounts.create_account(
            session,
            world.keyring,
            world.hasher,
            person_id=person_id,
            username=f"{person_id}",
            password=Secret(PASSWORD),
            level=AssuranceLevel.SIMPLIFIED,
            at=world.clock.now(),
        )

    def close(self, world: IdpWorld, person_id: PersonId) -> None:
        with world.session() as session:
            close_accounts(session, person_id, at=world.clock.now())

    def open_alone(self, world: IdpWorld, person_id: PersonId) -> Account:
        with world.session() as session:
            return self.open(world, session, person_id)

    def is_disabled(self, world: IdpWorld, person_id: PersonId) -> list[bool]:
        with world.session() as session:
            return [each.disabled_at is not None for each in list_accounts(session, person_id)]

    def test_who_is_being_closed_gets_no_account(self, world: IdpWorld) -> None:
        person_id = PersonId(new_id(NOON))

        with ThreadPoolExecutor(1) as pool:
            with world.session() as session:
                close_accounts(session, person_id, at=world.clock.now())
                opened = pool.submit(self.open_alone, world, person_id)
                while not session.scalar(WAITING):
                    assert not opened.done()

            with pytest.raises(Conflict):
                opened.result()
        assert self.is_disabled(world, person_id) == []

    def test_account_that_is_being_opened_is_closed(self, world: IdpWorld) -> None:
        person_id = PersonId(new_id(NOON))

        with ThreadPoolExecutor(1) as pool:
            with world.session() as session:
                self.open(world, session, person_id)
                closed = pool.submit(self.close, world, person_id)
                while not session.scalar(WAITING):
                    assert not closed.done()

            closed.result()
        assert self.is_disabled(world, person_id) == [True]

    @pytest.mark.parametrize("level", AssuranceLevel)
    def test_register_knows_who_has_a_confirmed_account(
        self, world: IdpWorld, level: AssuranceLevel
    ) -> None:
        opened_at = world.clock.now()
        person_id = world.someone(level).person_id
        known = {person_id: opened_at} if level is AssuranceLevel.CONFIRMED else {}

        def holders() -> dict[PersonId, datetime]:
            with world.session() as session:
                return find_account_holders(session, [person_id])

        assert holders() == known
        self.close(world, person_id)
        assert holders() == {}
        with world.session() as session:
            reopen_accounts(session, person_id)
        assert holders() == known
