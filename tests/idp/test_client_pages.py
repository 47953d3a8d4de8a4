"""What clients register to be shown: logo, privacy policy, terms; and what addresses can't do."""

from typing import Any

import pytest

from idp.client_addresses import check_addresses, is_web_address
from idp.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.model import ClientProfile
from idp.page_views import asker_of
from idp.policy import Policy
from kernel.languages import language
from kernel.pages import content_security_policy
from tests.idp.idp_world import IdpWorld
from tests.idp.pure import a_client

SHOWN: dict[str, Any] = {
    "logo_uri": "https://cdn.rp.example/logo.png",
    "policy_uri": "https://rp.example/privacy",
    "tos_uri": "https://rp.example/terms",
}

BREAKING_OUT = [
    "https://rp.example;script-src",
    "https://rp.example,x/",
    "https://rp.example'/",
    'https://rp.example/"onerror=',
    "https://rp.example/ x",
    "https://a@rp.example/",
    "https://rp.example\\@evil.example/",
    "https:///x",
    "https://[x]/",
    "https://rp.example:8x/",
    "https://пример.рф/",
    "javascript:alert(1)",
    "data:text/html,x",
    "//rp.example/",
]


class TestShown:
    @pytest.mark.spec("OIDCR-2")
    def test_logo_policy_and_terms_stand_on_the_way_in(self, world: IdpWorld) -> None:
        client, person, browser = world.a_relying_party(**SHOWN), world.someone(), world.browser()
        sign_in = browser.get(browser.get(client.url()).headers["location"])

        consent = browser.sign_in(sign_in, person)

        for page in (sign_in, consent):
            assert f'src="{SHOWN["logo_uri"]}"' in page.text
            assert 'referrerpolicy="no-referrer"' in page.text
            assert f'href="{SHOWN["policy_uri"]}"' in page.text
            assert f'href="{SHOWN["tos_uri"]}"' in page.text
            policy = page.headers["content-security-policy"]
            assert "img-src 'self' https://cdn.rp.example;" in policy

    def test_without_a_logo_no_image_of_others_is_let_in(self, world: IdpWorld) -> None:
        browser = world.browser()
        page = browser.get(browser.get(world.a_relying_party().url()).headers["location"])

        assert "<img class" not in page.text
        assert "img-src 'self';" in page.headers["content-security-policy"]

    @pytest.mark.spec("OIDCR-2.1")
    def test_in_the_person_s_language_if_there_is_one(self) -> None:
        client = a_client(
            tos_uri="https://rp.example/terms",
            policy_uri="https://rp.example/privacy",
            descriptive={
                "tos_uri#ru": "https://rp.example/ru/terms",
                "policy_uri#ru": "javascript:alert(1)",
                "tos_uri#en": 7,
            },
        )

        russian = asker_of(client, "https://rp.example/", language("ru"))
        english = asker_of(client, "https://rp.example/", language("en"))

        assert russian.tos_uri == "https://rp.example/ru/terms"
        assert english.tos_uri == "https://rp.example/terms"
        assert russian.policy_uri == "https://rp.example/privacy"

    @pytest.mark.parametrize("uri", BREAKING_OUT)
    def test_nothing_is_shown_that_could_do_more_than_lead_there(self, uri: str) -> None:
        """Registered before we refused it, or in a language of its own."""
        client = a_client(
            logo_uri=uri, policy_uri=uri, tos_uri=uri, descriptive={"logo_uri#ru": uri}
        )

        asker = asker_of(client, "https://rp.example/", language("ru"))

        assert (asker.logo_uri, asker.policy_uri, asker.tos_uri) == (None, None, None)

    def test_policy_names_the_origin_of_the_image_and_nothing_more(self) -> None:
        policy = content_security_policy(None, "https://cdn.example:8443/a;b/logo.png?x=y")

        assert "img-src 'self' https://cdn.example:8443; " in policy


class TestRegistered:
    @pytest.mark.parametrize("uri", BREAKING_OUT)
    @pytest.mark.parametrize(
        "field", ["logo_uri", "policy_uri", "tos_uri", "jwks_uri", "backchannel_logout_uri"]
    )
    def test_address_that_could_break_out_is_refused(self, field: str, uri: str) -> None:
        values: dict[str, Any] = {field: uri}

        with pytest.raises(InvalidClientMetadata):
            check_addresses(
                a_client(**values).metadata, Policy(allows_http=True), ClientProfile.OIDC
            )

    @pytest.mark.parametrize(
        "uri", ["https://rp.example;sandbox/cb", "https://rp.example,/cb", "https://$/cb"]
    )
    def test_redirect_uri_has_a_plain_host(self, uri: str) -> None:
        with pytest.raises(InvalidRedirectUri):
            check_addresses(a_client(redirect_uris=(uri,)).metadata, Policy(), ClientProfile.OIDC)

    @pytest.mark.parametrize(
        "uri",
        ["https://rp.example/", "https://rp.example:8443/x?y=z", "http://localhost:3000/x",
         "http://127.0.0.1/x", "http://[::1]:80/x", "https://xn--e1afmkfd.xn--p1ai/"],
    )  # fmt: skip
    def test_plain_addresses_are_fine(self, uri: str) -> None:
        assert is_web_address(uri)
