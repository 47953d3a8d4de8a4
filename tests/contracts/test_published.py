"""What others build on: addresses, metadata, shapes. A change here is a change for partners.

When it is meant, `UPDATE_CONTRACTS=1 pytest tests/contracts` writes the files anew; say it in the
changelog.
"""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from authlib.oidc.discovery import OpenIDProviderMetadata

from app.main import HOT_ROUTES, ORDINARY_ROUTERS, create_app
from app.route_classes import TABLE
from idp.metadata import provider_metadata
from kernel.settings import Settings
from partner_api.publication import resource_metadata

FOLDER = Path(__file__).parent
ISSUER = "https://id.example"


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = create_app(Settings(mode="test")).api.openapi()
    return document


def compare(name: str, text: str) -> None:
    """Compare with what was published before."""
    path = FOLDER / name
    if os.environ.get("UPDATE_CONTRACTS"):
        path.write_text(text)
    assert path.read_text() == text


def as_text(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_addresses(openapi: dict[str, Any]) -> None:
    lines = [
        f"{method.upper():<7} {path}"
        for path, operations in openapi["paths"].items()
        for method in sorted(operations)
    ]

    compare("addresses.txt", "\n".join(lines) + "\n")


def test_every_address_is_in_the_table_of_route_classes() -> None:
    """What is not in it gets the body limit and the refusals of a page, by chance."""
    api = create_app(Settings(mode="test")).api
    served = {getattr(route, "path", "/") for route in (*api.routes, *HOT_ROUTES)}
    for router in ORDINARY_ROUTERS:
        served |= {getattr(route, "path", "/") for route in router.routes}

    def is_listed(path: str) -> bool:
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix, _ in TABLE)

    assert {path for path in served if path != "/" and not is_listed(path)} == set()


def test_provider_metadata() -> None:
    compare("provider-metadata.json", as_text(provider_metadata(ISSUER)))


@pytest.mark.spec("OIDCD-3")
@pytest.mark.spec("RFC8414-2")
def test_provider_metadata_is_what_authlib_reads_as_valid() -> None:
    OpenIDProviderMetadata(provider_metadata(ISSUER)).validate()


@pytest.mark.spec("RFC9728-2")
def test_partner_api_metadata() -> None:
    compare("partner-api-metadata.json", as_text(resource_metadata(ISSUER)))


def test_shape_of_refusals(openapi: dict[str, Any]) -> None:
    schemas = openapi["components"]["schemas"]

    compare("refusals.json", as_text({name: schemas[name] for name in ("OAuthError", "Problem")}))


def test_description_is_valid_openapi(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1")
    for path, operations in openapi["paths"].items():
        assert path.startswith("/")
        for operation in operations.values():
            assert operation["operationId"]
            assert "default" in operation["responses"]
    ids = [op["operationId"] for ops in openapi["paths"].values() for op in ops.values()]
    assert len(ids) == len(set(ids))


def test_every_schema_that_is_referred_to_exists(openapi: dict[str, Any]) -> None:
    text = json.dumps(openapi)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in openapi["components"]["schemas"]
        schema = openapi["components"]["schemas"][name]
        jsonschema_rs.meta.validate({"$schema": DIALECT, **schema})


DIALECT = "https://json-schema.org/draft/2020-12/schema"
