"""Software statements: what somebody vouches for counts for more than what a client says."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from idp.errors import InvalidSoftwareStatement, UnapprovedSoftwareStatement
from idp.jose import parse_jwks
from idp.policy import Policy
from idp.software_statements import LONGEST_STATEMENT, apply_statement, parse_issuers
from tests.idp.idp_world import IdpWorld
from tests.idp.pure import EC_KEY, ISSUER, NOON, OTHER_EC_KEY, RSA_KEY, public_jwk, signed
from tests.idp.test_registration import manage, register
from tests.idp.test_token_endpoint import error

DIRECTORY = "https://directory.example"
NOW = int(NOON.timestamp())
ISSUERS = {DIRECTORY: parse_jwks({"keys": [public_jwk(EC_KEY, kid="d-1")]})}
VOUCHED_FOR = {"client_name": "Банк из реестра", "redirect_uris": ["https://bank.example/cb"]}


def a_statement(*, key: Any = EC_KEY, alg: str = "ES256", **change: object) -> str:  # noqa: ANN401
    claims: dict[str, object] = {"iss": DIRECTORY, "iat": NOW, "software_id": "s-1", **VOUCHED_FOR}
    return signed(claims | change, key=key, alg=alg, kid="d-1")


def apply(statement: object, **asked: object) -> dict[str, object]:
    return apply_statement(
        {"software_statement": statement, **asked},
        ISSUERS,
        audience=ISSUER,
        policy=Policy(),
        at=NOON,
    )


class TestApplying:
    @pytest.mark.spec("RFC7591-3.1.1")
    def test_what_is_vouched_for_takes_precedence(self) -> None:
        statement = a_statement()

        asked = apply(statement, client_name="Банк", scope="openid", redirect_uris=["https://x/"])

        assert asked == {
            **VOUCHED_FOR,
            "software_id": "s-1",
            "scope": "openid",
            "software_statement": statement,
        }

    @pytest.mark.spec("RFC7591-2.3")
    def test_without_one_nothing_changes(self) -> None:
        assert apply(None, client_name="Банк") == {"client_name": "Банк"}

    def test_no_other_keys_stand_beside_vouched_for_keys(self) -> None:
        asked = apply(a_statement(jwks_uri="https://bank.example/jwks"), jwks={"keys": []})

        assert "jwks" not in asked
        assert asked["jwks_uri"] == "https://bank.example/jwks"

    @pytest.mark.parametrize("life", [{"exp": NOW + 1}, {"nbf": NOW}, {"aud": ISSUER},
                                      {"aud": ["https://x.example", ISSUER]}, {"iat": NOW + 30}],
                             ids=range(5))  # fmt: skip
    def test_one_for_us_that_is_valid_now_is_taken(self, life: dict[str, Any]) -> None:
        assert apply(a_statement(**life))["client_name"] == VOUCHED_FOR["client_name"]

    @pytest.mark.spec("RFC7591-3.2.2")
    @pytest.mark.parametrize(
        "statement",
        [
            pytest.param("x.y", id="no JWT"),
            pytest.param(7, id="no text"),
            pytest.param("x" * (LONGEST_STATEMENT + 1), id="too long"),
            pytest.param(a_statement(key=OTHER_EC_KEY), id="another key"),
            pytest.param(a_statement(key=RSA_KEY, alg="RS256"), id="another algorithm"),
            pytest.param(a_statement(key="s" * 32, alg="HS256"), id="symmetric"),
            pytest.param(a_statement(key="", alg="none"), id="unsigned"),
            pytest.param(a_statement()[:-4] + "AAAA", id="changed"),
            pytest.param(a_statement(iss=None), id="no issuer"),
            pytest.param(a_statement(exp=NOW), id="expired now"),
            pytest.param(a_statement(nbf=NOW + 61), id="not yet"),
            pytest.param(a_statement(iat=NOW + 61), id="of tomorrow"),
            pytest.param(a_statement(iat=True), id="a time of another type"),
            pytest.param(a_statement(aud="https://other.example"), id="for another"),
            pytest.param(a_statement(client_secret="known"), id="a secret"),
            pytest.param(a_statement(software_statement="x"), id="a statement inside"),
        ],
    )
    def test_refused(self, statement: object) -> None:
        with pytest.raises(InvalidSoftwareStatement):
            apply(statement)

    @pytest.mark.spec("RFC7591-3.2.2")
    def test_issuer_that_we_do_not_know_is_not_approved(self) -> None:
        with pytest.raises(UnapprovedSoftwareStatement):
            apply(a_statement(iss="https://elsewhere.example"))


class TestIssuers:
    def test_are_key_sets_by_name(self) -> None:
        issuers = parse_issuers(orjson.dumps({DIRECTORY: {"keys": [public_jwk(EC_KEY)]}}))

        assert list(issuers) == [DIRECTORY]

    @pytest.mark.parametrize(
        "text",
        [b"", b"[]", b"{", b'{"a": 1}', b'{"a": {"keys": []}}',
         b'{"a": {"keys": [{"kty": "oct", "k": "AA"}]}}'],
        ids=range(6),
    )  # fmt: skip
    def test_anything_else_stops_the_start(self, text: bytes) -> None:
        with pytest.raises(ValueError, match="software statements"):
            parse_issuers(text)


@pytest.fixture
def trusting(world: IdpWorld, monkeypatch: pytest.MonkeyPatch) -> IdpWorld:
    """The world, in which the directory's word counts."""
    provider = replace(world.provider, statement_issuers=ISSUERS)
    monkeypatch.setattr(world.app.state, "provider", provider, raising=False)
    return world


class TestRegistering:
    @pytest.mark.spec("RFC7591-3.2.1")
    def test_statement_comes_back_as_it_was(self, trusting: IdpWorld) -> None:
        statement = a_statement(redirect_uris=["https://bank.example/cb"])

        registered = register(trusting, software_statement=statement)

        assert registered.status_code == 201, registered.text
        answer = registered.json()
        assert answer["software_statement"] == statement
        assert answer["redirect_uris"] == ["https://bank.example/cb"]
        assert answer["client_name"] == VOUCHED_FOR["client_name"]
        assert answer["contacts"] == ["ops@rp.example"]

    @pytest.mark.spec("RFC7591-3.2.2")
    def test_refusals_have_their_registered_codes(self, trusting: IdpWorld) -> None:
        broken = register(trusting, software_statement=a_statement(key=OTHER_EC_KEY))
        foreign = register(trusting, software_statement=a_statement(iss="https://x.example"))
        bad = register(trusting, software_statement=a_statement(redirect_uris=["https://b/#x"]))

        assert error(broken) == (400, "invalid_software_statement")
        assert error(foreign) == (400, "unapproved_software_statement")
        assert error(bad)[1] in {"invalid_redirect_uri", "invalid_client_metadata"}

    @pytest.mark.spec("RFC7591-3.2.2")
    def test_nobody_s_word_counts_by_itself(self, world: IdpWorld) -> None:
        answer = register(world, software_statement=a_statement())

        assert error(answer) == (400, "unapproved_software_statement")

    @pytest.mark.spec("RFC7592-2.2")
    def test_update_can_not_shake_a_statement_off(self, trusting: IdpWorld) -> None:
        registered = register(trusting, software_statement=a_statement()).json()
        asked = {
            "client_id": registered["client_id"],
            "client_name": "Другой",
            "redirect_uris": ["https://other.example/cb"],
        }

        without = manage(trusting, "PUT", registered, json=asked)
        repeated = manage(
            trusting,
            "PUT",
            registered,
            json=asked | {"software_statement": registered["software_statement"]},
        )

        assert error(without) == (400, "invalid_client_metadata")
        assert repeated.status_code == 200
        assert repeated.json()["client_name"] == VOUCHED_FOR["client_name"]
        assert repeated.json()["redirect_uris"] == VOUCHED_FOR["redirect_uris"]


class TestSecretOfAnUpdate:
    @pytest.mark.spec("RFC7592-2.2")
    def test_client_names_its_own_or_none(self, world: IdpWorld) -> None:
        registered = register(world).json()
        asked = {
            "client_id": registered["client_id"],
            "redirect_uris": ["https://rp.example/callback"],
        }

        chosen = manage(
            world, "PUT", registered, json=asked | {"client_secret": "chosen-by-myself"}
        )
        own = manage(
            world, "PUT", registered, json=asked | {"client_secret": registered["client_secret"]}
        )

        assert error(chosen) == (400, "invalid_client_metadata")
        assert own.status_code == 200
