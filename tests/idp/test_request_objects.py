"""Request objects (RFC 9101): what a client signs counts, and nothing else passes for one."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from idp.client_addresses import check_addresses
from idp.errors import InvalidClientMetadata, InvalidRequestObject
from idp.jose import parse_jwks
from idp.model import Client, ClientProfile
from idp.policy import Policy
from idp.remote import RemoteDocuments
from idp.request_objects import RequestObject, open_request_object
from kernel.secret import b64url
from tests.idp.idp_world import IdpWorld, RelyingParty, claims_of, disclosure, parameters_of
from tests.idp.pure import (
    EC_KEY,
    ISSUER,
    NOON,
    OTHER_EC_KEY,
    RSA_KEY,
    a_client,
    public_jwk,
    signed,
)
from tests.idp.test_remote_keys import Site

NOW = int(NOON.timestamp())
HOUR = 3600
KEYS = parse_jwks({"keys": [public_jwk(EC_KEY, kid="1"), public_jwk(RSA_KEY, kid="2")]})


def a_request_object(**change: object) -> dict[str, object]:
    return {
        "iss": "client-1",
        "aud": ISSUER,
        "client_id": "client-1",
        "response_type": "code",
        "scope": "openid",
        "nbf": NOW,
        "exp": NOW + 300,
    } | change


def opened(compact: str, client: Client | None = None) -> RequestObject:
    return open_request_object(
        client or a_client(), compact, KEYS, issuer=ISSUER, policy=Policy(), at=NOON
    )


class TestOpening:
    @pytest.mark.spec("RFC9101-4")
    def test_members_become_parameters(self) -> None:
        claims = a_request_object(
            max_age=300, claims={"userinfo": {"name": None}}, resource=["https://a", "https://b"]
        )

        request = opened(signed(claims, typ="oauth-authz-req+jwt"))

        assert request.parameters == {
            "client_id": "client-1",
            "response_type": "code",
            "scope": "openid",
            "max_age": "300",
            "claims": '{"userinfo":{"name":null}}',
        }
        assert request.resources == ("https://a", "https://b")

    @pytest.mark.spec("RFC9101-6.1")
    @pytest.mark.parametrize("alg", ["none", "HS256"])
    def test_unsigned_and_symmetric_are_refused(self, alg: str) -> None:
        secret = "" if alg == "none" else "s" * 32

        with pytest.raises(InvalidRequestObject):
            opened(jwt.encode(a_request_object(), secret, algorithm=alg))

    @pytest.mark.spec("RFC9101-6.2")
    @pytest.mark.parametrize(
        "compact",
        [
            pytest.param(signed(a_request_object(), key=OTHER_EC_KEY), id="another key"),
            pytest.param(signed(a_request_object(client_id="client-2")), id="another client"),
            pytest.param(signed(a_request_object(client_id=None)), id="no client"),
            pytest.param(signed(a_request_object(iss="client-2")), id="another issuer"),
            pytest.param(signed(a_request_object(aud="https://other.example")), id="audience"),
            pytest.param(signed(a_request_object(exp=NOW)), id="expired now"),
            pytest.param(signed(a_request_object(exp="soon")), id="exp of another type"),
            pytest.param(signed(a_request_object(nbf=NOW + 61)), id="not yet"),
            pytest.param(signed(a_request_object(request="x")), id="a request inside"),
            pytest.param(signed(a_request_object(request_uri="urn:x")), id="an address inside"),
            pytest.param(signed(a_request_object(scope=1.5)), id="a parameter of another type"),
            pytest.param(signed(a_request_object(state=True)), id="a truth value"),
            pytest.param(signed(a_request_object(resource=[1])), id="a resource that is no text"),
            pytest.param("x.y", id="no JWS"),
            pytest.param(signed(a_request_object())[:-4] + "AAAA", id="changed"),
        ],
    )
    def test_refused(self, compact: str) -> None:
        with pytest.raises(InvalidRequestObject):
            opened(compact)

    @pytest.mark.spec("RFC9101-10.8")
    @pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "logout+jwt"])
    def test_another_kind_of_jwt_is_refused(self, typ: str) -> None:
        with pytest.raises(InvalidRequestObject, match="typ"):
            opened(signed(a_request_object(), typ=typ))

    @pytest.mark.spec("RFC9101-10.8")
    def test_client_assertion_is_no_request_object(self) -> None:
        with pytest.raises(InvalidRequestObject, match="assertion"):
            opened(signed(a_request_object(sub="client-1")))

    def test_algorithm_is_the_registered_one(self) -> None:
        client = a_client(request_object_signing_alg="RS256")

        opened(signed(a_request_object(), key=RSA_KEY, alg="RS256"), client)
        with pytest.raises(InvalidRequestObject):
            opened(signed(a_request_object()), client)


class TestFAPI2:
    @pytest.mark.spec("FAPI2-MS-5.3.1-3")
    @pytest.mark.parametrize(
        "change",
        [
            {"nbf": None},
            {"exp": None},
            {"nbf": NOW - HOUR - 1},
            {"nbf": NOW, "exp": NOW + HOUR + 1},
            {"aud": None},
        ],
        ids=["no nbf", "no exp", "nbf long ago", "a long life", "no audience"],
    )
    def test_refused(self, change: dict[str, Any]) -> None:
        with pytest.raises(InvalidRequestObject):
            opened(signed(a_request_object(**change)), a_client(profile=ClientProfile.FAPI2))

    def test_just_within_its_limits(self) -> None:
        claims = a_request_object(nbf=NOW - HOUR + 1, exp=NOW + 1)

        opened(signed(claims), a_client(profile=ClientProfile.FAPI2))

    @pytest.mark.spec("FAPI2-SP-FINAL-5.4.1")
    def test_rs256_is_refused(self) -> None:
        with pytest.raises(InvalidRequestObject):
            opened(
                signed(a_request_object(), key=RSA_KEY, alg="RS256"),
                a_client(profile=ClientProfile.FAPI2),
            )


def request_object(client: RelyingParty, verifier: str, **change: object) -> str:
    at = int(client.world.clock.now().timestamp())
    claims: dict[str, object] = {
        **client.parameters(verifier),
        "iss": client.client_id,
        "aud": client.world.provider.issuer,
        "nbf": at,
        "exp": at + 300,
    }
    claims |= change
    return signed(claims, key=client.key.private, kid="key-1", typ="oauth-authz-req+jwt")


class TestThroughTheBrowser:
    @pytest.mark.spec("RFC9101-5.1")
    def test_signed_request_signs_in(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        verifier = client.verifier()
        compact = request_object(client, verifier, state="inside")

        got = world.browser().authorize(
            f"/authorize?client_id={client.client_id}&request={compact}", world.someone()
        )

        assert got["state"] == "inside"
        assert client.redeem(got["code"], verifier).status_code == 200

    @pytest.mark.spec("RFC9101-6.3")
    def test_what_stands_beside_it_does_not_count(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        verifier = client.verifier()
        compact = request_object(client, verifier, state=None)

        got = world.browser().authorize(
            f"/authorize?client_id={client.client_id}&state=outside&request={compact}",
            world.someone(),
        )

        assert "state" not in got

    def test_broken_one_is_answered_where_the_client_said(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        url = client.url(client.verifier(), request="broken")

        answer = world.browser().get(url)

        got = parameters_of(answer.headers["location"])
        assert got["error"] == "invalid_request_object"
        assert got["state"] == "st-1"

    @pytest.mark.spec("RFC6749-4.1.2.1")
    @pytest.mark.parametrize("name", ['a"b', "a\\b", "строка", "a\r\nb", "a\tb"])
    def test_what_the_client_wrote_comes_back_in_plain_characters(
        self, world: IdpWorld, name: str
    ) -> None:
        client = world.a_relying_party(method="private_key_jwt")
        compact = request_object(client, client.verifier(), **{name: True})
        query = urlencode({"request": compact})

        answer = world.browser().get(client.url(client.verifier()) + "&" + query)
        pushed = client.post("/par", {"request": compact})

        said = [
            parameters_of(answer.headers["location"])["error_description"],
            pushed.json()["error_description"],
        ]
        for text in said:
            assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", text)

    def test_broken_one_without_an_address_is_a_page(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt")

        answer = world.browser().get(f"/authorize?client_id={client.client_id}&request=broken")

        assert answer.status_code == 400
        assert "location" not in answer.headers

    @pytest.mark.spec("RFC9101-10.5")
    def test_client_that_must_sign_is_held_to_it(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt", require_signed_request_object=True)

        answer = world.browser().get(client.url(client.verifier()))

        assert parameters_of(answer.headers["location"])["error"] == "invalid_request"


OBJECT_URI = "https://rp.example/requests/1#a-digest-of-it"


class TestByReference:
    def publish(self, world: IdpWorld, content: str, status: int = 200) -> Site:
        """Let the client's site answer with a request object."""
        site = Site(httpx.Response(status, content=content.encode()))
        world.app.state.remote_documents = RemoteDocuments(site)
        return site

    def url(self, client: RelyingParty, request_uri: str = OBJECT_URI, **more: str) -> str:
        query = {"client_id": client.client_id, "request_uri": request_uri, **more}
        return f"/authorize?{urlencode(query)}"

    @pytest.mark.spec("RFC9110-4.2.5")
    @pytest.mark.spec("OIDCC-6.2")
    @pytest.mark.spec("RFC9101-5.2")
    def test_object_at_a_registered_address_signs_in(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt", request_uris=[OBJECT_URI])
        verifier = client.verifier()
        site = self.publish(world, request_object(client, verifier, state="inside"))

        got = world.browser().authorize(self.url(client), world.someone())

        assert got["state"] == "inside"
        assert client.redeem(got["code"], verifier).status_code == 200
        assert site.asked_for == ["https://rp.example/requests/1"]  # a fragment is not sent

    @pytest.mark.spec("OIDCC-6.2")
    @pytest.mark.parametrize(
        "request_uri",
        [
            "https://rp.example/requests/2",
            "https://rp.example/requests/1",
            "http://127.0.0.1/latest",
            "https://rp.example/requests/1#another",
        ],
        ids=["unknown", "without its fragment", "inside", "another fragment"],
    )
    def test_nothing_is_fetched_from_another_address(
        self, world: IdpWorld, request_uri: str
    ) -> None:
        client = world.a_relying_party(method="private_key_jwt", request_uris=[OBJECT_URI])
        site = self.publish(world, request_object(client, client.verifier()))

        page = world.browser().get(self.url(client, request_uri))
        answer = world.browser().get(client.url(client.verifier(), request_uri=request_uri))

        assert page.status_code == 400
        assert "location" not in page.headers
        assert parameters_of(answer.headers["location"])["error"] == "invalid_request_uri"
        assert site.asked_for == []

    @pytest.mark.spec("RFC9101-7")
    def test_address_that_does_not_answer_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt", request_uris=[OBJECT_URI])
        self.publish(world, "gone", status=404)

        answer = world.browser().get(client.url(client.verifier(), request_uri=OBJECT_URI))

        assert parameters_of(answer.headers["location"])["error"] == "invalid_request_uri"

    @pytest.mark.spec("RFC9101-7")
    def test_object_of_another_client_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt", request_uris=[OBJECT_URI])
        other = world.a_relying_party(method="private_key_jwt")
        self.publish(world, request_object(other, other.verifier()))

        answer = world.browser().get(client.url(client.verifier(), request_uri=OBJECT_URI))

        assert parameters_of(answer.headers["location"])["error"] == "invalid_request_object"

    @pytest.mark.spec("RFC9101-5")
    def test_by_value_and_by_reference_exclude_each_other(self, world: IdpWorld) -> None:
        client = world.a_relying_party(method="private_key_jwt", request_uris=[OBJECT_URI])
        compact = request_object(client, client.verifier())
        site = self.publish(world, compact)

        answer = world.browser().get(client.url(request=compact, request_uri=OBJECT_URI))

        assert parameters_of(answer.headers["location"])["error"] == "invalid_request_object"
        assert site.asked_for == []

    @pytest.mark.spec("RFC9126-5")
    def test_client_that_must_push_is_not_read_from_elsewhere(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client(request_uris=[OBJECT_URI])
        site = self.publish(world, request_object(client, client.verifier()))

        answer = world.browser().get(client.url(client.verifier(), request_uri=OBJECT_URI))

        assert parameters_of(answer.headers["location"])["error"] == "request_uri_not_supported"
        assert site.asked_for == []

    @pytest.mark.spec("OIDCR-2")
    @pytest.mark.parametrize(
        "uri",
        ["ftp://rp.example/r", "https:///r", "https://a@rp.example/r", "https://rp.example/ä",
         "https://rp.example/" + "x" * 500, "r"],
    )  # fmt: skip
    def test_address_that_would_not_be_fetched_is_not_registered(self, uri: str) -> None:
        with pytest.raises(InvalidClientMetadata, match="request_uris"):
            check_addresses(
                a_client(request_uris=(uri,)).metadata,
                Policy(allows_http=True),
                ClientProfile.OIDC,
            )


class TestPushed:
    @pytest.mark.spec("RFC9126-3")
    def test_signed_request_can_be_pushed(self, world: IdpWorld) -> None:
        client, person = world.a_fapi2_client(require_signed_request_object=True), world.someone()
        verifier = client.verifier()
        details = disclosure("family_name")
        compact = request_object(client, verifier, authorization_details=details)
        pushed = client.post("/par", {"request": compact})
        assert pushed.status_code == 201, pushed.text

        got = world.browser().authorize(
            f"/authorize?client_id={client.client_id}&request_uri={pushed.json()['request_uri']}",
            person,
        )

        tokens = client.redeem(got["code"], verifier).json()
        assert claims_of(tokens["access_token"])["authorization_details"]

    @pytest.mark.spec("FAPI2-MS-5.3.1-1")
    def test_unsigned_request_of_who_must_sign_is_refused(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client(require_signed_request_object=True)

        assert client.push(client.verifier()).json()["error"] == "invalid_request"

    @pytest.mark.spec("RFC9126-3")
    def test_request_of_another_client_is_refused(self, world: IdpWorld) -> None:
        client, other = world.a_fapi2_client(), world.a_fapi2_client()

        answer = client.post("/par", {"request": request_object(other, other.verifier())})

        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_request_object"

    @pytest.mark.spec("RFC9126-2.1")
    def test_address_can_not_be_pushed_beside_it(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client()
        form = {"request": request_object(client, client.verifier()), "request_uri": "urn:x"}

        assert client.post("/par", form).json()["error"] == "invalid_request_object"


class TestJARM:
    @pytest.mark.spec("JARM-2.1")
    @pytest.mark.parametrize("mode", ["jwt", "query.jwt"])
    def test_code_comes_in_a_signed_response(self, world: IdpWorld, mode: str) -> None:
        client, person = world.a_fapi2_client(), world.someone()
        verifier = client.verifier()

        got = world.browser().authorize(client.pushed_url(verifier, response_mode=mode), person)

        assert set(got) == {"response"}
        keys = jwt.PyJWKSet.from_dict(world.http.get("/jwks").json())
        kid = jwt.get_unverified_header(got["response"])["kid"]
        claims = jwt.decode(
            got["response"],
            keys[kid],
            algorithms=["ES256"],
            audience=client.client_id,
            issuer=world.provider.issuer,
            options={"verify_exp": False, "require": ["exp", "aud", "iss"]},
        )
        assert claims["state"] == "st-1"
        assert claims["exp"] <= (world.clock.now() + timedelta(minutes=10)).timestamp()
        assert client.redeem(claims["code"], verifier).status_code == 200

    @pytest.mark.spec("JARM-2.3.4")
    def test_refusal_is_signed_too(self, world: IdpWorld) -> None:
        client = world.a_fapi2_client()
        url = client.pushed_url(client.verifier(), response_mode="jwt")

        got = world.browser().authorize(url, world.someone(), decision="deny")

        assert claims_of(got["response"])["error"] == "access_denied"

    @pytest.mark.spec("JARM-2.3.3")
    def test_form_post_carries_one_field(self, world: IdpWorld) -> None:
        client = world.a_relying_party()
        url = client.url(
            client.verifier(), response_mode="form_post.jwt", prompt="none", state="<x>"
        )

        answer = world.browser().get(url)

        assert answer.status_code == 200
        assert 'name="response"' in answer.text
        assert 'name="error"' not in answer.text
        assert b64url(b"x") not in answer.headers.get("location", "")

    def test_algorithm_is_the_registered_one(self, world: IdpWorld) -> None:
        client = world.a_relying_party(authorization_signed_response_alg="PS256")

        answer = world.browser().get(
            client.url(client.verifier(), response_mode="jwt", prompt="none")
        )

        response = parameters_of(answer.headers["location"])["response"]
        assert jwt.get_unverified_header(response)["alg"] == "PS256"

    def test_fragment_mode_is_refused(self, world: IdpWorld) -> None:
        client = world.a_relying_party()

        answer = world.browser().get(client.url(client.verifier(), response_mode="fragment.jwt"))

        assert parameters_of(answer.headers["location"])["error"] == "invalid_request"
