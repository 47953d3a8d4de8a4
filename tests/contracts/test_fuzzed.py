"""Requests made from the OpenAPI description: whatever they are, no answer is a defect of ours."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Err

from app.main import create_app
from kernel.clock import FrozenClock
from kernel.settings import Settings
from tests.databases import KnownKeys
from tests.idp.idp_world import ISSUER, NOON, IdpWorld, idp_world_of_its_own


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context: Any, value: Any) -> bytes:  # noqa: ANN401
    """Send what was made for a body of lines as one line."""
    return value.encode(errors="surrogatepass") if isinstance(value, str) else b"%r" % (value,)


DOCUMENT = create_app(Settings(mode="test")).api.openapi()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
# An operation that is described wrongly is left out here, and missed by the first test.
OPERATIONS = {
    result.ok().label: result.ok()
    for result in SCHEMA.get_all_operations()
    if not isinstance(result, Err)
}
REQUESTS = 8  # of each operation and mode: the whole takes a few seconds
LONGEST_URL = 60_000  # characters; what sends the requests here takes no longer one
_PARTS = ("method", "url", "params", "data", "json", "headers", "cookies")


@pytest.fixture(scope="module")
def world(
    server_url: str, known_keys: KnownKeys, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdpWorld]:
    with idp_world_of_its_own(server_url, known_keys, tmp_path_factory) as opened:
        opened.clock = opened.app.state.clock = FrozenClock(NOON)
        yield opened


def test_every_published_operation_is_fuzzed() -> None:
    published = {
        f"{method.upper()} {path}"
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }

    assert set(OPERATIONS) == published


def modes() -> Iterator[Any]:
    """Yield each operation with requests that fit its description, and with some that do not."""
    for label, operation in sorted(OPERATIONS.items()):
        yield pytest.param(label, GenerationMode.POSITIVE, id=f"{label} fits")
        must = any(header.is_required for header in operation.headers)
        if operation.query or operation.body or must:  # any text is a header that may be left out
            yield pytest.param(label, GenerationMode.NEGATIVE, id=f"{label} does not fit")


@pytest.mark.parametrize(("label", "mode"), list(modes()))
def test_answer_is_no_defect(world: IdpWorld, label: str, mode: GenerationMode) -> None:
    cases = OPERATIONS[label].as_strategy(generation_mode=mode)

    @settings(
        max_examples=REQUESTS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def send(case: Any) -> None:  # noqa: ANN401
        made = case.as_transport_kwargs(base_url=ISSUER)
        request: Any = requests.Request(
            **{name: made[name] for name in _PARTS if made.get(name) is not None}
        ).prepare()
        url, body = str(request.url), request.body or b""
        if len(url) > LONGEST_URL:
            return

        answer = world.http.request(
            request.method, url, headers=list(request.headers.items()), content=body
        )

        assert answer.status_code < 500, f"{made} {answer.text}"

    send()
