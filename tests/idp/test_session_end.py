"""Clients learn that a session has ended: back-channel and front-channel logout."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit
from uuid import UUID

import httpx
import jwt
import pytest
from sqlalchemy import text

from idp.errors import InvalidClientMetadata
from idp.logout_tokens import EVENT, LIFE
from idp.service import sessions
from idp.service.logout_notices import DELIVER_TASK, NotDelivered, deliver
from kernel.ids import ClientId, PersonId, SessionId
from kernel.outbound import Sender
from tests.idp.idp_world import (
    ISSUER,
    PASSWORD,
    Browser,
    IdpWorld,
    Person,
    RelyingParty,
    claims_of,
)
from tests.receiver import Receiver

BACK = "https://rp.example/backchannel_logout?tenant=1"
FRONT = "https://rp.example/frontchannel_logout?tenant=1"
BYE = "https://rp.example/bye"


def waiting(world: IdpWorld, client: RelyingParty) -> list[dict[str, str]]:
    """Return the jobs that will tell a client."""
    with world.session() as session:
        rows = session.execute(
            text(
                "SELECT args FROM procrastinate_jobs WHERE task_name = :name"
                " AND args->>'client_id' = :client_id ORDER BY id"
            ),
            {"name": DELIVER_TASK, "client_id": client.client_id},
        )
        return [dict(row.args) for row in rows]


def the_job(world: IdpWorld, client: RelyingParty) -> dict[str, str]:
    (job,) = waiting(world, client)
    return job


def tell(world: IdpWorld, job: dict[str, str], receiver: Receiver) -> None:
    """Do a job once."""
    deliver(
        world.app.state.sessions,
        world.provider,
        receiver.sender(Sender),
        client_id=ClientId(job["client_id"]),
        person_id=PersonId(UUID(job["person_id"])),
        session_id=SessionId(UUID(job["session_id"])),
        at=world.clock.now(),
    )


def logout_tokens(receiver: Receiver) -> list[str]:
    return [parse_qs(request.content.decode())["logout_token"][0] for request in receiver.got]


def sign_in(client: RelyingParty, person: Person, browser: Browser) -> str:
    """Sign in and return the ID token."""
    verifier = client.verifier()
    code = browser.authorize(client.url(verifier), person)["code"]
    return str(client.redeem(code, verifier).json()["id_token"])


def sign_out(browser: Browser) -> httpx.Response:
    page = browser.get("/sign-out")
    return browser.http.post("/sign-out", data={"form_token": browser.form_token(page)})


@pytest.fixture
def browser(world: IdpWorld) -> Browser:
    return world.browser()


@pytest.fixture
def client(world: IdpWorld) -> RelyingParty:
    return world.a_relying_party(
        backchannel_logout_uri=BACK,
        backchannel_logout_session_required=True,
        post_logout_redirect_uris=[BYE],
    )


@pytest.fixture
def person(world: IdpWorld) -> Person:
    return world.someone()


class TestLogoutToken:
    @pytest.mark.spec("OIDCBCL-2.4")
    @pytest.mark.spec("OIDCBCL-2.5")
    @pytest.mark.parametrize("alg", ["RS256", "ES256"])
    def test_client_gets_a_signed_token_about_its_session(
        self, world: IdpWorld, browser: Browser, person: Person, alg: str
    ) -> None:
        client = world.a_relying_party(
            backchannel_logout_uri=BACK, id_token_signed_response_alg=alg
        )
        known = claims_of(sign_in(client, person, browser))
        sign_out(browser)
        receiver = Receiver()

        tell(world, the_job(world, client), receiver)

        (request,), (token,) = receiver.got, logout_tokens(receiver)
        assert (request.method, request.url.query) == ("POST", b"tenant=1")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        assert request.headers["host"] == "rp.example"
        assert list(parse_qs(request.content.decode())) == ["logout_token"]
        header = jwt.get_unverified_header(token)
        assert (header["alg"], header["typ"]) == (alg, "logout+jwt")
        jwks = jwt.PyJWKSet.from_dict(world.http.get("/jwks").json())
        claims = jwt.decode(
            token,
            jwks[header["kid"]].key,
            algorithms=[alg],
            audience=client.client_id,
            issuer=ISSUER,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["sub"] == known["sub"]
        assert claims["sid"] == known["sid"]
        assert claims["events"] == {EVENT: {}}
        assert claims["exp"] - claims["iat"] == LIFE.total_seconds()
        assert "nonce" not in claims
        assert claims["jti"]

    @pytest.mark.spec("OIDCBCL-4")
    @pytest.mark.spec("OIDCBCL-2.4")
    def test_logout_token_is_no_id_token_hint(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)
        receiver = Receiver()
        tell(world, the_job(world, client), receiver)
        query = urlencode({"id_token_hint": logout_tokens(receiver)[0]})

        assert browser.get(f"/end-session?{query}").status_code == 400

    @pytest.mark.spec("OIDCBCL-2.1")
    def test_two_clients_know_a_session_by_different_names(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        other = world.a_relying_party(backchannel_logout_uri=BACK)
        first, second = (claims_of(sign_in(each, person, browser)) for each in (client, other))
        sign_out(browser)
        receiver = Receiver()

        for each in (client, other):
            tell(world, the_job(world, each), receiver)

        assert first["sid"] != second["sid"]
        assert [claims_of(token)["sid"] for token in logout_tokens(receiver)] == [
            first["sid"],
            second["sid"],
        ]

    @pytest.mark.spec("OIDCBCL-2.4")
    def test_every_attempt_has_a_fresh_token(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)
        (job,) = waiting(world, client)
        receiver = Receiver(503, 200)

        with pytest.raises(NotDelivered):
            tell(world, job, receiver)
        world.later(minutes=5)
        tell(world, job, receiver)

        first, second = (claims_of(token) for token in logout_tokens(receiver))
        assert first["jti"] != second["jti"]
        assert second["iat"] == first["iat"] + 300

    @pytest.mark.spec("OIDCBCL-2.8")
    @pytest.mark.parametrize("status", [None, 302, 400, 404, 500, 501, 503])
    def test_what_is_not_done_is_tried_again(
        self,
        world: IdpWorld,
        browser: Browser,
        person: Person,
        client: RelyingParty,
        status: int | None,
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)

        with pytest.raises(NotDelivered):
            tell(world, the_job(world, client), Receiver(status))

    @pytest.mark.spec("OIDCBCL-2.8")
    @pytest.mark.parametrize("status", [200, 204])
    def test_what_is_done_is_done(
        self,
        world: IdpWorld,
        browser: Browser,
        person: Person,
        client: RelyingParty,
        status: int,
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)

        tell(world, the_job(world, client), Receiver(status))

    def test_client_that_has_gone_is_not_told(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        from idp.service.administration import disable_client  # noqa: PLC0415

        sign_in(client, person, browser)
        sign_out(browser)
        with world.session() as session:
            disable_client(session, client.client_id, at=world.clock.now())
        receiver = Receiver()

        tell(world, the_job(world, client), receiver)

        assert receiver.got == []

    def test_address_of_our_own_network_is_not_called(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)
        (job,) = waiting(world, client)
        receiver = Receiver()
        sender = Sender(
            allow_local=False,
            resolve=lambda _host, _port: ["10.0.0.8"],
            transport=httpx.MockTransport(receiver.handle),
        )

        with pytest.raises(NotDelivered):
            deliver(
                world.app.state.sessions,
                world.provider,
                sender,
                client_id=ClientId(job["client_id"]),
                person_id=PersonId(UUID(job["person_id"])),
                session_id=SessionId(UUID(job["session_id"])),
                at=world.clock.now(),
            )
        assert receiver.got == []


class TestWhoIsTold:
    @pytest.mark.spec("OIDCBCL-3")
    def test_sign_out_on_a_clients_wish_tells_it(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        hint = sign_in(client, person, browser)
        query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": BYE})

        answer = browser.get(f"/end-session?{query}")

        assert answer.headers["location"] == BYE
        assert len(waiting(world, client)) == 1

    def test_ending_a_session_in_the_portal_tells_its_clients(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        world.later(minutes=2)
        elsewhere = world.browser()
        page = elsewhere.get("/sign-in")
        elsewhere.http.post(
            "/sign-in",
            data={
                "username": person.username,
                "password": PASSWORD,
                "form_token": elsewhere.form_token(page),
            },
        )
        page = elsewhere.get("/account/sessions")
        addresses = [part.split('"')[0] for part in page.text.split('action="')[1:]]
        ends = [address for address in addresses if address.endswith("/end")]
        assert len(ends) == 2  # the one used last first

        token = elsewhere.form_token(page)
        elsewhere.http.post(ends[1], data={"form_token": token})

        assert len(waiting(world, client)) == 1
        assert elsewhere.get("/account/sessions").status_code == 200
        elsewhere.http.post(ends[0], data={"form_token": token})
        assert elsewhere.get("/account/sessions").status_code == 303

    def test_session_that_ended_tells_nobody_again(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        sign_out(browser)
        (job,) = waiting(world, client)

        with world.session() as session:
            again = sessions.end_session(
                session,
                person.person_id,
                SessionId(UUID(job["session_id"])),
                at=world.clock.now(),
            )

        assert again == ()
        assert len(waiting(world, client)) == 1

    def test_session_of_somebody_else_is_not_ended(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        stranger = world.someone()
        with world.session() as session:
            (known,) = sessions.list_sessions(
                session, person.person_id, policy=world.policy, at=world.clock.now()
            )
            sessions.end_session(
                session, stranger.person_id, known.session_id, at=world.clock.now()
            )

        assert waiting(world, client) == []

    def test_client_without_the_address_is_not_told(
        self, world: IdpWorld, browser: Browser, person: Person
    ) -> None:
        silent = world.a_relying_party()
        sign_in(silent, person, browser)

        sign_out(browser)

        assert waiting(world, silent) == []

    def test_client_of_another_session_is_not_told(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, world.browser())
        other = world.a_relying_party(backchannel_logout_uri=BACK)
        sign_in(other, person, browser)

        sign_out(browser)

        assert len(waiting(world, other)) == 1
        assert waiting(world, client) == []

    def test_signing_in_again_ends_nothing_at_the_clients(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        """The session behind the browser is another; the client's name for it stays good."""
        known = claims_of(sign_in(client, person, browser))
        world.later(minutes=1)
        other = world.a_relying_party()
        browser.authorize(other.url(prompt="login"), person)
        assert waiting(world, client) == []

        sign_out(browser)

        receiver = Receiver()
        tell(world, the_job(world, client), receiver)
        assert claims_of(logout_tokens(receiver)[0])["sid"] == known["sid"]

    def test_somebody_else_in_the_same_browser_ends_the_first_session(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)
        world.later(minutes=1)

        browser.authorize(client.url(prompt="login"), world.someone())

        assert len(waiting(world, client)) == 1

    def test_code_is_not_issued_for_a_session_that_ended(
        self, world: IdpWorld, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        """Between the look at the cookie and the code: the client would never be told."""
        from idp.store import session_clients  # noqa: PLC0415

        sign_in(client, person, browser)
        with world.session() as session:
            (known,) = sessions.list_sessions(
                session, person.person_id, policy=world.policy, at=world.clock.now()
            )
        sign_out(browser)

        with world.session() as session:
            assert not session_clients.remember(
                session, known, ClientId(client.client_id), at=world.clock.now()
            )


class TestFrontChannel:
    @pytest.fixture
    def framed(self, world: IdpWorld) -> RelyingParty:
        return world.a_relying_party(
            frontchannel_logout_uri=FRONT,
            frontchannel_logout_session_required=True,
            post_logout_redirect_uris=[BYE],
        )

    @pytest.mark.spec("OIDCFCL-2")
    @pytest.mark.spec("OIDCFCL-3")
    def test_client_is_framed_with_issuer_and_sid(
        self, browser: Browser, person: Person, framed: RelyingParty
    ) -> None:
        hint = sign_in(framed, person, browser)
        query = urlencode({"id_token_hint": hint, "post_logout_redirect_uri": BYE, "state": "s"})

        page = browser.get(f"/end-session?{query}")

        assert page.status_code == 200
        source = page.text.split('<iframe src="')[1].split('"')[0].replace("&amp;", "&")
        assert source.startswith("https://rp.example/frontchannel_logout?")
        assert dict(parse_qsl(urlsplit(source).query)) == {
            "tenant": "1",
            "iss": ISSUER,
            "sid": claims_of(hint)["sid"],
        }
        assert "frame-src https://rp.example" in page.headers["content-security-policy"]
        assert "refresh" not in page.headers  # a browser with script would come back twice
        without_script = f'<meta http-equiv="refresh" content="7; url={BYE}?state=s">'
        assert f"<noscript>{without_script}</noscript>" in page.text
        assert f'id="continue" href="{BYE}?state=s"' in page.text
        assert 'sandbox="allow-scripts allow-same-origin allow-forms"' in page.text

    def test_session_is_over_before_the_page_is_shown(
        self, browser: Browser, person: Person, framed: RelyingParty
    ) -> None:
        sign_in(framed, person, browser)
        cookie = browser.http.cookies.get("civitas_session")

        page = sign_out(browser)

        assert 'href="/signed-out"' in page.text
        assert browser.http.cookies.get("civitas_session") is None
        browser.http.cookies.set("civitas_session", cookie or "", domain="localhost.local")
        assert browser.get("/account").status_code == 303

    def test_script_of_the_page_is_ours(self, browser: Browser) -> None:
        script = browser.get("/sign-out/continue.js")

        assert script.headers["content-type"].startswith("text/javascript")
        assert 'getElementById("continue")' in script.text

    def test_without_such_clients_the_browser_goes_on_at_once(
        self, browser: Browser, person: Person, client: RelyingParty
    ) -> None:
        sign_in(client, person, browser)

        assert sign_out(browser).headers["location"] == "/signed-out"


class TestRegistration:
    @pytest.mark.spec("OIDCBCL-2.1")
    @pytest.mark.spec("OIDCFCL-3")
    @pytest.mark.spec("OIDCRIL-2.1")
    def test_provider_says_what_it_supports(self, world: IdpWorld) -> None:
        document = world.http.get("/.well-known/openid-configuration").json()

        for name in (
            "backchannel_logout_supported",
            "backchannel_logout_session_supported",
            "frontchannel_logout_supported",
            "frontchannel_logout_session_supported",
        ):
            assert document[name] is True
        assert document["end_session_endpoint"] == f"{ISSUER}/end-session"

    @pytest.mark.spec("OIDCBCL-2.2")
    @pytest.mark.spec("OIDCFCL-2")
    def test_registered_addresses_come_back(self, world: IdpWorld) -> None:
        asked = {
            "redirect_uris": ["https://rp.example/callback"],
            "backchannel_logout_uri": BACK,
            "backchannel_logout_session_required": True,
            "frontchannel_logout_uri": FRONT,
            "frontchannel_logout_session_required": True,
        }

        answer = world.http.post("/register", json=asked)

        assert answer.status_code == 201
        assert {name: answer.json()[name] for name in asked} == asked

    @pytest.mark.spec("OIDCFCL-2")
    @pytest.mark.spec("OIDCBCL-2.2")
    @pytest.mark.parametrize(
        "metadata",
        [
            {"backchannel_logout_uri": "https://rp.example/out#now"},
            {"backchannel_logout_uri": "ftp://rp.example/out"},
            {"backchannel_logout_uri": "javascript:alert(1)"},
            {"backchannel_logout_uri": "/out"},
            {"backchannel_logout_uri": "https://user@rp.example/out"},
            {"backchannel_logout_uri": 7},
            {"backchannel_logout_session_required": True},
            {"backchannel_logout_uri": BACK, "backchannel_logout_session_required": "yes"},
            {"frontchannel_logout_uri": "https://elsewhere.example/out"},
            {"frontchannel_logout_uri": "https://rp.example:8443/out"},
            {"frontchannel_logout_uri": "http://rp.example/out"},
            {"frontchannel_logout_uri": "https://rp.example/out#now"},
            {"frontchannel_logout_uri": "javascript:alert(1)"},
            {"frontchannel_logout_session_required": True},
        ],
        ids=str,
    )
    def test_what_must_not_be_called_or_framed_is_refused(
        self, world: IdpWorld, metadata: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidClientMetadata):
            world.a_relying_party(**metadata)
