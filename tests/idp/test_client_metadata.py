"""What a client may register: RFC 7591, 2; OpenID Connect Registration, 2."""

from typing import Any

import pytest

from idp.client_metadata import as_json, metadata_of, register
from idp.errors import InvalidClientMetadata, InvalidRedirectUri
from idp.metadata import check_provider_metadata, provider_metadata
from idp.model import ClientMetadata, ClientProfile
from idp.policy import Policy
from idp.registration import check_sector, sector_of
from kernel.ids import PartnerId
from tests.idp.pure import (
    EC_KEY,
    ISSUER,
    REDIRECT_URI,
    RSA_KEY,
    SMALL_RSA_KEY,
    private_jwk,
    public_jwk,
)

JWKS = {"keys": [public_jwk(EC_KEY, kid="key-1")]}


def accept(
    profile: ClientProfile = ClientProfile.OIDC,
    *,
    strict: bool = True,
    **asked: Any,  # noqa: ANN401
) -> ClientMetadata:
    return register(
        {"redirect_uris": [REDIRECT_URI]} | asked,
        profile=profile,
        policy=Policy(allows_http=not strict),
        server=provider_metadata(ISSUER),
    )


class TestDefaults:
    @pytest.mark.spec("RFC7591-2")
    def test_are_those_of_the_specification(self) -> None:
        metadata = accept()

        assert metadata.token_endpoint_auth_method == "client_secret_basic"
        assert metadata.grant_types == ("authorization_code",)
        assert metadata.response_types == ("code",)
        assert metadata.id_token_signed_response_alg == "RS256"

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1")
    def test_of_a_fapi2_client_are_its_musts(self) -> None:
        metadata = accept(ClientProfile.FAPI2, jwks=JWKS)

        assert metadata.token_endpoint_auth_method == "private_key_jwt"
        assert metadata.id_token_signed_response_alg == "ES256"
        assert metadata.require_pushed_authorization_requests
        assert metadata.dpop_bound_access_tokens

    @pytest.mark.spec("RFC7591-2")
    def test_unknown_fields_are_left_out(self) -> None:
        assert "unknown" not in as_json(accept(unknown="x"))

    def test_what_is_stored_reads_back_the_same(self) -> None:
        metadata = accept(
            client_name="Банк",
            **{"client_name#ru": "Банк"},  # type: ignore[arg-type]
            contacts=["a@bank.example"],
            jwks=JWKS,
            default_max_age=60,
            post_logout_redirect_uris=["https://rp.example/bye"],
        )

        assert metadata_of(as_json(metadata)) == metadata


class TestStored:
    @pytest.mark.spec("RFC7591-3.2.1")
    def test_what_is_not_said_is_not_told(self) -> None:
        """What stands there is what was said, and the defaults that a client could not guess."""
        assert as_json(accept(client_uri=None, default_max_age=None, contacts=["a@x.example"])) == {
            "contacts": ["a@x.example"],
            "redirect_uris": [REDIRECT_URI],
        } | {name: value for name, value in as_json(accept()).items() if name != "redirect_uris"}
        assert not {"client_uri", "jwks", "scope", "request_uris", "contacts"} & set(
            as_json(accept())
        )

    def test_client_without_response_types_stays_without(self) -> None:
        metadata = accept(grant_types=["client_credentials"], response_types=[], redirect_uris=[])

        assert as_json(metadata)["response_types"] == []
        assert metadata_of(as_json(metadata)).response_types == ()

    @pytest.mark.spec("RFC7591-2.2")
    def test_names_in_languages_are_kept_and_others_are_not(self) -> None:
        said: dict[str, Any] = {
            "client_name#ru": "Банк",
            "contacts": ["a@x.example"],
            "colour": "red",
        }

        assert accept(**said).descriptive == {
            "client_name#ru": "Банк", "contacts": ["a@x.example"],
        }  # fmt: skip

    def test_field_has_up_to_2048_characters(self) -> None:
        longest = "https://rp.example/".ljust(2048, "x")

        assert accept(policy_uri=longest).policy_uri == longest
        with pytest.raises(InvalidClientMetadata, match="policy_uri"):
            accept(policy_uri=f"{longest}x")

    @pytest.mark.spec("RFC7591-2")
    def test_keys_lie_in_one_place(self) -> None:
        uri = "https://rp.example/jwks"

        assert accept(jwks=JWKS).jwks == JWKS
        assert accept(jwks_uri=uri).jwks_uri == uri
        assert accept(token_endpoint_auth_method="private_key_jwt", jwks_uri=uri).jwks is None


class TestRedirectUris:
    @pytest.mark.spec("RFC8252-7.1")
    @pytest.mark.parametrize(
        "uri",
        [
            "https://rp.example/callback",
            "https://rp.example/callback?tenant=1",
            "http://127.0.0.1/callback",
            "http://[::1]/callback",
            "http://localhost:8001/callback",
            "example.rp.app:/callback",
        ],
    )
    def test_good_one_is_accepted(self, uri: str) -> None:
        assert accept(redirect_uris=[uri]).redirect_uris == (uri,)

    @pytest.mark.spec("RFC6749-3.1.2")
    @pytest.mark.parametrize(
        "uri",
        [
            "",
            "callback",
            "/callback",
            "//rp.example/callback",
            "http://rp.example/callback",
            "https:///callback",
            "https://rp.example/callback#fragment",
            "https://rp.example/callback#",
            "https://*.rp.example/callback",
            "https://user@rp.example/callback",
            "https://rp.example@evil.example/callback",
            "https://rp.example/a/../callback",
            "https://rp.example/%2e%2E/callback",
            "https://rp.example/./callback",
            "https://rp.example:port/callback",
            "https://rp.example/call back",
            "https://rp.example\\callback",
            "https://rp.example/\r\ncallback",
            "https://пример.рф/callback",
            "https://[::1/callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "myapp:/callback",
            "https://rp.example/" + "x" * 1024,
        ],
        ids=range(25),
    )
    def test_dangerous_one_is_refused(self, uri: str) -> None:
        with pytest.raises((InvalidRedirectUri, InvalidClientMetadata)):
            accept(redirect_uris=[uri])

    def test_private_scheme_is_not_for_fapi2(self) -> None:
        with pytest.raises(InvalidRedirectUri):
            accept(ClientProfile.FAPI2, jwks=JWKS, redirect_uris=["example.rp.app:/callback"])

    @pytest.mark.parametrize("uris", [[], None])
    def test_code_flow_needs_one(self, uris: object) -> None:
        with pytest.raises((InvalidRedirectUri, InvalidClientMetadata)):
            accept(redirect_uris=uris)

    def test_client_without_people_needs_none(self) -> None:
        asked: dict[str, Any] = {"grant_types": ["client_credentials"], "response_types": []}

        assert accept(redirect_uris=[], **asked).redirect_uris == ()

    def test_demonstration_allows_http(self) -> None:
        accept(strict=False, redirect_uris=["http://bank.internal/callback"])


class TestRefusals:
    def test_choice_is_told_where_there_is_one(self) -> None:
        """A certificate's method is not among them where no certificate is asked for."""
        with pytest.raises(InvalidClientMetadata) as refused:
            accept(token_endpoint_auth_method="tls_client_auth")

        assert "private_key_jwt" in refused.value.detail
        assert refused.value.detail.count("tls_client_auth") == 0

    @pytest.mark.spec("RFC7591-3.2.2")
    @pytest.mark.parametrize(
        "asked",
        [
            {"token_endpoint_auth_method": "client_secret_jwt"},
            {"token_endpoint_auth_method": ["none"]},
            {"token_endpoint_auth_method": 1},
            {"client_uri": ["https://rp.example"]},
            {"default_acr_values": {"a": 1}},
            {"request_uris": "https://rp.example/request"},
            {"post_logout_redirect_uris": ["https://rp.example/bye", 1]},
            {"tls_client_certificate_bound_access_tokens": True},
            {"token_endpoint_auth_method": "tls_client_auth"},
            {"tls_client_auth_san_dns": "rp.example"},
            {"token_endpoint_auth_signing_alg": "none"},
            {"token_endpoint_auth_signing_alg": "HS256"},
            {"token_endpoint_auth_signing_alg": ["ES256"]},
            {"grant_types": ["implicit"]},
            {"grant_types": []},
            {"grant_types": "authorization_code"},
            {"grant_types": [["authorization_code"]]},
            {"response_types": ["token"]},
            {"response_types": ["code id_token"]},
            {"redirect_uris": REDIRECT_URI},
            {"redirect_uris": [1]},
            {"token_endpoint_auth_method": "none", "grant_types": ["client_credentials"]},
            {"id_token_signed_response_alg": "none"},
            {"id_token_signed_response_alg": "HS256"},
            {"userinfo_signed_response_alg": "HS256"},
            {"userinfo_signed_response_alg": {}},
            {"default_acr_values": ["unknown"]},
            {"default_max_age": -1},
            {"default_max_age": True},
            {"default_max_age": "60"},
            {"require_auth_time": "yes"},
            {"dpop_bound_access_tokens": 1},
            {"subject_type": "public"},
            {"scope": "unknown"},
            {"scope": ["openid"]},
            {"client_name": "x" * 101},
            {"client_name": "line\nbreak"},
            {"client_name": "turned \u202e round"},
            {"client_name": 1},
            {"client_uri": "http://rp.example"},
            {"client_uri": "javascript:alert(1)"},
            {"logo_uri": "data:image/png;base64,AA"},
            {"initiate_login_uri": "http://rp.example/login"},
            {"jwks": JWKS, "jwks_uri": "https://rp.example/jwks"},
            {"jwks": {"keys": [private_jwk(EC_KEY)]}},
            {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
            {"jwks": {}},
            {"jwks": "text"},
            {"jwks_uri": "http://rp.example/jwks"},
            {"jwks_uri": 1},
            {"token_endpoint_auth_method": "private_key_jwt"},
            {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
            {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [public_jwk(SMALL_RSA_KEY)]},
            },
            {"authorization_details_types": ["payment"]},
            {"policy_uri": "https://rp.example/" + "x" * 2048},
        ],
        ids=range(55),
    )
    def test_field_that_is_not_acceptable_is_named(self, asked: dict[str, Any]) -> None:
        with pytest.raises((InvalidClientMetadata, InvalidRedirectUri)) as refused:
            accept(**asked)

        assert refused.value.detail

    @pytest.mark.spec("FAPI2-SP-FINAL-5.3.2.1")
    @pytest.mark.parametrize(
        "asked",
        [
            {"token_endpoint_auth_method": "client_secret_basic"},
            {"token_endpoint_auth_method": "none"},
            {"id_token_signed_response_alg": "RS256"},
            {"token_endpoint_auth_signing_alg": "RS256"},
            {"jwks": None},
        ],
        ids=repr,
    )
    def test_fapi2_client_can_t_choose_less(self, asked: dict[str, Any]) -> None:
        with pytest.raises(InvalidClientMetadata):
            accept(ClientProfile.FAPI2, **({"jwks": JWKS} | asked))

    def test_fapi2_client_can_t_turn_its_musts_off(self) -> None:
        metadata = accept(
            ClientProfile.FAPI2,
            jwks=JWKS,
            require_pushed_authorization_requests=False,
            dpop_bound_access_tokens=False,
        )

        assert metadata.require_pushed_authorization_requests
        assert metadata.dpop_bound_access_tokens

    def test_rsa_key_is_enough_where_rs256_is_allowed(self) -> None:
        jwks = {"keys": [public_jwk(RSA_KEY, alg="RS256")]}

        accept(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
        with pytest.raises(InvalidClientMetadata):
            accept(ClientProfile.FAPI2, jwks=jwks)


class TestSector:
    PARTNER = PartnerId("bank")

    @pytest.mark.spec("OIDCC-8.1")
    def test_is_the_host_and_the_partner(self) -> None:
        metadata = accept(redirect_uris=[REDIRECT_URI, "https://rp.example/other"])

        assert sector_of(self.PARTNER, metadata) == "bank/rp.example"
        assert sector_of(PartnerId("clinic"), metadata) == "clinic/rp.example"

    @pytest.mark.spec("OIDCC-8.1")
    def test_several_hosts_need_a_sector_identifier(self) -> None:
        uris = [REDIRECT_URI, "https://other.example/callback"]

        with pytest.raises(InvalidClientMetadata):
            sector_of(self.PARTNER, accept(redirect_uris=uris))
        metadata = accept(redirect_uris=uris, sector_identifier_uri="https://rp.example/sector")
        assert sector_of(self.PARTNER, metadata) == "bank/rp.example"

    @pytest.mark.spec("OIDCR-5")
    @pytest.mark.parametrize(
        "document", [[], {}, "text", None, ["https://other.example"], [[1]]], ids=repr
    )
    def test_sector_document_lists_every_redirect_uri(self, document: object) -> None:
        check_sector([REDIRECT_URI, "https://more.example"], [REDIRECT_URI])
        with pytest.raises(InvalidClientMetadata):
            check_sector(document, [REDIRECT_URI])


class TestProviderMetadata:
    @pytest.mark.spec("RFC8414-2")
    def test_is_good_in_authlib_s_eyes(self) -> None:
        assert provider_metadata(ISSUER)["issuer"] == ISSUER
        assert provider_metadata("http://localhost:8000")["issuer"] == "http://localhost:8000"

    @pytest.mark.spec("OIDCD-3")
    @pytest.mark.parametrize(
        "name", ["issuer", "authorization_endpoint", "jwks_uri", "response_types_supported",
                 "subject_types_supported", "id_token_signing_alg_values_supported"],
    )  # fmt: skip
    def test_authlib_misses_what_is_required(self, name: str) -> None:
        """That it is really looked at."""
        document = provider_metadata(ISSUER)
        del document[name]

        with pytest.raises(ValueError, match=name):
            check_provider_metadata(document)

    @pytest.mark.spec("OIDCC-15.1")
    def test_rs256_is_offered(self) -> None:
        assert "RS256" in provider_metadata(ISSUER)["id_token_signing_alg_values_supported"]  # type: ignore[operator]

    @pytest.mark.spec("RFC8725-3.2")
    def test_none_is_no_algorithm_anywhere(self) -> None:
        for name, value in provider_metadata(ISSUER).items():
            if "alg" in name:
                assert isinstance(value, list)
                assert not {"none", "HS256", "HS384", "HS512"} & set(value)

    @pytest.mark.spec("OIDCC-8")
    def test_only_pairwise_subjects_are_offered(self) -> None:
        assert provider_metadata(ISSUER)["subject_types_supported"] == ["pairwise"]
