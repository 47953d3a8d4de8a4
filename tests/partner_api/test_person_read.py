"""The person read: what comes back, what does not, and what is written down (promises 1, 2, 4)."""

import json

import jwt
import pytest
from jwt import PyJWK

from tests.partner_api.partner_world import ITEMS, NOON, PERSON, PURPOSE, World, a_disclosure

pytestmark = pytest.mark.db


def opened(world: World, token: str) -> dict[str, object]:
    kid = jwt.get_unverified_header(token)["kid"]
    keys = world.app.state.signing.public_jwks("partner")["keys"]
    (key,) = [key for key in keys if key["kid"] == kid]
    claims: dict[str, object] = jwt.decode(
        token,
        PyJWK(key),
        algorithms=["ES256"],
        options={"verify_aud": False, "verify_iat": False},
    )
    return claims


def test_reads_signed_values_with_source_and_date(world: World) -> None:
    access = world.a_grant()
    consent = world.consent(access)

    response = world.get(access)

    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/jwt"
    assert response.headers["cache-control"] == "no-store"
    assert jwt.get_unverified_header(response.text)["typ"] == "civitas-person+jwt"
    (entry,) = world.logged(access)
    assert opened(world, response.text) == {
        "iss": "http://localhost:8000",
        "aud": access.client_id,
        "iat": int(NOON.timestamp()),
        "sub": access.sub,
        "purpose": PURPOSE,
        "consent_id": str(consent.consent_id),
        "entry_id": str(entry.entry_id),
        "attributes": {
            "family_name": {"value": "Волкова", "source": "tax", "as_of": "2020-01-01"},
            "given_name": {"value": "Анна", "source": "tax", "as_of": "2020-01-01"},
            "birthdate": {"value": "1986-03-14", "source": "tax", "as_of": "2020-01-01"},
            "over_18": {"value": True, "source": "tax", "as_of": "2020-01-01"},
        },
    }
    assert entry.items == ITEMS
    assert json.dumps(entry.purpose) == f'"{PURPOSE}"'
