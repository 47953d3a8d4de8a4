"""Signing in through a regional system, and connecting an account there."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import httpx2
import pytest
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import delete, select, update

from idp.assurance import AssuranceLevel
from idp.service import upstreams as upstreams_service
from idp.service.closing import close_accounts
from idp.service.upstream_administration import add_upstream, disable_upstream
from idp.store.upstreams import list_accounts
from idp.tables import accounts, sign_in_failures, upstream_links, upstream_subjects, upstreams
from idp.upstream import Upstream
from idp.upstream_client import UpstreamClient
from kernel.errors import InvalidRequest
from kernel.secret import Secret
from population_register.api import Decider, merge_persons
from tests.idp.idp_world import (
    NOON,
    PASSWORD,
    WAITING,
    Browser,
    IdpWorld,
    Person,
    RelyingParty,
    claims_of,
    parameters_of,
)
from tests.idp.regional_provider import CLIENT_ID, ISSUER, SECRET, RegionalProvider

pytestmark = pytest.mark.usefixtures("region")

SNILS = "112-233-445 95"
START = "/upstream/tver/start?then=/account"
CALLBACK = "/upstream/tver/callback"


def an_upstream(**change: Any) -> Upstream:  # noqa: ANN401
    values: dict[str, Any] = {
        "upstream_id": "tver",
        "issuer": ISSUER,
        "client_id": CLIENT_ID,
        "auth_method": "client_secret_basic",
        "name_ru": "Тверская область",
        "name_en": "Tver Region",
        "scope": "openid profile",
        "algorithms": ("RS256", "ES256"),
        "levels": {"high": AssuranceLevel.CONFIRMED, "amr:mfa": AssuranceLevel.STANDARD},
        "ceiling": AssuranceLevel.CONFIRMED,
        "identifies": True,
        "snils_claim": "snils",
        "created_at": NOON,
    }
    return Upstream(**(values | change))


def enter(world: IdpWorld, **change: Any) -> None:  # noqa: ANN401
    with world.session() as session:
        for table in (upstreams, upstream_links, upstream_subjects, sign_in_failures):
            session.execute(delete(table))
        add_upstream(session, world.provider, an_upstream(**change), Secret(SECRET))


@pytest.fixture
def region(world: IdpWorld) -> Iterator[RegionalProvider]:
    """The Tver Region, entered and reachable."""
    enter(world)
    provider = RegionalProvider(now=lambda: world.clock.now())  # noqa: PLW0108  # the clock changes
    provider.people["olga"] = {
        "acr": "high",
        "amr": ["pwd", "mfa", "mfa", "magic"],
        "name": "Ольга",
    }
    world.app.state.upstream_client = UpstreamClient(allows_http=True, transport=provider)
    yield provider
    world.app.state.upstream_client = None


def english(world: IdpWorld) -> Browser:
    browser = world.browser()
    browser.http.headers["accept-language"] = "en"
    return browser


def sent_to(browser: Browser, start: str = START) -> str:
    answer = browser.get(start)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def come_back(browser: Browser, location: str) -> httpx.Response:
    return browser.get(location.removeprefix("http://localhost:8000"))


def through(
    browser: Browser, region: RegionalProvider, sub: str | None = "olga", start: str = START
) -> httpx.Response:
    """Go to the region, sign in there, and come back."""
    return come_back(browser, region.authorize(sent_to(browser, start), sub))


def link(world: IdpWorld, region: RegionalProvider, person: Person, sub: str = "olga") -> Browser:
    """Connect an account there with a person's account here, as people do it."""
    browser = signed_in(world, person)
    answer = through(browser, region, sub, "/upstream/tver/connect")
    confirmed = confirm(browser, answer)
    assert confirmed.status_code == 200, confirmed.text
    return browser


def signed_in(world: IdpWorld, person: Person) -> Browser:
    browser = english(world)
    page = browser.get("/sign-in")
    data = {
        "username": person.username,
        "password": PASSWORD,
        "form_token": browser.form_token(page),
    }
    assert browser.http.post("/sign-in", data=data).status_code == 303
    return browser


def confirm(browser: Browser, answer: httpx.Response, **fields: str) -> httpx.Response:
    assert answer.status_code == 303, answer.text
    address = answer.headers["location"]
    page = browser.get(address)
    assert page.status_code == 200, page.text
    return browser.http.post(address, data={"form_token": browser.form_token(page), **fields})


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/account/sessions").status_code == 200


def failed(answer: httpx.Response) -> str:
    """Return the code of the page, which leads back."""
    assert re.search('href="/(sign-in|interaction/|account/upstreams)', answer.text)
    assert "code=" not in answer.text
    (code,) = re.findall('civitas-code">([a-z_]+)<', answer.text)
    return str(code)


class TestRequest:
    @pytest.mark.spec("OIDCC-3.1.2.1", "RFC7636-4.3", "RFC9700-2.1.1")
    def test_what_is_asked_upstream(self, world: IdpWorld) -> None:
        url = urlsplit(sent_to(english(world)))
        asked = dict(parse_qsl(url.query))

        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/authorize"
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["redirect_uri"] == "http://localhost:8000/upstream/tver/callback"
        assert asked["scope"] == "openid profile"
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        assert len(asked["nonce"]) >= 43
        assert asked["max_age"] == "43200"
        assert "prompt" not in asked
        assert "login_hint" not in asked

    def test_each_time_everything_is_fresh(self, world: IdpWorld) -> None:
        one, other = (dict(parse_qsl(urlsplit(sent_to(english(world))).query)) for _ in "12")

        for name in ("state", "nonce", "code_challenge"):
            assert one[name] != other[name]

    @pytest.mark.spec("OIDCC-3.1.2.1")
    @pytest.mark.parametrize(
        ("change", "max_age", "prompt"),
        [
            ({"max_age": "120"}, "120", None),
            ({"prompt": "login"}, "43200", "login"),
            ({"prompt": "select_account consent"}, "43200", "login"),
            ({"max_age": "99999999"}, "43200", None),
        ],
    )
    def test_what_the_client_wants_is_passed_on(
        self,
        world: IdpWorld,
        change: dict[str, str],
        max_age: str,
        prompt: str | None,
    ) -> None:
        client, browser = world.a_relying_party(), english(world)
        page = browser.get(client.url(**change)).headers["location"]
        start = offers(browser.get(page))[0]

        asked = dict(parse_qsl(urlsplit(sent_to(browser, start)).query))

        assert asked["max_age"] == max_age
        assert asked.get("prompt") == prompt

    def test_the_page_offers_regions_in_use(self, world: IdpWorld) -> None:
        assert "Sign in with Tver Region" in english(world).get("/sign-in").text
        with world.session() as session:
            disable_upstream(session, "tver", at=NOON)

        assert "Tver Region" not in english(world).get("/sign-in").text
        assert english(world).get(START).status_code == 404

    @pytest.mark.parametrize("then", ["https://evil.example", "//evil.example", "/authorize", ""])
    def test_nobody_is_sent_elsewhere_afterwards(
        self, world: IdpWorld, region: RegionalProvider, then: str
    ) -> None:
        link(world, region, world.someone())

        answer = through(english(world), region, start=f"/upstream/tver/start?then={then}")

        assert answer.headers["location"] == "/account"

    def test_another_browsers_interaction_is_refused(self, world: IdpWorld) -> None:
        address = english(world).get(world.a_relying_party().url()).headers["location"]
        interaction = address.removeprefix("/interaction/")

        answer = english(world).get(f"/upstream/tver/start?interaction={interaction}")

        assert answer.status_code == 410


def offers(page: httpx.Response) -> list[str]:
    parts = page.text.split('href="/upstream/')[1:]
    return ["/upstream/" + part[: part.index('"')].replace("&amp;", "&") for part in parts]


class TestSignIn:
    def test_through_a_link(self, world: IdpWorld, region: RegionalProvider) -> None:
        person = world.someone()
        link(world, region, person)
        client, browser = world.a_relying_party(), english(world)
        verifier = client.verifier()
        page = browser.get(client.url(verifier)).headers["location"]
        region.auth_time = world.clock.now() - timedelta(minutes=3)

        back = through(browser, region, start=offers(browser.get(page))[0])

        assert back.headers["location"] == page
        answer = parameters_of(browser.follow(page))
        id_token = claims_of(client.redeem(answer["code"], verifier).json()["id_token"])
        assert id_token["sub"] == world.provider.sub(_client(world, client), person.person_id)
        assert id_token["acr"] == "urn:civitas:assurance:confirmed"
        assert id_token["amr"] == ["pwd", "mfa"]
        assert id_token["auth_time"] == int(region.auth_time.timestamp())

    @pytest.mark.parametrize(
        ("said", "ceiling", "level", "acr"),
        [
            ({"acr": "high"}, "CONFIRMED", "CONFIRMED", "confirmed"),
            ({"acr": "high"}, "STANDARD", "CONFIRMED", "standard"),
            ({"acr": "high"}, "CONFIRMED", "STANDARD", "standard"),
            ({"acr": "high"}, "CONFIRMED", "SIMPLIFIED", "simplified"),
            ({"acr": "low"}, "CONFIRMED", "CONFIRMED", "simplified"),
            ({"acr": ["high"]}, "CONFIRMED", "CONFIRMED", "simplified"),
            ({}, "CONFIRMED", "CONFIRMED", "simplified"),
            ({"amr": ["mfa"]}, "CONFIRMED", "CONFIRMED", "standard"),
        ],
    )
    def test_assurance_is_theirs_under_the_ceiling_and_the_accounts_own(
        self,
        world: IdpWorld,
        region: RegionalProvider,
        *,
        said: dict[str, object],
        ceiling: str,
        level: str,
        acr: str,
    ) -> None:
        enter(world, ceiling=AssuranceLevel[ceiling])
        link(world, region, world.someone(level=AssuranceLevel[level]))
        region.people["olga"] = said
        browser = english(world)
        through(browser, region)

        assert session_of(world, browser).acr == f"urn:civitas:assurance:{acr}"

    @pytest.mark.spec("OIDCC-2")
    def test_how_is_left_out_when_it_is_not_said(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        link(world, region, world.someone())
        region.people["olga"] = {"acr": "high"}
        client, browser = world.a_relying_party(), english(world)
        verifier = client.verifier()
        page = browser.get(client.url(verifier)).headers["location"]
        through(browser, region, start=offers(browser.get(page))[0])

        code = parameters_of(browser.follow(page))["code"]

        assert "amr" not in claims_of(client.redeem(code, verifier).json()["id_token"])

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_prompt_login_is_satisfied_by_a_new_sign_in_there(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        browser = link(world, region, world.someone())
        client = world.a_relying_party()
        world.later(seconds=1)
        page = browser.get(client.url(client.verifier(), prompt="login")).headers["location"]
        # Their clock is behind ours by less than what is tolerated.
        region.auth_time = world.clock.now() - timedelta(seconds=10)

        through(browser, region, start=offers(browser.get(page))[0])

        assert "code" in parameters_of(browser.follow(page))

    @pytest.mark.spec("OIDCC-3.1.3.7")
    @pytest.mark.parametrize(("prompt", "max_age"), [("login", None), (None, "60")])
    def test_an_old_sign_in_there_does_not_do(
        self, world: IdpWorld, region: RegionalProvider, prompt: str | None, max_age: str | None
    ) -> None:
        link(world, region, world.someone())
        client, browser = world.a_relying_party(), english(world)
        url = client.url(client.verifier(), prompt=prompt, max_age=max_age)
        page = browser.get(url).headers["location"]
        region.auth_time = world.clock.now() - timedelta(minutes=5)

        answer = through(browser, region, start=offers(browser.get(page))[0])

        assert failed(answer) == "upstream_not_verified"
        assert page in answer.text
        assert not is_signed_in(browser)

    def test_an_account_that_was_disabled_stays_shut(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        person = world.someone()
        link(world, region, person)
        disable(world, person)
        browser = english(world)

        assert failed(through(browser, region)) == "upstream_person_unknown"
        assert not is_signed_in(browser)

    def test_the_same_sub_elsewhere_is_somebody_else(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        link(world, region, world.someone())
        region.people["boris"] = {"acr": "high", "name": "Ольга", "email": "anna@example"}

        assert failed(through(english(world), region, "boris")) == "upstream_person_unknown"

    @pytest.mark.spec("OIDCC-10.1.1")
    def test_a_key_that_was_rotated_is_found(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        browser = english(world)
        link(world, region, world.someone())
        region.key = ECKey.generate_key("P-256")

        assert through(browser, region).headers["location"] == "/account"


def session_of(world: IdpWorld, browser: Browser) -> Any:  # noqa: ANN401
    from idp.service.sessions import find_session  # noqa: PLC0415

    cookie = browser.http.cookies.get("civitas_session")
    with world.session() as session:
        found = find_session(session, cookie, policy=world.policy, at=world.clock.now())
    assert found is not None
    return found


def _client(world: IdpWorld, party: RelyingParty) -> Any:  # noqa: ANN401
    from idp.store.clients import find_client  # noqa: PLC0415

    with world.session() as session:
        return find_client(session, party.client_id)


def disable(world: IdpWorld, person: Person) -> None:
    with world.session() as session:
        session.execute(
            update(accounts)
            .where(accounts.c.person_id == person.person_id)
            .values(disabled_at=world.clock.now())
        )


WRONG_TOKENS: list[tuple[str, dict[str, Any]]] = [
    ("another issuer", {"wrong": {"iss": "https://evil.example"}}),
    ("for somebody else", {"wrong": {"aud": "another"}}),
    ("for several, and not for us", {"wrong": {"aud": ["another", "third"]}}),
    ("for several without azp", {"wrong": {"aud": [CLIENT_ID, "another"]}}),
    ("azp of another", {"wrong": {"azp": "another"}}),
    ("expired", {"wrong": {"exp": int(NOON.timestamp()) - 31}}),
    ("without exp", {"wrong": {"exp": None}}),
    ("of the future", {"wrong": {"iat": int(NOON.timestamp()) + 31}}),
    ("from before we asked", {"wrong": {"iat": int(NOON.timestamp()) - 31}}),
    ("iat as truth", {"wrong": {"iat": True}}),
    ("iat beyond time", {"wrong": {"iat": 1e300}}),
    ("another nonce", {"wrong": {"nonce": "another"}}),
    ("without nonce", {"wrong": {"nonce": None}}),
    ("another access token", {"wrong": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}),
    ("without sub", {"wrong": {"sub": None}}),
    ("long sub", {"wrong": {"sub": "x" * 256}}),
    ("sub no text", {"wrong": {"sub": 7}}),
    ("without auth_time", {"wrong": {"auth_time": None}}),
    ("auth_time of the future", {"wrong": {"auth_time": int(NOON.timestamp()) + 31}}),
    ("auth_time too long ago", {"wrong": {"auth_time": int(NOON.timestamp()) - 43_231}}),
    ("another key", {"signs_with": ECKey.generate_key("P-256")}),
    ("symmetric", {"signs_with": OctKey.import_key(SECRET * 2), "header": {"alg": "HS256"}}),
    ("unsigned", {"header": {"alg": "none"}}),
    ("unknown kid", {"header": {"kid": "key-2"}}),
]


class TestIDToken:
    @pytest.mark.spec("OIDCC-3.1.3.7")
    @pytest.mark.parametrize(
        "change", [c for _, c in WRONG_TOKENS], ids=[n for n, _ in WRONG_TOKENS]
    )
    def test_what_is_wrong_with_it_signs_nobody_in(
        self, world: IdpWorld, region: RegionalProvider, change: dict[str, Any]
    ) -> None:
        link(world, region, world.someone())
        for name, value in change.items():
            setattr(region, name, value)
        browser = english(world)

        answer = through(browser, region)

        assert answer.status_code == 502
        assert failed(answer) == "upstream_not_verified"
        assert not is_signed_in(browser)

    @pytest.mark.spec("OIDCC-3.1.3.7")
    def test_for_several_and_authorized_to_us(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        link(world, region, world.someone())
        region.wrong = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}

        assert through(english(world), region).headers["location"] == "/account"


class TestResponse:
    """What comes back through the browser."""

    def test_denied(self, world: IdpWorld, region: RegionalProvider) -> None:
        client, browser = world.a_relying_party(), english(world)
        page = browser.get(client.url()).headers["location"]

        answer = through(browser, region, None, offers(browser.get(page))[0])

        assert answer.status_code == 403
        assert failed(answer) == "upstream_denied"
        assert page in answer.text
        assert browser.get(page).status_code == 200

    def test_in_russian(self, world: IdpWorld, region: RegionalProvider) -> None:
        browser = english(world)
        browser.http.headers["accept-language"] = "ru"

        answer = through(browser, region, None)

        assert "Региональная система вас не впустила" in answer.text
        assert "выбрать, как войти" in answer.text

    @pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "<b>"])
    def test_another_error(self, world: IdpWorld, error: str) -> None:
        browser = english(world)
        state = dict(parse_qsl(urlsplit(sent_to(browser)).query))["state"]

        answer = browser.get(CALLBACK, params={"state": state, "error": error, "iss": ISSUER})

        assert failed(answer) == "upstream_unavailable"
        assert "<b>" not in answer.text

    @pytest.mark.spec("RFC9207-2.4", "RFC9700-4.4")
    @pytest.mark.parametrize("iss", ["https://evil.example", None])
    def test_mixed_up(self, world: IdpWorld, region: RegionalProvider, iss: str | None) -> None:
        link(world, region, world.someone())
        browser = english(world)
        location = region.authorize(sent_to(browser), "olga").partition("&iss=")[0]
        region.asked.clear()

        answer = come_back(browser, location + (f"&iss={iss}" if iss else ""))

        assert failed(answer) == "upstream_not_verified"
        assert not any(request.url.path == "/token" for request in region.asked)

    def test_a_provider_that_does_not_name_itself_need_not(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        region.metadata = {"authorization_response_iss_parameter_supported": False}
        link(world, region, world.someone())
        browser = english(world)

        location = region.authorize(sent_to(browser), "olga").partition("&iss=")[0]

        assert come_back(browser, location).headers["location"] == "/account"

    @pytest.mark.spec("RFC9700-4.4.2.2")
    def test_an_answer_at_the_address_of_another(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        with world.session() as session:
            other = an_upstream(upstream_id="tula", issuer="https://tula.example")
            add_upstream(session, world.provider, other, Secret(SECRET))
        link(world, region, world.someone())
        browser = english(world)
        location = region.authorize(sent_to(browser), "olga")

        answer = come_back(browser, location.replace("/tver/", "/tula/"))

        assert failed(answer) == "upstream_gone"

    def test_replayed(self, world: IdpWorld, region: RegionalProvider) -> None:
        link(world, region, world.someone())
        browser = english(world)
        location = region.authorize(sent_to(browser), "olga")
        state = dict(parse_qsl(urlsplit(location).query))["state"]
        binding = {n: v for n, v in browser.http.cookies.items() if state[5:17] in n}
        come_back(browser, location)
        browser.http.cookies.update(binding)

        answer = come_back(browser, location)

        assert answer.status_code == 410
        assert failed(answer) == "upstream_gone"

    def test_another_browsers_answer_signs_nobody_in_and_spends_nothing(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        link(world, region, world.someone())
        browser, other = english(world), english(world)
        location = region.authorize(sent_to(browser), "olga")

        assert failed(come_back(other, location)) == "upstream_gone"
        assert not is_signed_in(other)
        assert come_back(browser, location).headers["location"] == "/account"

    def test_too_late(self, world: IdpWorld, region: RegionalProvider) -> None:
        browser = english(world)
        location = region.authorize(sent_to(browser), "olga")
        world.later(minutes=30)

        assert failed(come_back(browser, location)) == "upstream_gone"

    @pytest.mark.parametrize("query", ["", "state=", "state=x&code=y", "state=cvu0_x&code=y"])
    def test_nonsense(self, world: IdpWorld, query: str) -> None:
        assert failed(english(world).get(f"{CALLBACK}?{query}")) == "upstream_gone"

    def test_nothing_in_it(self, world: IdpWorld) -> None:
        browser = english(world)
        state = dict(parse_qsl(urlsplit(sent_to(browser)).query))["state"]

        answer = browser.get(CALLBACK, params={"state": state, "iss": ISSUER})

        assert failed(answer) == "upstream_unavailable"


class TestAway:
    """The provider does not answer, or nonsense."""

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(500),
            httpx2.Response(302, headers={"location": "https://evil.example"}),
            httpx2.Response(200, content=b"<html>"),
            httpx2.Response(200, json=[]),
            httpx2.Response(200, json={"issuer": "https://evil.example"}),
            httpx2.Response(200, json={"issuer": ISSUER, "authorization_endpoint": "ftp://x"}),
            httpx2.Response(200, content=b"[" * 300_000),
        ],
    )
    def test_metadata(
        self, world: IdpWorld, region: RegionalProvider, answer: httpx2.Response
    ) -> None:
        region.answers["/.well-known/openid-configuration"] = answer

        page = english(world).get(START)

        assert page.status_code == 502
        assert failed(page) == "upstream_unavailable"

    @pytest.mark.parametrize(
        "answer",
        [
            httpx2.Response(503),
            httpx2.Response(400, json={"error": "invalid_grant"}),
            httpx2.Response(200, content=b"<html>"),
            httpx2.Response(200, json=[]),
            httpx2.Response(200, json={"access_token": "x", "token_type": "Bearer"}),
            httpx2.Response(200, json={"access_token": 1, "id_token": 2}),
        ],
    )
    def test_tokens(
        self, world: IdpWorld, region: RegionalProvider, answer: httpx2.Response
    ) -> None:
        region.answers["/token"] = answer
        browser = english(world)

        page = through(browser, region)

        assert failed(page) == "upstream_unavailable"
        assert not is_signed_in(browser)

    @pytest.mark.parametrize(
        "answer", [httpx2.Response(500), httpx2.Response(200, json={"keys": "none"})]
    )
    def test_keys(self, world: IdpWorld, region: RegionalProvider, answer: httpx2.Response) -> None:
        region.answers["/jwks"] = answer

        assert failed(through(english(world), region)) == "upstream_unavailable"

    def test_no_http_where_it_is_not_allowed(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        region.metadata = {"token_endpoint": "http://tver.example/token"}
        world.app.state.upstream_client = UpstreamClient(allows_http=False, transport=region)

        assert failed(english(world).get(START)) == "upstream_unavailable"


class TestConnecting:
    def test_the_person_is_asked_and_sees_it(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        person = world.someone()
        browser = signed_in(world, person)
        world.later(minutes=1)

        answer = through(browser, region, start="/upstream/tver/connect")

        page = browser.get(answer.headers["location"])
        assert "Connect Tver Region with your account?" in page.text
        assert "Ольга" in page.text
        assert failed(through(english(world), region)) == "upstream_person_unknown"
        assert "is connected" in confirm(browser, answer).text
        assert "Tver Region" in browser.get("/account/upstreams").text
        log = browser.get("/account/log").text
        assert "You connected a regional account" in log
        assert "Tver Region" in log
        assert through(english(world), region).headers["location"] == "/account"

    def test_it_asks_to_sign_in_there_anew(self, world: IdpWorld) -> None:
        browser = signed_in(world, world.someone())

        asked = dict(parse_qsl(urlsplit(sent_to(browser, "/upstream/tver/connect")).query))

        assert (asked["prompt"], asked["max_age"]) == ("login", "0")

    def test_who_signed_in_long_ago_signs_in_again_first(self, world: IdpWorld) -> None:
        browser = signed_in(world, world.someone())
        world.later(minutes=5, seconds=1)

        answer = browser.get("/upstream/tver/connect")

        location = answer.headers["location"]
        assert location == "/sign-in?next=%2Faccount%2Fupstreams&again=yes"
        page = browser.get(location)
        assert page.status_code == 200
        assert offers(page) == ["/upstream/tver/start?then=%2Faccount%2Fupstreams&again=yes"]

    def test_who_is_not_signed_in_is_asked_to(self, world: IdpWorld) -> None:
        answer = english(world).get("/upstream/tver/connect")

        assert answer.headers["location"].startswith("/sign-in")

    def test_an_account_there_opens_one_account_here(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        link(world, region, world.someone())
        thief = signed_in(world, world.someone())

        answer = through(thief, region, start="/upstream/tver/connect")

        assert failed(answer) == "upstream_already_linked"

    def test_an_account_here_has_one_account_of_a_region(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        region.people["boris"] = {"acr": "high"}
        browser = link(world, region, world.someone())

        answer = confirm(browser, through(browser, region, "boris", "/upstream/tver/connect"))

        assert failed(answer) == "upstream_already_linked"
        assert failed(through(english(world), region, "boris")) == "upstream_person_unknown"

    def test_a_sign_in_of_somebody_else_in_between_connects_nothing(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        browser = signed_in(world, world.someone())
        location = region.authorize(sent_to(browser, "/upstream/tver/connect"), "olga")
        session_cookie = signed_in(world, world.someone()).http.cookies["civitas_session"]
        browser.http.cookies.delete("civitas_session")
        browser.http.cookies.set("civitas_session", session_cookie, domain="localhost.local")

        assert failed(come_back(browser, location)) == "upstream_gone"

    def test_another_browser_can_not_confirm(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        browser, other = (signed_in(world, world.someone()) for _ in "12")
        answer = through(browser, region, start="/upstream/tver/connect")

        page = other.get(answer.headers["location"])

        assert page.status_code == 410

    def test_disconnected(self, world: IdpWorld, region: RegionalProvider) -> None:
        browser = link(world, region, world.someone())
        page = browser.get("/account/upstreams")
        world.later(minutes=1)

        answer = browser.http.post(
            "/account/upstreams/tver/disconnect", data={"form_token": browser.form_token(page)}
        )

        assert answer.status_code == 303
        assert "No regional account is connected" in browser.get("/account/upstreams").text
        assert "You disconnected a regional account" in browser.get("/account/log").text
        assert failed(through(english(world), region)) == "upstream_person_unknown"

    def test_what_is_not_connected_can_not_be_disconnected(self, world: IdpWorld) -> None:
        browser = signed_in(world, world.someone())
        form_token = browser.form_token(browser.get("/sign-in?again=yes"))

        answer = browser.http.post(
            "/account/upstreams/tver/disconnect", data={"form_token": form_token}
        )

        assert answer.status_code == 404


def numbers() -> Iterator[str]:
    """Numbers that nobody else has: the check digits are the weighted sum of the others."""
    for number in range(112_233_500, 112_234_500):
        digits = f"{number:09d}"
        total = sum(int(digit) * (9 - place) for place, digit in enumerate(digits))
        yield f"{digits}{total % 101 % 100:02d}"


_snils = numbers()


class TestIdentification:
    """A trusted region asserts a national number at the first sign-in."""

    def test_who_has_no_account_gets_one_without_a_password(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        person_id = world.a_person(snils=snils, birthdate="1970-01-02")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        answer = through(browser, region)

        assert answer.headers["location"] == "/account"
        session = session_of(world, browser)
        assert session.person_id == person_id
        assert session.level is AssuranceLevel.CONFIRMED
        page = browser.get("/account/upstreams").text
        assert "the only way to sign in" in page
        assert "You connected a regional account" in browser.get("/account/log").text
        again = english(world)
        through(again, region)
        assert session_of(world, again).account_id == session.account_id

    def test_its_only_way_in_is_not_taken_away(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        world.a_person(snils=snils, birthdate="1971-01-02")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)
        through(browser, region)
        form_token = browser.form_token(browser.get("/sign-in?again=yes"))

        answer = browser.http.post(
            "/account/upstreams/tver/disconnect", data={"form_token": form_token}
        )

        assert answer.status_code == 400
        assert through(english(world), region).headers["location"] == "/account"

    def test_who_has_an_account_signs_in_to_it_once(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        person = world.someone(snils=snils, birthdate="1972-01-02")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        answer = through(browser, region)

        assert not is_signed_in(browser)
        page = browser.get(answer.headers["location"]).text
        assert "You have a Civitas account already" in page
        done = confirm(browser, answer, username=person.username, password=PASSWORD)
        assert done.status_code == 200
        assert session_of(world, browser).amr == ("pwd", "mfa")
        assert through(english(world), region).headers["location"] == "/account"

    def test_of_two_ways_in_that_are_taken_away_at_once_one_stays(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        world.a_person(snils=snils, birthdate="1956-11-23")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)
        through(browser, region)
        sign_in, at = session_of(world, browser), world.clock.now()
        provider = world.app.state.provider
        with world.session() as session:
            row = session.execute(
                select(upstream_links).where(upstream_links.c.account_id == sign_in.account_id)
            ).one()
            another = {**row._asdict(), "upstream_id": "another"}
            session.execute(upstream_links.insert().values(another))

        def take_away_the_other() -> None:
            with world.session() as session:
                upstreams_service.unlink(session, provider, sign_in, "another", at=at)

        with ThreadPoolExecutor(1) as pool:
            with world.session() as session:
                upstreams_service.unlink(session, provider, sign_in, "tver", at=at)
                other = pool.submit(take_away_the_other)
                while not session.scalar(WAITING):
                    assert not other.done()

            with pytest.raises(InvalidRequest):
                other.result()

    def test_first_sign_in_of_somebody_who_is_being_closed_opens_no_account(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        person_id = world.a_person(snils=snils, birthdate="1951-02-03")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        with ThreadPoolExecutor(1) as pool:
            with world.session() as session:
                close_accounts(session, person_id, at=world.clock.now())
                comes = pool.submit(through, browser, region)
                while not session.scalar(WAITING):
                    assert not comes.done()

            assert comes.result().status_code == 403
        with world.session() as session:
            assert list_accounts(session, person_id) == []

    def test_an_account_of_any_of_several_persons_who_are_one_is_theirs(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        older = world.a_person(snils=snils, birthdate="1948-09-30")
        person = world.someone(birthdate="1969-07-21", given_name="Ольга", middle_name="Ильинична")
        with world.session() as session:
            by = Decider(official="operator-1", reason="seen both", at=world.clock.now())
            merge_persons(session, world.keyring, older, person.person_id, by=by)
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        answer = through(browser, region)

        assert not is_signed_in(browser)
        done = confirm(browser, answer, username=person.username, password=PASSWORD)
        assert done.status_code == 200
        assert session_of(world, browser).person_id == person.person_id
        with world.session() as session:
            assert list_accounts(session, older) == []

    # Of one name, one birthdate and numbers that are alike, the register could make one person.
    @pytest.mark.parametrize(
        ("password", "birthdate"), [("", "1973-01-02"), ("wrong password", "1975-06-17")]
    )
    def test_without_its_password_the_account_stays_shut(
        self, world: IdpWorld, region: RegionalProvider, password: str, birthdate: str
    ) -> None:
        snils = next(_snils)
        person = world.someone(snils=snils, birthdate=birthdate)
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        answer = through(browser, region)
        refused = confirm(browser, answer, username=person.username, password=password)

        assert refused.status_code == 401
        assert "Nothing was connected" in refused.text
        assert not is_signed_in(browser)
        assert failed_or_confirm(through(english(world), region)) == "confirm"

    def test_the_password_of_somebody_else_does_not_do(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        world.someone(snils=snils, birthdate="1974-01-02")
        thief = world.someone(birthdate="1974-01-03", given_name="Пётр", middle_name="Ильич")
        region.people["olga"] |= {"snils": snils}
        browser = english(world)

        refused = confirm(
            browser, through(browser, region), username=thief.username, password=PASSWORD
        )

        assert refused.status_code == 401
        assert not is_signed_in(browser)

    @pytest.mark.parametrize(
        ("upstream", "said"),
        [
            ({"identifies": False}, {}),
            ({"ceiling": AssuranceLevel.SIMPLIFIED}, {}),
            ({}, {"acr": "low", "amr": []}),
            ({}, {"snils": "112-233-445 96"}),
            ({}, {"snils": 11223344595}),
            ({}, {"snils": "087-654-303 00"}),
            ({"snils_claim": "number"}, {}),
        ],
    )
    def test_otherwise_nobody_is_found(
        self,
        world: IdpWorld,
        region: RegionalProvider,
        upstream: dict[str, Any],
        said: dict[str, object],
    ) -> None:
        enter(world, **upstream)
        snils = next(_snils)
        person_id = world.a_person(snils=snils, birthdate="1975-01-02")
        region.people["olga"] |= {"snils": snils, "email": "olga@example"} | said

        assert failed(through(english(world), region)) == "upstream_person_unknown"
        with world.session() as session:
            assert list_accounts(session, person_id) == []

    def test_a_number_of_several_names_nobody(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        world.a_person(snils=snils, birthdate="1976-01-02")
        world.a_person(snils=snils, birthdate="1991-07-09", family_name="Ким", given_name="Олег")
        region.people["olga"] |= {"snils": snils}

        assert failed(through(english(world), region)) == "upstream_person_unknown"

    def test_a_number_from_userinfo(self, world: IdpWorld, region: RegionalProvider) -> None:
        snils = next(_snils)
        world.a_person(snils=snils, birthdate="1977-01-02")
        told = {"sub": "olga", "snils": snils, "acr": "low"}
        region.answers["/userinfo"] = httpx2.Response(200, json=told)

        assert through(english(world), region).headers["location"] == "/account"

    @pytest.mark.spec("OIDCC-5.3.2")
    def test_userinfo_about_somebody_else(self, world: IdpWorld, region: RegionalProvider) -> None:
        region.answers["/userinfo"] = httpx2.Response(200, json={"sub": "boris", "snils": SNILS})

        assert failed(through(english(world), region)) == "upstream_not_verified"

    def test_whose_account_was_disabled_gets_no_new_one(
        self, world: IdpWorld, region: RegionalProvider
    ) -> None:
        snils = next(_snils)
        person = world.someone(snils=snils, birthdate="1978-01-02")
        disable(world, person)
        region.people["olga"] |= {"snils": snils}

        assert failed(through(english(world), region)) == "upstream_person_unknown"


def failed_or_confirm(answer: httpx.Response) -> str:
    if answer.headers.get("location", "").startswith("/upstream/confirm/"):
        return "confirm"
    return failed(answer)


def test_the_credential_is_sealed_and_bound_to_its_row(world: IdpWorld) -> None:
    with world.session() as session:
        sealed = session.scalar(select(upstreams.c.credential_sealed))
        assert sealed is not None
        assert SECRET.encode() not in sealed
        session.execute(update(upstreams).values(upstream_id="moved"))

    assert english(world).get("/upstream/moved/start").status_code == 500
