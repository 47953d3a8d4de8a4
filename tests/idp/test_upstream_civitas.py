"""Two of us: the one signs people in through the other, over private_key_jwt and PKCE."""

from collections.abc import Iterator

import httpx2
import orjson
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import delete
from typing_extensions import override

from idp.assurance import AssuranceLevel
from idp.service.upstream_administration import add_upstream
from idp.tables import upstreams
from idp.upstream_client import UpstreamClient
from kernel.clock import FrozenClock, SystemClock
from kernel.secret import Secret
from tests.databases import WITH_KEYS, KnownKeys, temporary_database
from tests.idp.idp_world import IdpWorld, RelyingParty, open_idp_world, parameters_of
from tests.idp.test_upstream import (
    an_upstream,
    come_back,
    confirm,
    english,
    failed,
    offers,
    sent_to,
    session_of,
    signed_in,
)

THEIRS = "http://localhost:9000"
START = "/upstream/tula/start?then=/account"


class Bridge(httpx2.BaseTransport):
    """The network between the two."""

    def __init__(self, there: IdpWorld) -> None:
        self.there = there

    @override
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.there.http.request(
            request.method,
            str(request.url),
            content=request.read(),
            headers=dict(request.headers),
        )
        return httpx2.Response(
            answer.status_code, headers=dict(answer.headers), content=answer.content
        )


@pytest.fixture(scope="module")
def tula(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdpWorld]:
    """The other one."""
    folder = tmp_path_factory.mktemp("tula")
    known_keys.put_root_key_into(folder)
    with (
        temporary_database(server_url, template=WITH_KEYS) as url,
        open_idp_world(url, folder, issuer=THEIRS) as opened,
    ):
        yield opened


@pytest.fixture
def party(world: IdpWorld, tula: IdpWorld) -> RelyingParty:
    """We, as their client."""
    # Authlib's assertion is of the real time.
    now = SystemClock().now().replace(microsecond=0)
    for each in (world, tula):
        each.clock = each.app.state.clock = FrozenClock(now)
    party = tula.a_relying_party(
        method="private_key_jwt",
        redirect_uris=["http://localhost:8000/upstream/tula/callback"],
    )
    key = ECKey.import_key(party.key.private).as_dict(private=True)
    with world.session() as session:
        session.execute(delete(upstreams))
        add_upstream(
            session,
            world.provider,
            an_upstream(
                upstream_id="tula",
                issuer=THEIRS,
                client_id=party.client_id,
                auth_method="private_key_jwt",
                name_en="Tula Region",
                levels={"urn:civitas:assurance:confirmed": AssuranceLevel.CONFIRMED},
                ceiling=AssuranceLevel.STANDARD,
                identifies=False,
            ),
            Secret(orjson.dumps({**key, "kid": "key-1"}).decode()),
        )
    world.app.state.upstream_client = UpstreamClient(allows_http=True, transport=Bridge(tula))
    return party


@pytest.mark.spec("OIDCC-3.1", "RFC7523-3", "RFC7636-4.1")
@pytest.mark.usefixtures("party")
def test_connected_there_and_signed_in_from_there(world: IdpWorld, tula: IdpWorld) -> None:
    here, there = world.someone(), tula.someone()
    browser, their_browser = signed_in(world, here), tula.browser()

    callback = their_browser.follow(sent_to(browser, "/upstream/tula/connect"), there)
    assert confirm(browser, come_back(browser, callback)).status_code == 200
    fresh = english(world)
    # They know the person still, and ask nothing.
    back = come_back(fresh, their_browser.follow(sent_to(fresh, START)))

    assert back.headers["location"] == "/account"
    session = session_of(world, fresh)
    assert session.person_id == here.person_id
    assert session.level is AssuranceLevel.STANDARD
    assert session.amr == ("pwd",)
    assert session.auth_time == tula.clock.now()


@pytest.mark.usefixtures("party")
def test_refused_there(world: IdpWorld, tula: IdpWorld) -> None:
    client, browser = world.a_relying_party(), english(world)
    page = browser.get(client.url(prompt="login")).headers["location"]
    start = offers(browser.get(page))[0]

    answer = come_back(
        browser, tula.browser().follow(sent_to(browser, start), tula.someone(), "deny")
    )

    assert failed(answer) == "upstream_denied"


@pytest.mark.spec("OIDCC-3.1.2.1")
@pytest.mark.usefixtures("party")
def test_prompt_login_is_asked_of_them(world: IdpWorld, tula: IdpWorld) -> None:
    there = tula.someone()
    theirs = tula.browser()
    theirs.follow(sent_to(english(world), START), there)
    client, browser = world.a_relying_party(), english(world)
    page = browser.get(client.url(prompt="login")).headers["location"]
    tula.later(seconds=2)
    world.later(seconds=2)

    asked = theirs.get(sent_to(browser, offers(browser.get(page))[0]))

    assert 'autocomplete="current-password"' in theirs.get(asked.headers["location"]).text
    assert "code" in parameters_of(
        theirs.follow(sent_to(browser, offers(browser.get(page))[0]), there)
    )
