import pytest

from partner_api.quota import Quota
from partner_api.store import save_limit
from tests.partner_api.partner_world import DOCUMENTS, PERSON, World

pytestmark = pytest.mark.db


@pytest.mark.spec("RFC6585-4")
@pytest.mark.parametrize("path", [PERSON, DOCUMENTS], ids=["person", "documents"])
def test_partner_is_told_when_to_come_back(world: World, path: str) -> None:
    access = world.a_grant()
    world.consent(access)
    with world.session() as session:
        save_limit(session, access.partner_id, requests_per_minute=3)

    statuses = [world.get(access, path).status_code for _ in range(4)]
    refused = world.get(access, path)

    assert statuses == [200, 200, 200, 429]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "quota_exceeded"
    assert refused.headers["retry-after"] == "60"
    assert len(world.logged(access)) == 3


def test_request_over_the_limit_does_not_spend_its_proof(world: World) -> None:
    access = world.a_grant()
    world.consent(access)
    with world.session() as session:
        save_limit(session, access.partner_id, requests_per_minute=1)
    assert world.get(access).status_code == 200
    headers = world.headers(access)

    refused = world.http.get(PERSON, headers=headers)
    with world.session() as session:
        save_limit(session, access.partner_id, requests_per_minute=10)
    world.app.state.partner_reader.entrance.quota = Quota()  # as in a process that was just started

    assert refused.status_code == 429
    assert world.http.get(PERSON, headers=headers).status_code == 200


def test_partners_do_not_share_a_limit(world: World) -> None:
    first, second = world.a_grant(), world.a_grant()
    for access in (first, second):
        world.consent(access)
        with world.session() as session:
            save_limit(session, access.partner_id, requests_per_minute=1)

    statuses = [world.get(access).status_code for access in (first, second, first, second)]

    assert statuses == [200, 200, 429, 429]


def test_clients_of_one_partner_share_its_limit(world: World) -> None:
    client = world.a_client()
    first, second = world.a_grant(client=client), world.a_grant(client=client)
    for access in (first, second):
        world.consent(access)
    with world.session() as session:
        save_limit(session, first.partner_id, requests_per_minute=1)

    statuses = [world.get(access).status_code for access in (first, second)]

    assert statuses == [200, 429]
