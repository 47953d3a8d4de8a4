"""The code flow, from the browser to the tokens."""

import pytest

from tests.idp.idp_world import ISSUER, IdpWorld, claims_of


class TestCodeFlow:
    @pytest.mark.spec("OIDCC-3.1.3.3")
    def test_code_is_answered_with_an_id_token(self, world: IdpWorld) -> None:
        client, person = world.a_relying_party(), world.someone()

        tokens = client.tokens(person, scope="openid profile")

        claims = claims_of(tokens["id_token"])
        assert tokens["token_type"] == "Bearer"
        assert claims["iss"] == ISSUER
        assert claims["aud"] == client.client_id
        assert claims["nonce"] == "n-1"

    def test_fapi2_client_signs_in(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(), world.someone()

        tokens = client.tokens(person, scope="openid profile")

        assert tokens["token_type"] == "DPoP"
        answer = client.userinfo(tokens["access_token"])
        assert answer.status_code == 200, answer.text
        assert answer.json()["family_name"] == "Волкова"
