"""PKCE, resource indicators, claims, assurance, state of an interaction: each by its own rules."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from consent.api import SCOPE_ITEMS
from idp.assurance import ACR_VALUES, AssuranceLevel, acr_for, check_essential_acr
from idp.claims import (
    CLAIMS_OF_SCOPE,
    ITEMS_OF_CLAIM,
    claims_from,
    claims_of_scopes,
    items_of_claims,
)
from idp.errors import (
    ConsentRequired,
    InteractionRequired,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    UnmetAuthenticationRequirements,
)
from idp.hot.refresh_token import narrowed_scope
from idp.interaction_state import expected_sub, is_acceptable, silent_refusal
from idp.model import AuthorizationRequest, AuthorizationResponse, ClaimsRequest, SignInSession
from idp.pkce import verify_code_verifier
from idp.resource_indicators import audience_for, resources_of
from idp.service.agreements import may_refresh
from kernel.ids import AccountId, ClientId, PersonId, SessionId
from tests.idp.pure import ISSUER, NOON, REDIRECT_URI, a_client

PARTNER_API = f"{ISSUER}/partner/v1"


class TestCodeVerifier:
    # RFC 7636, appendix B.
    VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    @pytest.mark.spec("RFC7636-4.2")
    @pytest.mark.spec("RFC7636-B")
    def test_published_pair_verifies(self) -> None:
        verify_code_verifier(self.CHALLENGE, self.VERIFIER)

    @pytest.mark.spec("RFC7636-4.6")
    @pytest.mark.parametrize(
        "verifier",
        [None, "", VERIFIER[:-1], VERIFIER + "A", VERIFIER.lower(), "A" * 129, "ж" * 43, CHALLENGE],
        ids=range(8),
    )
    def test_any_other_is_refused(self, verifier: str | None) -> None:
        with pytest.raises(InvalidGrant):
            verify_code_verifier(self.CHALLENGE, verifier)

    @pytest.mark.spec("RFC9700-4.8.2")
    def test_verifier_without_a_challenge_is_refused(self) -> None:
        verify_code_verifier(None, None)
        with pytest.raises(InvalidGrant):
            verify_code_verifier(None, self.VERIFIER)


class TestAudience:
    @pytest.mark.spec("RFC8707-2.2")
    @pytest.mark.parametrize(
        ("asked", "granted", "audience"),
        [
            ((), (), (ISSUER,)),
            ((), (PARTNER_API,), (PARTNER_API,)),
            ((PARTNER_API,), (), (PARTNER_API,)),
            ((PARTNER_API, PARTNER_API), (), (PARTNER_API,)),
            ((ISSUER,), (ISSUER, PARTNER_API), (ISSUER,)),
        ],
        ids=range(5),
    )
    def test_is_what_was_asked_within_what_was_granted(
        self,
        asked: Any,  # noqa: ANN401
        granted: Any,  # noqa: ANN401
        audience: Any,  # noqa: ANN401
    ) -> None:
        assert audience_for(asked, granted=granted, issuer=ISSUER) == audience

    @pytest.mark.spec("RFC8707-2.2")
    def test_resource_that_was_not_granted_is_refused(self) -> None:
        for asked in ((ISSUER,), ("https://elsewhere.example",)):
            with pytest.raises(InvalidTarget):
                audience_for(asked, granted=(PARTNER_API,), issuer=ISSUER)

    def test_issuer_is_a_resource(self) -> None:
        assert ISSUER in resources_of(ISSUER)


class TestClaims:
    @pytest.mark.spec("OIDCC-5.4")
    @pytest.mark.parametrize("scope", SCOPE_ITEMS)
    def test_scope_asks_for_what_consent_says_it_does(self, scope: str) -> None:
        assert set(items_of_claims(claims_of_scopes([scope]))) == set(SCOPE_ITEMS[scope])

    def test_every_scope_asks_for_claims_that_exist(self) -> None:
        for claims in CLAIMS_OF_SCOPE.values():
            assert set(claims) <= set(ITEMS_OF_CLAIM)

    @pytest.mark.spec("OIDCC-5.3.2")
    def test_claim_without_a_value_is_left_out(self) -> None:
        assert claims_from({"given_name": "Анна"}, ["name", "gender", "address", "over_18"]) == {
            "name": "Анна"
        }

    def test_no_is_a_value(self) -> None:
        assert claims_from({"over_18": False}, ["over_18"]) == {"over_18": False}

    @pytest.mark.spec("OIDCC-5.1")
    @pytest.mark.parametrize(
        ("known", "claim"), [("1986-03-14", "1986-03-14"), ("1986-03", "1986"), ("1986", "1986")]
    )
    def test_birthdate_is_a_date_or_a_year(self, known: str, claim: str) -> None:
        assert claims_from({"birthdate": known}, ["birthdate"]) == {"birthdate": claim}

    @pytest.mark.spec("OIDCC-5.1.1")
    def test_address_has_the_members_of_the_specification(self) -> None:
        address = {
            "formatted": "614000, Пермь, ул. Ленина, 1",
            "postal_code": "614000",
            "locality": "Пермь",
            "street": "ул. Ленина",
            "house": "1",
            "country": "RUS",
        }

        assert claims_from({"registration_address": address}, ["address"])["address"] == {
            "formatted": "614000, Пермь, ул. Ленина, 1",
            "street_address": "ул. Ленина, 1",
            "locality": "Пермь",
            "postal_code": "614000",
            "country": "RUS",
        }

    def test_name_is_written_as_it_is_spoken(self) -> None:
        names = {"family_name": "Волкова", "given_name": "Анна", "middle_name": "Сергеевна"}

        assert claims_from(names, ["name"]) == {"name": "Анна Сергеевна Волкова"}


class TestAssurance:
    def test_levels_have_distinct_names(self) -> None:
        assert len(ACR_VALUES) == len(AssuranceLevel)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_first_wish_that_is_reached_is_stated(self) -> None:
        confirmed, standard = AssuranceLevel.CONFIRMED, AssuranceLevel.STANDARD

        assert acr_for(confirmed, [standard.acr, confirmed.acr]) == standard.acr
        assert acr_for(standard, [confirmed.acr]) == standard.acr
        assert acr_for(standard, ["unknown"]) == standard.acr

    @pytest.mark.spec("OIDCC-5.5.1.1")
    def test_essential_one_is_reached_or_refused(self) -> None:
        check_essential_acr(AssuranceLevel.STANDARD, [])
        check_essential_acr(AssuranceLevel.CONFIRMED, [AssuranceLevel.STANDARD.acr])
        for wanted in (AssuranceLevel.CONFIRMED.acr, "unknown"):
            with pytest.raises(UnmetAuthenticationRequirements):
                check_essential_acr(AssuranceLevel.STANDARD, [wanted])


class TestInteractionState:
    SESSION = SignInSession(
        session_id=SessionId(UUID(int=1)),
        person_id=PersonId(UUID(int=2)),
        account_id=AccountId(UUID(int=3)),
        level=AssuranceLevel.CONFIRMED,
        amr=("pwd",),
        auth_time=NOON - timedelta(seconds=10),
        started_at=NOON,
        last_used_at=NOON,
        expires_at=NOON + timedelta(hours=1),
    )
    REQUEST = AuthorizationRequest(
        client_id=ClientId("client-1"),
        redirect_uri=REDIRECT_URI,
        response_mode="query",
        scope=("openid",),
        state=None,
        nonce=None,
        code_challenge=None,
    )

    def acceptable(self, wanted: str | None = None, **change: Any) -> bool:  # noqa: ANN401
        return is_acceptable(
            self.SESSION,
            replace(self.REQUEST, **change),
            sub="sub-1",
            expected_sub=wanted,
            requested_at=NOON,
        )

    def test_session_will_do_when_nothing_is_asked(self) -> None:
        assert self.acceptable()

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_max_age_counts_to_the_second(self) -> None:
        assert self.acceptable(max_age=10)
        assert not self.acceptable(max_age=9)
        assert not self.acceptable(max_age=0)

    @pytest.mark.spec("OIDCC-3.1.2.1")
    @pytest.mark.parametrize("prompt", ["login", "select_account"])
    def test_prompt_wants_a_sign_in_after_the_request(self, prompt: Any) -> None:  # noqa: ANN401
        assert not self.acceptable(prompt=frozenset({prompt}))

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_somebody_else_will_not_do(self) -> None:
        assert self.acceptable("sub-1")
        assert not self.acceptable("sub-2")

    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_hint_wins_over_the_claim(self) -> None:
        request = replace(self.REQUEST, claims=ClaimsRequest(sub="by-claim"))

        assert expected_sub(request, read_hint=str) == "by-claim"
        assert expected_sub(replace(request, id_token_hint="hint"), read_hint=str) == "hint"
        assert expected_sub(self.REQUEST, read_hint=str) is None

    @pytest.mark.spec("OIDCC-3.1.2.6")
    def test_silence_is_refused_for_the_first_thing_that_is_missing(self) -> None:
        def refusal(*, signed_in: bool, asks: bool, first: bool) -> object:
            found = silent_refusal(is_signed_in=signed_in, asks_consent=asks, is_first_visit=first)
            return None if found is None else type(found)

        assert refusal(signed_in=False, asks=True, first=True) is LoginRequired
        assert refusal(signed_in=True, asks=True, first=True) is ConsentRequired
        assert refusal(signed_in=True, asks=False, first=True) is InteractionRequired
        assert refusal(signed_in=True, asks=False, first=False) is None


class TestScopes:
    @pytest.mark.spec("RFC6749-6")
    def test_refreshed_scope_is_the_granted_one_or_less(self) -> None:
        granted = ("openid", "profile")

        assert narrowed_scope(None, granted) == granted
        assert narrowed_scope("openid", granted) == ("openid",)
        for more in ("openid address", "unknown", " "):
            with pytest.raises(InvalidScope):
                narrowed_scope(more, granted)

    @pytest.mark.spec("OIDCC-11")
    def test_refresh_token_of_a_sign_in_is_asked_for(self) -> None:
        client = a_client()

        assert may_refresh(client, ("openid", "offline_access"))
        assert not may_refresh(client, ("openid",))
        assert may_refresh(client, ())
        assert not may_refresh(a_client(grant_types=("authorization_code",)), ())


class TestResponse:
    @pytest.mark.spec("RFC6749-3.1.2")
    def test_registered_query_is_kept(self) -> None:
        response = AuthorizationResponse(
            redirect_uri=REDIRECT_URI + "?tenant=1",
            response_mode="query",
            parameters=(("code", "a b&c"), ("state", "=")),
        )

        assert response.url == REDIRECT_URI + "?tenant=1&code=a+b%26c&state=%3D"
