"""Access tokens that say nothing to their client: sealed, and otherwise like the others."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from idp.access_tokens import OPAQUE_PREFIX, AccessTokens
from idp.errors import InvalidClientMetadata
from idp.jose import NotVerified, PublicKey
from idp.tokens import AccessToken, our_keys
from kernel.secret import Secret, b64url, b64url_decode
from kernel.signing import SigningKeys
from tests.idp.idp_world import NOON, IdpWorld, RelyingParty
from tests.idp.test_token_endpoint import error


@pytest.fixture
def client(world: IdpWorld) -> RelyingParty:
    return world.a_relying_party(access_token_format="opaque")


def introspected(client: RelyingParty, token: str) -> Any:  # noqa: ANN401
    return client.post("/introspect", {"token": token}).json()


def issue(
    tokens: AccessTokens,
    *,
    form: str | None = "opaque",
    at: Any = NOON,  # noqa: ANN401
    **change: Any,  # noqa: ANN401
) -> str:
    claims = {
        "iss": "http://localhost:8000",
        "sub": "one",
        "aud": "http://localhost:8000",
        "client_id": "one",
        "partner_id": "one",
        "jti": "one",
        "iat": int(at.timestamp()),
        "exp": int(at.timestamp()) + 600,
        "scope": "openid",
    }
    return tokens.issue(claims | change, form=form, at=at)


def read(tokens: AccessTokens, token: str, *, at: datetime = NOON) -> AccessToken:
    return tokens.read(Secret(token), at=at)


@pytest.fixture
def tokens(world: IdpWorld) -> AccessTokens:
    return world.provider.access_tokens


def test_it_tells_its_client_nothing_and_opens_what_the_other_does(
    world: IdpWorld, client: RelyingParty
) -> None:
    token = client.tokens(world.someone())["access_token"]

    assert token.startswith(OPAQUE_PREFIX)
    assert b"sub" not in b64url_decode(token.removeprefix(OPAQUE_PREFIX))
    assert client.userinfo(token).status_code == 200


@pytest.mark.spec("RFC7662-2.2")
def test_introspection_tells_its_client(world: IdpWorld, client: RelyingParty) -> None:
    token = client.tokens(world.someone())["access_token"]

    answer = introspected(client, token)

    assert answer["active"] is True
    assert answer["client_id"] == client.client_id
    assert answer["iss"] == world.provider.issuer


@pytest.mark.spec("RFC7662-2.2")
def test_introspection_tells_nobody_else(world: IdpWorld, client: RelyingParty) -> None:
    token = client.tokens(world.someone())["access_token"]

    assert introspected(world.a_relying_party(), token) == {"active": False}


@pytest.mark.spec("RFC7009-2.1")
def test_it_is_revoked_at_once(world: IdpWorld, client: RelyingParty) -> None:
    token = client.tokens(world.someone())["access_token"]
    assert client.userinfo(token).status_code == 200

    client.post("/revoke", {"token": token})

    assert introspected(client, token) == {"active": False}
    assert error(client.userinfo(token)) == (401, "invalid_token")


@pytest.mark.spec("RFC9449-7.1")
def test_it_is_bound_like_the_other(world: IdpWorld) -> None:
    client = world.a_relying_party(dpop=True, access_token_format="opaque")
    token = client.tokens(world.someone())["access_token"]

    assert client.userinfo(token).status_code == 200
    assert error(client.userinfo(token, scheme="Bearer")) == (401, "invalid_token")


def test_a_jwt_is_what_a_client_gets_that_does_not_say(world: IdpWorld) -> None:
    client = world.a_relying_party()

    assert client.tokens(world.someone())["access_token"].count(".") == 2


@pytest.mark.spec("RFC7591-2")
@pytest.mark.parametrize("form", ["reference", "JWT", "", 1, ["opaque"]])
def test_no_other_form_is_offered(world: IdpWorld, form: object) -> None:
    with pytest.raises(InvalidClientMetadata):
        world.a_relying_party(access_token_format=form)


class TestReading:
    def test_what_was_written_is_read(self, tokens: AccessTokens) -> None:
        assert read(tokens, issue(tokens)).sub == "one"

    @pytest.mark.parametrize("position", [0, 3, 4, 15, 16, 60, -17, -16, -1])
    def test_changed_anywhere(self, tokens: AccessTokens, position: int) -> None:
        content = bytearray(b64url_decode(issue(tokens).removeprefix(OPAQUE_PREFIX)))
        content[position] ^= 1

        with pytest.raises(NotVerified):
            read(tokens, OPAQUE_PREFIX + b64url(bytes(content)))

    @pytest.mark.parametrize("length", [0, 3, 4, 15, 16, 31, 32, 100])
    def test_cut(self, tokens: AccessTokens, length: int) -> None:
        content = b64url_decode(issue(tokens).removeprefix(OPAQUE_PREFIX))

        with pytest.raises(NotVerified):
            read(tokens, OPAQUE_PREFIX + b64url(content[:length]))

    @pytest.mark.parametrize("text", ["", "A", "A=", "+/", "ы", "A" * 20_000], ids=range(6))
    def test_no_token_at_all(self, tokens: AccessTokens, text: str) -> None:
        with pytest.raises(NotVerified):
            read(tokens, OPAQUE_PREFIX + text)

    @pytest.mark.parametrize("seconds", [600, 601, 3600, 7200, 86_400])
    def test_expired(self, tokens: AccessTokens, seconds: int) -> None:
        with pytest.raises(NotVerified):
            read(tokens, issue(tokens), at=NOON + timedelta(seconds=seconds))

    @pytest.mark.parametrize("hours", [-3, 2, 1000])
    def test_of_another_time_no_key_is_made_for(self, tokens: AccessTokens, hours: int) -> None:
        token = issue(tokens, at=NOON + timedelta(hours=hours), exp=1 << 40)

        with pytest.raises(NotVerified, match="hours"):
            read(tokens, token)

    def test_another_issuer(self, tokens: AccessTokens) -> None:
        with pytest.raises(NotVerified, match="iss"):
            read(tokens, issue(tokens, iss="https://elsewhere.example"))

    def test_two_say_the_same_and_do_not_look_it(self, tokens: AccessTokens) -> None:
        assert issue(tokens) != issue(tokens)

    def test_its_keys_are_forgotten_with_their_hours(self, tokens: AccessTokens) -> None:
        for hours in range(48):
            issue(tokens, at=NOON + timedelta(hours=hours))

        assert len(tokens._sealing) < 6  # noqa: SLF001  # nothing else shows it

    def test_our_public_keys_are_parsed_once(
        self, tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[SigningKeys] = []

        def parse(signing: SigningKeys) -> tuple[PublicKey, ...]:
            parsed.append(signing)
            return our_keys(signing)

        monkeypatch.setattr("idp.access_tokens.our_keys", parse)
        for _ in range(3):
            assert read(tokens, issue(tokens, form=None)).sub == "one"

        assert len(parsed) == 1
