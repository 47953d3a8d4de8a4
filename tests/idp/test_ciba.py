"""Client-Initiated Backchannel Authentication: poll, ping, push; FAPI-CIBA."""

from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy import select, text, update

from idp.errors import InvalidClientMetadata
from idp.grant_types import CIBA_GRANT
from idp.hot.backchannel_authentication import MOST_WAITING
from idp.ring_tokens import RingToken
from idp.service.administration import disable_client
from idp.service.backchannel import NOTIFY_TASK, NotNotified, notify
from idp.store.accounts import close_person
from idp.tables import clients, deferred_requests
from idp.tokens import left_half
from kernel.outbound import Sender
from kernel.secret import random_b64url
from tests.idp.idp_world import (
    ISSUER,
    NOON,
    REDIRECT_URI,
    Browser,
    IdpWorld,
    Person,
    RelyingParty,
    claims_of,
    disclosure,
)
from tests.idp.test_device import decide, signed_in
from tests.idp.test_token_endpoint import error as status_and_error
from tests.receiver import Receiver

GRANTS = ["authorization_code", "refresh_token", CIBA_GRANT]
ENDPOINT = "https://rp.example/ciba"
NOTIFICATION_TOKEN = "n" * 43


def error(answer: httpx.Response) -> str:
    return status_and_error(answer)[1]


def a_client(world: IdpWorld, mode: str = "poll", **metadata: Any) -> RelyingParty:  # noqa: ANN401
    if mode != "poll":
        metadata["backchannel_client_notification_endpoint"] = ENDPOINT
    return world.a_relying_party(
        method="private_key_jwt",
        grant_types=GRANTS,
        backchannel_token_delivery_mode=mode,
        **metadata,
    )


def ask_form(**parameters: str) -> dict[str, str]:
    return {"scope": "openid"} | parameters


def ask(client: RelyingParty, **parameters: str) -> httpx.Response:
    return client.post("/backchannel_authentication", ask_form(**parameters))


def begin(client: RelyingParty, person: Person, **parameters: str) -> dict[str, Any]:
    answer = ask(client, login_hint=person.username, **parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def poll(client: RelyingParty, auth_req_id: str, **change: str) -> httpx.Response:
    return client.post("/token", {"grant_type": CIBA_GRANT, "auth_req_id": auth_req_id} | change)


def waiting_addresses(browser: Browser) -> list[str]:
    page = browser.get("/account/requests")
    assert page.status_code == 200
    links = [part.split('"')[0] for part in page.text.split('href="')[1:]]
    return [link for link in links if link.startswith("/account/requests/")]


def answer_it(world: IdpWorld, person: Person, decision: str = "allow") -> httpx.Response:
    browser = signed_in(world, person)
    (address,) = waiting_addresses(browser)
    page = decide(browser, address, decision)
    assert page.status_code == 200, page.text
    return page


def signed(client: RelyingParty, *, alg: str = "ES256", key: Any = None, **change: Any) -> str:  # noqa: ANN401
    at = int(client.world.clock.now().timestamp())
    claims = {
        "iss": client.client_id,
        "aud": ISSUER,
        "iat": at,
        "nbf": at,
        "exp": at + 300,
        "jti": random_b64url(16),
        "scope": "openid",
        "binding_message": "1234",
    } | change
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None},
        key if key is not None or alg == "none" else client.key.private,
        algorithm=alg,
        headers={"kid": "key-1"},
    )


def tell(world: IdpWorld, receiver: Receiver) -> None:
    """Do the one job that waits."""
    with world.session() as session:
        (job,) = session.execute(
            text("SELECT args FROM procrastinate_jobs WHERE task_name = :name"),
            {"name": NOTIFY_TASK},
        ).scalars()
    notify(
        world.app.state.sessions,
        world.provider,
        receiver.sender(Sender),
        RingToken(slot=job["slot"], digest=bytes.fromhex(job["digest"])),
        at=world.clock.now(),
    )


@pytest.fixture(autouse=True)
def _no_jobs(world: IdpWorld) -> None:
    with world.session() as session:
        session.execute(
            text("DELETE FROM procrastinate_jobs WHERE task_name = :name"), {"name": NOTIFY_TASK}
        )


@pytest.fixture
def client(world: IdpWorld) -> RelyingParty:
    return a_client(world)


@pytest.fixture
def person(world: IdpWorld) -> Person:
    return world.someone()


def test_client_asks_one_person_so_many_things_at_once_and_no_more(world: IdpWorld) -> None:
    client, other, person = a_client(world), a_client(world), world.someone()
    for _ in range(MOST_WAITING):
        begin(client, person)

    refused = ask(client, login_hint=person.username)

    assert refused.status_code == 429, refused.text
    assert refused.json()["error"] == "too_many_requests"
    begin(client, world.someone())
    browser = signed_in(world, person)
    decide(browser, waiting_addresses(browser)[0], "deny")
    begin(client, person)
    begin(other, person)


class TestRequest:
    @pytest.mark.spec("CIBA-7.3")
    def test_client_gets_something_to_poll_by(self, client: RelyingParty, person: Person) -> None:
        body = begin(client, person)

        assert set(body) == {"auth_req_id", "expires_in", "interval"}
        assert (body["expires_in"], body["interval"]) == (600, 5)
        assert len(body["auth_req_id"]) > 43

    @pytest.mark.spec("CIBA-7.1")
    @pytest.mark.parametrize(
        ("parameters", "code"),
        [
            ({}, "invalid_request"),
            ({"login_hint": "x", "id_token_hint": "y"}, "invalid_request"),
            ({"id_token_hint": "not a token"}, "invalid_request"),
            ({"login_hint_token": "not a token"}, "invalid_request"),
            ({"login_hint": "nobody", "scope": "profile"}, "invalid_scope"),
            ({"login_hint": "nobody", "binding_message": "x" * 101}, "invalid_binding_message"),
            ({"login_hint": "nobody", "binding_message": "a\nb"}, "invalid_binding_message"),
            ({"login_hint": "nobody", "binding_message": "a\u202eb"}, "invalid_binding_message"),
            ({"login_hint": "nobody", "requested_expiry": "0"}, "invalid_request"),
            ({"login_hint": "nobody", "requested_expiry": "-5"}, "invalid_request"),
            ({"login_hint": "nobody", "requested_expiry": "1.5"}, "invalid_request"),
            ({"login_hint": "nobody", "request": "x"}, "invalid_request"),
            (
                {"login_hint": "nobody", "authorization_details": "[]"},
                "invalid_authorization_details",
            ),
            ({"login_hint": "nobody", "resource": "https://x.example"}, "invalid_target"),
        ],
        ids=str,
    )
    def test_what_can_not_be_asked_is_refused(
        self, client: RelyingParty, parameters: dict[str, str], code: str
    ) -> None:
        answer = ask(client, **parameters)

        assert (answer.status_code, error(answer)) == (400, code)

    def test_client_that_is_not_registered_for_it_is_refused(
        self, world: IdpWorld, person: Person
    ) -> None:
        answer = ask(world.a_relying_party(), login_hint=person.username)

        assert error(answer) == "unauthorized_client"

    @pytest.mark.spec("CIBA-13")
    def test_client_that_does_not_authenticate_is_refused(
        self, client: RelyingParty, person: Person
    ) -> None:
        answer = client.post(
            "/backchannel_authentication",
            {"client_id": client.client_id, "scope": "openid", "login_hint": person.username},
            authenticate=False,
        )

        assert (answer.status_code, error(answer)) == (401, "invalid_client")

    @pytest.mark.spec("CIBA-7.1")
    def test_requested_expiry_is_kept(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        body = begin(client, person, requested_expiry="10")

        assert body["expires_in"] == 10
        world.later(seconds=10)
        assert error(poll(client, body["auth_req_id"])) == "expired_token"

    def test_longer_expiry_than_ours_is_ours(self, client: RelyingParty, person: Person) -> None:
        assert begin(client, person, requested_expiry="86400")["expires_in"] == 600

    @pytest.mark.parametrize("hint", ["login_hint", "login_hint_token"])
    @pytest.mark.parametrize("whose", ["nobody's", "a closed account's", "a person's"])
    def test_verified_partner_does_not_learn_whether_a_name_is_anybodys(
        self, world: IdpWorld, hint: str, whose: str
    ) -> None:
        client, person = a_client(world), world.someone()
        name = "nobody-at-all" if whose == "nobody's" else person.username
        if whose == "a closed account's":
            with world.session() as session:
                close_person(session, person.person_id, world.clock.now())
        token = signed(client, sub_id={"format": "opaque", "id": name})
        value = name if hint == "login_hint" else token

        answers = [ask(client, **{hint: value}) for _ in range(MOST_WAITING + 1)]

        assert [answer.status_code for answer in answers] == [200] * MOST_WAITING + [429]
        begun = answers[0].json()
        assert set(begun) == {"auth_req_id", "expires_in", "interval"}
        assert (begun["expires_in"], begun["interval"]) == (600, 5)
        assert error(poll(client, begun["auth_req_id"])) == "authorization_pending"
        world.later(seconds=600)
        assert error(poll(client, begun["auth_req_id"])) == "expired_token"

    def test_whom_a_name_of_nobody_stands_for_is_no_person_of_ours(self, world: IdpWorld) -> None:
        clients = [a_client(world) for _ in range(2)]
        for client, name in zip(clients, ("nobody-at-all", " NOBODY-at-all"), strict=True):
            ask(client, login_hint=name)

        with world.session() as session:
            asking = deferred_requests.c.client_id.in_([client.client_id for client in clients])
            (one, other) = session.scalars(
                select(deferred_requests.c.person_id).where(asking)
            ).all()
        assert one == other
        assert one.version == 8

    def test_stranger_looks_like_nobody_to_who_registered_itself(
        self, world: IdpWorld, person: Person
    ) -> None:
        """Otherwise anybody could find out who has an account, and ring at their door."""
        asked = {
            "redirect_uris": [REDIRECT_URI],
            "grant_types": GRANTS,
            "backchannel_token_delivery_mode": "poll",
        }
        answer = world.http.post("/register", json=asked).json()
        stranger = RelyingParty(
            world=world, client_id=answer["client_id"], secret=answer["client_secret"]
        )

        unknown = ask(stranger, login_hint="nobody")
        known = ask(stranger, login_hint=person.username)
        stranger.tokens(person)
        been_there = ask(stranger, login_hint=person.username)

        assert unknown.json() == known.json()
        assert error(known) == "unknown_user_id"
        assert been_there.status_code == 200

    @pytest.mark.spec("CIBA-7.1")
    def test_id_token_names_the_person(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        hint = client.tokens(person)["id_token"]

        assert ask(client, id_token_hint=hint).status_code == 200
        assert len(waiting_addresses(signed_in(world, person))) == 1

    @pytest.mark.spec("CIBA-7.1")
    def test_id_token_of_another_client_is_refused(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        hint = a_client(world).tokens(person)["id_token"]

        assert error(ask(client, id_token_hint=hint)) == "invalid_request"

    @pytest.mark.spec("CIBA-7.1")
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({}, None),
            ({"exp": 1}, "expired_login_hint_token"),
            ({"exp": None}, "invalid_request"),
            ({"iss": "another"}, "invalid_request"),
            ({"aud": "https://elsewhere.example"}, "invalid_request"),
            ({"sub_id": None}, "unknown_user_id"),
            ({"sub_id": {"format": "email", "email": "a@b"}}, "unknown_user_id"),
        ],
        ids=str,
    )
    def test_login_hint_token_names_the_person(
        self,
        client: RelyingParty,
        person: Person,
        change: dict[str, Any],
        expected: str | None,
    ) -> None:
        subject: dict[str, Any] = {"sub_id": {"format": "opaque", "id": person.username}}
        token = signed(client, **(subject | change))

        answer = ask(client, login_hint_token=token)

        assert (None if answer.status_code == 200 else error(answer)) == expected

    @pytest.mark.spec("CIBA-4")
    def test_provider_says_what_it_supports(self, world: IdpWorld) -> None:
        document = world.http.get("/.well-known/openid-configuration").json()

        assert document["backchannel_authentication_endpoint"] == (
            f"{ISSUER}/backchannel_authentication"
        )
        assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping", "push"]
        assert document["backchannel_user_code_parameter_supported"] is False
        assert CIBA_GRANT in document["grant_types_supported"]

    @pytest.mark.spec("CIBA-4")
    @pytest.mark.parametrize(
        "metadata",
        [
            {"grant_types": GRANTS},
            {"backchannel_token_delivery_mode": "poll"},
            {"grant_types": GRANTS, "backchannel_token_delivery_mode": "fax"},
            {"grant_types": GRANTS, "backchannel_token_delivery_mode": "ping"},
            {
                "grant_types": GRANTS,
                "backchannel_token_delivery_mode": "poll",
                "backchannel_client_notification_endpoint": ENDPOINT,
            },
            {
                "grant_types": GRANTS,
                "backchannel_token_delivery_mode": "push",
                "backchannel_client_notification_endpoint": ENDPOINT,
                "dpop_bound_access_tokens": True,
            },
            {"grant_types": GRANTS, "backchannel_token_delivery_mode": "poll", "method": "none"},
            {
                "grant_types": GRANTS,
                "backchannel_token_delivery_mode": "poll",
                "backchannel_user_code_parameter": True,
            },
            {
                "grant_types": GRANTS,
                "backchannel_token_delivery_mode": "poll",
                "backchannel_authentication_request_signing_alg": "none",
            },
        ],
        ids=str,
    )
    def test_what_does_not_go_together_is_not_registered(
        self, world: IdpWorld, metadata: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_relying_party(**metadata)


class TestSignedRequest:
    @pytest.fixture
    def bank(self, world: IdpWorld) -> RelyingParty:
        return world.a_fapi2_client(grant_types=GRANTS, backchannel_token_delivery_mode="poll")

    @pytest.mark.spec("CIBA-7.1.1")
    def test_signed_request_is_taken(
        self, world: IdpWorld, bank: RelyingParty, person: Person
    ) -> None:
        request = signed(bank, login_hint=person.username, requested_expiry="30")

        answer = bank.post("/backchannel_authentication", {"request": request})

        assert (answer.status_code, answer.json()["expires_in"]) == (200, 30)
        answer_it(world, person)
        body = poll(bank, answer.json()["auth_req_id"]).json()
        assert body["token_type"] == "DPoP"
        assert claims_of(body["access_token"])["cnf"]["jkt"]

    @pytest.mark.spec("FAPI-CIBA-5.2.2-9")
    @pytest.mark.spec("CIBA-7.1.1")
    @pytest.mark.parametrize(
        "change",
        [
            *({name: None} for name in ("iss", "aud", "exp", "nbf", "iat", "jti")),
            {"iss": "another"},
            {"aud": "https://elsewhere.example"},
            {"exp": -1},
            {"exp": 4200},
            {"nbf": 600},
            {"nbf": -4200},
            {"iat": 600},
            {"exp": "soon"},
            {"jti": 7},
            {"client_id": "another"},
            {"request": "x"},
            {"binding_message": True},
        ],
        ids=str,
    )
    def test_request_that_is_not_as_it_must_be_is_refused(
        self, bank: RelyingParty, person: Person, change: dict[str, Any]
    ) -> None:
        at = int(bank.world.clock.now().timestamp())
        moved = {
            name: at + value if name in {"exp", "nbf", "iat"} and isinstance(value, int) else value
            for name, value in change.items()
        }
        said: dict[str, Any] = {"login_hint": person.username} | moved
        request = signed(bank, **said)

        answer = bank.post("/backchannel_authentication", {"request": request})

        assert (answer.status_code, error(answer)) == (400, "invalid_request")

    @pytest.mark.spec("CIBA-7.2")
    @pytest.mark.parametrize("kind", ["none", "HS256", "other key", "broken"])
    def test_request_that_the_client_did_not_sign_is_refused(
        self, world: IdpWorld, bank: RelyingParty, person: Person, kind: str
    ) -> None:
        hint: dict[str, Any] = {"login_hint": person.username}
        match kind:
            case "none":
                request = signed(bank, alg="none", **hint)
            case "HS256":
                request = signed(bank, alg="HS256", key="k" * 32, **hint)
            case "other key":
                request = signed(bank, key=a_client(world).key.private, **hint)
            case _:
                request = signed(bank, **hint)[:-8] + "AAAAAAAA"

        answer = bank.post("/backchannel_authentication", {"request": request})

        assert error(answer) == "invalid_request"

    @pytest.mark.spec("FAPI-CIBA-5.2.2-2")
    def test_fapi_client_has_to_sign(self, bank: RelyingParty, person: Person) -> None:
        answer = ask(bank, login_hint=person.username, binding_message="1234")

        assert error(answer) == "invalid_request"

    @pytest.mark.spec("CIBA-7.1.1")
    def test_nothing_stands_beside_a_signed_request(
        self, bank: RelyingParty, person: Person
    ) -> None:
        request = signed(bank, login_hint=person.username)

        answer = bank.post(
            "/backchannel_authentication", {"request": request, "binding_message": "5678"}
        )

        assert error(answer) == "invalid_request"

    @pytest.mark.spec("FAPI-CIBA-5.2.2-2")
    def test_fapi_request_has_something_to_compare(
        self, bank: RelyingParty, person: Person
    ) -> None:
        request = signed(bank, login_hint=person.username, binding_message=None)

        answer = bank.post("/backchannel_authentication", {"request": request})

        assert error(answer) == "invalid_binding_message"

    @pytest.mark.spec("FAPI-CIBA-5.2.2-3")
    def test_fapi_client_does_not_register_for_push(self, world: IdpWorld) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_fapi2_client(
                grant_types=GRANTS,
                backchannel_token_delivery_mode="push",
                backchannel_client_notification_endpoint=ENDPOINT,
            )

    def test_client_that_registered_an_algorithm_signs(
        self, world: IdpWorld, person: Person
    ) -> None:
        client = a_client(world, backchannel_authentication_request_signing_alg="ES256")

        assert error(ask(client, login_hint=person.username)) == "invalid_request"


class TestPoll:
    @pytest.mark.spec("CIBA-11")
    def test_undecided_refused_too_fast(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        auth_req_id = begin(client, person)["auth_req_id"]

        said = [error(poll(client, auth_req_id)), error(poll(client, auth_req_id))]
        answer_it(world, person, "deny")
        said.append(error(poll(client, auth_req_id)))

        assert said == ["authorization_pending", "slow_down", "access_denied"]

    @pytest.mark.spec("CIBA-10.1.1")
    def test_allowed_gets_tokens_once(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        auth_req_id = begin(client, person, scope="openid profile offline_access")["auth_req_id"]
        answer_it(world, person)

        body = poll(client, auth_req_id).json()

        assert claims_of(body["id_token"])["aud"] == client.client_id
        assert client.userinfo(body["access_token"]).json()["given_name"] == "Анна"
        assert client.refresh(body["refresh_token"]).status_code == 200
        assert error(poll(client, auth_req_id)) == "invalid_grant"

    @pytest.mark.spec("CIBA-11")
    def test_request_of_another_client_is_refused(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        auth_req_id = begin(client, person)["auth_req_id"]
        answer_it(world, person)

        assert error(poll(a_client(world), auth_req_id)) == "invalid_grant"
        assert poll(client, auth_req_id).status_code == 200

    def test_device_code_is_no_auth_req_id(self, client: RelyingParty, person: Person) -> None:
        auth_req_id = begin(client, person)["auth_req_id"]

        assert error(poll(client, auth_req_id.replace("cvq", "cvd", 1))) == "invalid_grant"

    @pytest.mark.spec("RFC9396-7")
    def test_disclosures_are_consented_to_and_come_back(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        details = disclosure("family_name", "inn")
        auth_req_id = begin(client, person, authorization_details=details)["auth_req_id"]
        answer_it(world, person)

        body = poll(client, auth_req_id).json()

        assert body["authorization_details"][0]["items"] == ["family_name", "inn"]


class TestPages:
    @pytest.mark.spec("CIBA-8")
    @pytest.mark.spec("CIBA-7.1")
    def test_person_sees_who_asks_and_the_message_to_compare(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        begin(client, person, binding_message="Заказ 4711 <b>")
        browser = signed_in(world, person)
        (address,) = waiting_addresses(browser)

        page = browser.get(address)

        assert "Заказ 4711 &lt;b&gt;" in page.text
        assert "Ромашка Банк" in page.text
        assert "Разрешайте, только если вы прямо сейчас" in page.text

    def test_somebody_else_sees_nothing(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        begin(client, person)
        (address,) = waiting_addresses(signed_in(world, person))
        stranger = signed_in(world, world.someone())

        assert waiting_addresses(stranger) == []
        assert stranger.get(address).status_code == 404

    def test_who_is_not_signed_in_is_asked_to(self, world: IdpWorld) -> None:
        assert world.browser().get("/account/requests").headers["location"].startswith("/sign-in")

    def test_expired_request_is_not_shown(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        begin(client, person, requested_expiry="10")
        world.later(seconds=10)

        assert waiting_addresses(signed_in(world, person)) == []

    def test_partner_that_asks_again_and_again_hides_nobody(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        begin(client, person, binding_message="the bank")
        others = [a_client(world) for _ in range(3)]  # of one partner: each has a limit of its own
        with world.session() as session:
            ours = [other.client_id for other in others]
            of_the_first = select(clients.c.partner_id).where(clients.c.client_id == ours[0])
            session.execute(
                update(clients)
                .where(clients.c.client_id.in_(ours))
                .values(partner_id=of_the_first.scalar_subquery())
            )
        for number in range(12):
            world.later(seconds=1)
            begin(others[number % 3], person, binding_message=f"the {number}th")

        page = signed_in(world, person).get("/account/requests").text

        assert "the bank" in page
        assert "the 11th" in page
        assert "the 1th" not in page

    def test_what_a_client_that_is_gone_asked_is_not_shown(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        gone = a_client(world)
        for _ in range(3):
            begin(gone, person, binding_message="gone")
        begin(client, person, binding_message="the bank")
        with world.session() as session:
            disable_client(session, gone.client_id, at=NOON)

        page = signed_in(world, person).get("/account/requests").text

        assert "the bank" in page
        assert "gone" not in page

    def test_decision_from_elsewhere_is_refused(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        auth_req_id = begin(client, person)["auth_req_id"]
        browser = signed_in(world, person)
        (address,) = waiting_addresses(browser)

        assert browser.http.post(address, data={"decision": "allow"}).status_code == 403
        assert error(poll(client, auth_req_id)) == "authorization_pending"

    def test_device_code_page_does_not_lead_to_it(
        self, world: IdpWorld, client: RelyingParty, person: Person
    ) -> None:
        begin(client, person)

        assert signed_in(world, person).get("/device/bcdf-ghjk").status_code == 404


class TestPing:
    @pytest.mark.spec("CIBA-10.2")
    @pytest.mark.parametrize("decision", ["allow", "deny"])
    def test_client_is_told_that_there_is_an_answer(
        self, world: IdpWorld, person: Person, decision: str
    ) -> None:
        client = a_client(world, "ping")
        started = begin(client, person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person, decision)
        receiver = Receiver()

        tell(world, receiver)

        (request,) = receiver.got
        assert receiver.bodies == [{"auth_req_id": started["auth_req_id"]}]
        assert request.headers["authorization"] == f"Bearer {NOTIFICATION_TOKEN}"
        assert request.headers["content-type"] == "application/json"
        assert request.headers["host"] == "rp.example"
        assert poll(client, started["auth_req_id"]).status_code == (
            200 if decision == "allow" else 400
        )

    @pytest.mark.spec("CIBA-7.1")
    @pytest.mark.parametrize("token", [None, "short", "n" * 1025, "no blanks " * 4, "ы" * 43])
    def test_token_to_be_called_back_with_is_needed(
        self, world: IdpWorld, person: Person, token: str | None
    ) -> None:
        parameters = {} if token is None else {"client_notification_token": token}

        answer = ask(a_client(world, "ping"), login_hint=person.username, **parameters)

        assert error(answer) == "invalid_request"

    @pytest.mark.spec("CIBA-10.2")
    @pytest.mark.parametrize("status", [200, 204, 301, 401, 403])
    def test_client_that_answers_is_not_called_again(
        self, world: IdpWorld, person: Person, status: int
    ) -> None:
        client = a_client(world, "ping")
        started = begin(client, person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person)
        receiver = Receiver(status)

        tell(world, receiver)

        assert len(receiver.got) == 1
        assert poll(client, started["auth_req_id"]).status_code == 200

    @pytest.mark.parametrize("status", [None, 500, 503])
    def test_client_that_is_away_is_called_again(
        self, world: IdpWorld, person: Person, status: int | None
    ) -> None:
        begin(a_client(world, "ping"), person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person)

        with pytest.raises(NotNotified):
            tell(world, Receiver(status))

    def test_nobody_is_called_after_the_request_expired(
        self, world: IdpWorld, person: Person
    ) -> None:
        begin(a_client(world, "ping"), person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person)
        world.later(minutes=10)
        receiver = Receiver()

        tell(world, receiver)

        assert receiver.got == []

    def test_token_is_not_stored_in_the_clear(self, world: IdpWorld, person: Person) -> None:
        begin(a_client(world, "ping"), person, client_notification_token=NOTIFICATION_TOKEN)

        with world.session() as session:
            rows = session.execute(text("SELECT to_jsonb(d)::text FROM deferred_requests d"))
            stored = "".join(rows.scalars())

        assert NOTIFICATION_TOKEN not in stored
        assert NOTIFICATION_TOKEN.encode().hex() not in stored
        assert person.username not in stored


class TestPush:
    @pytest.mark.spec("CIBA-10.3.1")
    def test_tokens_are_pushed_and_name_each_other(self, world: IdpWorld, person: Person) -> None:
        client = a_client(world, "push", id_token_signed_response_alg="ES256")
        started = begin(
            client,
            person,
            client_notification_token=NOTIFICATION_TOKEN,
            scope="openid profile offline_access",
        )
        answer_it(world, person)
        receiver = Receiver()

        tell(world, receiver)

        (body,) = receiver.bodies
        assert "interval" not in started
        assert body["auth_req_id"] == started["auth_req_id"]
        known = claims_of(body["id_token"])
        assert known["urn:openid:params:jwt:claim:auth_req_id"] == started["auth_req_id"]
        assert known["at_hash"] == left_half(body["access_token"], "ES256")
        assert known["urn:openid:params:jwt:claim:rt_hash"] == left_half(
            body["refresh_token"], "ES256"
        )
        assert client.userinfo(body["access_token"]).json()["given_name"] == "Анна"
        assert client.refresh(body["refresh_token"]).status_code == 200

    @pytest.mark.spec("CIBA-12")
    def test_refusal_is_pushed(self, world: IdpWorld, person: Person) -> None:
        client = a_client(world, "push")
        started = begin(client, person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person, "deny")
        receiver = Receiver()

        tell(world, receiver)

        assert receiver.bodies == [
            {
                "auth_req_id": started["auth_req_id"],
                "error": "access_denied",
                "error_description": "The person did not agree.",
            }
        ]

    @pytest.mark.spec("CIBA-11")
    def test_client_that_is_pushed_to_does_not_poll(self, world: IdpWorld, person: Person) -> None:
        client = a_client(world, "push")
        started = begin(client, person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person)

        assert error(poll(client, started["auth_req_id"])) == "unauthorized_client"

    def test_revoked_grant_is_not_pushed(self, world: IdpWorld, person: Person) -> None:
        client = a_client(world, "push")
        begin(client, person, client_notification_token=NOTIFICATION_TOKEN)
        answer_it(world, person)
        with world.session() as session:
            session.execute(
                text(
                    "UPDATE grants SET revoked_at = created_at, revocation_reason = 'test'"
                    " WHERE client_id = :client_id"
                ),
                {"client_id": client.client_id},
            )
        receiver = Receiver()

        tell(world, receiver)

        assert receiver.got == []
