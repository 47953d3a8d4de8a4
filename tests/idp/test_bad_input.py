"""Bad input, by name: what it is, where it is sent, and that it changes and reveals nothing."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from idp.client_authentication import ASSERTION_TYPE
from idp.grant_types import CIBA_GRANT
from idp.model import ClientProfile
from kernel.secret import random_b64url
from tests.idp.idp_world import (
    ISSUER,
    NOON,
    REDIRECT_URI,
    IdpWorld,
    ProofKey,
    RelyingParty,
    claims_of,
)
from tests.idp.test_ciba import signed as signed_request

FORM = "application/x-www-form-urlencoded"
ENDPOINTS = [
    "/token", "/par", "/introspect", "/revoke", "/device_authorization",
    "/backchannel_authentication",
]  # fmt: skip


@pytest.fixture(scope="module")
def parties(opened_world: IdpWorld) -> dict[str, RelyingParty]:
    """Clients that many tests only read."""
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    return {
        "keyed": opened_world.a_relying_party(
            method="private_key_jwt",
            grant_types=[*grants, CIBA_GRANT],
            backchannel_token_delivery_mode="poll",
        ),
        "secret": opened_world.a_relying_party(),
        "fapi2": opened_world.a_relying_party(
            profile=ClientProfile.FAPI2, method="private_key_jwt"
        ),
    }


@pytest.fixture
def keyed(world: IdpWorld, parties: dict[str, RelyingParty]) -> RelyingParty:
    assert world.clock.now() == NOON
    return parties["keyed"]


def post(world: IdpWorld, path: str, body: str | bytes, content_type: str = FORM) -> httpx.Response:
    return world.http.post(path, content=body, headers={"Content-Type": content_type})


def b64(value: object) -> str:
    text = value if isinstance(value, bytes) else orjson.dumps(value)
    return urlsafe_b64encode(text).rstrip(b"=").decode()


def refused(answer: httpx.Response) -> str:
    """Return the error of an answer that refuses as RFC 6749, 5.2 says, and says no more."""
    assert answer.status_code in {400, 401, 403, 413}, answer.text
    body = answer.json()
    assert set(body) == {"error", "error_description"}
    assert body["error"].isascii()
    assert "Traceback" not in answer.text
    return str(body["error"])


INFINITE, NOT_A_NUMBER = b'{"exp":1e999}', b'{"exp":NaN}'
HEADER = b64({"alg": "ES256", "kid": "key-1"})
MALFORMED_JWTS = {
    "empty": "",
    "no dots": "nonsense",
    "two parts": f"{HEADER}.{b64({})}",
    "four parts": f"{HEADER}.{b64({})}.AAAA.AAAA",
    "five parts, as if encrypted": ".".join([HEADER, *["AAAA"] * 4]),
    "empty parts": "..",
    "not base64url": f"{HEADER}.!!!!.????",
    "padded": f"{HEADER}=.{b64({})}=.AAAA=",
    "header is no JSON": f"{b64(b'{')}.{b64({})}.AAAA",
    "header is a list": f"{b64([])}.{b64({})}.AAAA",
    "header is null": f"{b64(None)}.{b64({})}.AAAA",
    "header nested too deep": f"{b64(b'[' * 9000)}.{b64({})}.AAAA",
    "alg is a list": f"{b64({'alg': ['ES256']})}.{b64({})}.AAAA",
    "alg is missing": f"{b64({})}.{b64({})}.AAAA",
    "kid is a list": f"{b64({'alg': 'ES256', 'kid': [1]})}.{b64({})}.AAAA",
    "critical extension": f"{b64({'alg': 'ES256', 'crit': ['x'], 'x': 1})}.{b64({})}.AAAA",
    "payload is a list": f"{HEADER}.{b64([1])}.AAAA",
    "payload is no UTF-8": f"{HEADER}.{b64(bytes([0xFF, 0xFE]))}.AAAA",
    "payload has infinity": f"{HEADER}.{b64(INFINITE)}.AAAA",
    "payload has NaN": f"{HEADER}.{b64(NOT_A_NUMBER)}.AAAA",
    "long": f"{HEADER}.{'A' * 15_000}.AAAA",
    "not ASCII": "жук.жук.жук",
}


class TestMalformedJWT:
    """In every place where a JWT is read."""

    @pytest.mark.spec("RFC8725-3.11")
    @pytest.mark.parametrize("name", MALFORMED_JWTS)
    def test_is_refused_everywhere(
        self, world: IdpWorld, keyed: RelyingParty, parties: dict[str, RelyingParty], name: str
    ) -> None:
        bad = MALFORMED_JWTS[name]
        asserted = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": bad}
        codes = {
            path: refused(post(world, path, urlencode(asserted | {"token": "x"})))
            for path in ENDPOINTS
        }
        codes["request"] = refused(keyed.post("/par", {"request": bad or "."}))
        codes["ciba"] = refused(keyed.post("/backchannel_authentication", {"request": bad or "."}))
        codes["login_hint_token"] = refused(
            keyed.post(
                "/backchannel_authentication", {"scope": "openid", "login_hint_token": bad or "."}
            )
        )
        if bad.isascii():  # a header can't be anything else
            party = parties["secret"]
            proof = {"DPoP": bad or "."}
            form = {"grant_type": "client_credentials"}
            codes["proof"] = refused(party.post("/token", form, headers=proof))
            answer = world.http.get("/userinfo", headers={"Authorization": f"Bearer {bad or '.'}"})
            codes["token"] = refused(answer)
        shown = parties["secret"].post("/introspect", {"token": bad or "."})

        assert set(codes.values()) <= {
            "invalid_client", "invalid_request", "invalid_request_object", "invalid_dpop_proof",
            "invalid_token",
        }  # fmt: skip
        assert (shown.status_code, shown.json()) == (200, {"active": False})

    @pytest.mark.parametrize("name", MALFORMED_JWTS)
    def test_in_the_address_is_told_to_the_client_or_shown(
        self, world: IdpWorld, keyed: RelyingParty, name: str
    ) -> None:
        browser = world.browser()
        for parameter in ("request", "id_token_hint"):
            answer = browser.get(keyed.url(**{parameter: MALFORMED_JWTS[name] or "."}))

            assert answer.status_code == 303
            assert answer.headers["location"].startswith(f"{REDIRECT_URI}?error=invalid_request")


class TestKeyConfusion:
    """A public key is no HMAC secret, and `none` no signature: RFC 8725, 2.1."""

    def secrets_of(self, key: ProofKey) -> list[bytes]:
        public = key.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return [pem, pem.strip(), orjson.dumps(key.jwk), b""]

    def forge(self, claims: dict[str, Any], secret: bytes, alg: str, **header: Any) -> str:  # noqa: ANN401
        """Sign as no library lets one: HMAC with whatever is at hand, or not at all."""
        import hmac  # noqa: PLC0415

        signed = f"{b64({'alg': alg, 'kid': 'key-1', **header})}.{b64(claims)}"
        if alg.lower() == "none":
            return f"{signed}."
        return f"{signed}.{b64(hmac.digest(secret, signed.encode(), 'sha256'))}"

    @pytest.mark.spec("RFC8725-3.1")
    @pytest.mark.parametrize("alg", ["HS256", "none", "None", "NONE", "nOnE", "hs256", ""])
    def test_forged_with_a_public_key(
        self, world: IdpWorld, keyed: RelyingParty, parties: dict[str, RelyingParty], alg: str
    ) -> None:
        now = int(world.clock.now().timestamp())
        asserted = claims_of(keyed.assertion())
        said = {"iss": keyed.client_id, "aud": ISSUER, "client_id": keyed.client_id}
        request = said | keyed.parameters() | {"nbf": now, "exp": now + 60}
        proof = {"htm": "POST", "htu": f"{ISSUER}/token", "iat": now}
        for secret in self.secrets_of(keyed.key):
            assertion = self.forge(asserted | {"jti": random_b64url(8)}, secret, alg)
            form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
            answer = post(world, "/token", urlencode(form | {"grant_type": "client_credentials"}))
            assert refused(answer) == "invalid_client"
            pushed = keyed.post("/par", {"request": self.forge(request, secret, alg)})
            assert refused(pushed) == "invalid_request_object"
            made = self.forge(
                proof | {"jti": random_b64url(8)}, secret, alg, typ="dpop+jwt", jwk=keyed.key.jwk
            )
            answer = parties["secret"].post(
                "/token", {"grant_type": "client_credentials"}, headers={"DPoP": made}
            )
            assert refused(answer) == "invalid_dpop_proof"

    @pytest.mark.spec("RFC8725-3.1")
    @pytest.mark.parametrize("alg", ["HS256", "none"])
    def test_access_token_forged_with_our_published_keys(
        self, world: IdpWorld, parties: dict[str, RelyingParty], alg: str
    ) -> None:
        party = parties["secret"]
        good = party.post("/token", {"grant_type": "client_credentials"}).json()["access_token"]
        header, claims = jwt.get_unverified_header(good), claims_of(good)
        for jwk in world.http.get("/jwks").json()["keys"]:
            for secret in (orjson.dumps(jwk), jwk.get("x", jwk.get("n")).encode(), b""):
                forged = self.forge(claims, secret, alg, typ=header["typ"], kid=jwk["kid"])

                shown = party.post("/introspect", {"token": forged})
                read = world.http.get("/userinfo", headers={"Authorization": f"Bearer {forged}"})

                assert shown.json() == {"active": False}
                assert read.status_code == 401


class TestSmuggledKeys:
    """Keys that a JWT brings along, or says where to get, are not looked at: RFC 8725, 3.10."""

    @pytest.mark.spec("RFC8725-3.10")
    @pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "x5t#S256", "kid"])
    def test_in_the_header(self, world: IdpWorld, keyed: RelyingParty, member: str) -> None:
        attacker = ProofKey()
        value: Any = {
            "jwk": attacker.jwk,
            "jku": "https://attacker.example/jwks",
            "x5u": "https://attacker.example/chain.pem",
            "x5c": ["MIIB"],
            "x5t#S256": "AAAA",
            "kid": "../../dev/null",
        }[member]
        now = int(world.clock.now().timestamp())

        def forged(claims: dict[str, Any]) -> str:
            return jwt.encode(
                claims, attacker.private, algorithm="ES256", headers={"kid": "key-1", member: value}
            )

        assertion = forged(claims_of(keyed.assertion()))
        form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        answer = post(world, "/token", urlencode(form | {"grant_type": "client_credentials"}))
        assert refused(answer) == "invalid_client"
        request = forged(
            {"aud": ISSUER, "nbf": now, "exp": now + 60}
            | {"iss": keyed.client_id}
            | keyed.parameters()
        )
        assert refused(keyed.post("/par", {"request": request})) == "invalid_request_object"
        asked = forged(claims_of(signed_request(keyed, login_hint="anna")))
        answer = keyed.post("/backchannel_authentication", {"request": asked})
        assert refused(answer) == "invalid_request"
        token = forged({"iss": ISSUER, "aud": ISSUER, "exp": now + 60, "client_id": "x"})
        read = world.http.get("/userinfo", headers={"Authorization": f"Bearer {token}"})
        assert refused(read) == "invalid_token"


class TestForms:
    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_parameter_of_a_megabyte(self, world: IdpWorld, path: str) -> None:
        answer = post(world, path, f"client_id={'x' * (1 << 20)}")

        assert answer.status_code == 413
        assert refused(answer)

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_parameter_as_long_as_a_body_may_be(self, world: IdpWorld, path: str) -> None:
        answer = post(world, path, f"client_id={'x' * 60_000}")

        assert refused(answer) == "invalid_request"

    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_more_parameters_than_anybody_needs(self, world: IdpWorld, path: str) -> None:
        answer = post(world, path, "&".join(f"p{n}=1" for n in range(200)))

        assert refused(answer) == "invalid_request"

    @pytest.mark.spec("RFC6749-3.2")
    @pytest.mark.parametrize("path", ENDPOINTS)
    @pytest.mark.parametrize("name", ["client_id", "scope", "token", "grant_type", "x"])
    def test_repeated_parameter(self, world: IdpWorld, path: str, name: str) -> None:
        body = f"{name}=a&{name}=a"

        assert refused(post(world, path, body)) == "invalid_request"

    @pytest.mark.spec("RFC6749-3.2")
    @pytest.mark.parametrize("path", ENDPOINTS)
    @pytest.mark.parametrize(
        "content_type",
        ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "x", FORM + "x"],
    )
    def test_wrong_content_type(self, world: IdpWorld, path: str, content_type: str) -> None:
        answer = post(world, path, "grant_type=client_credentials", content_type)

        assert refused(answer) == "invalid_request"

    @pytest.mark.parametrize("path", ENDPOINTS)
    @pytest.mark.parametrize(
        "body",
        [b"\xff\xfe", b"client_id=%ff", b"client_id=%00", b"client_id=\xd1", b"%", b"&&&=&=", b""],
        ids=repr,
    )
    def test_broken_encoding(self, world: IdpWorld, path: str, body: bytes) -> None:
        answer = post(world, path, body)

        assert refused(answer) in {"invalid_request", "invalid_client"}

    @pytest.mark.spec("RFC6749-2.3")
    def test_two_ways_of_authenticating(self, parties: dict[str, RelyingParty]) -> None:
        party = parties["secret"]
        assert party.secret is not None
        form = {"grant_type": "client_credentials", "client_secret": party.secret}

        answer = party.post("/token", form | {"client_id": party.client_id})

        assert refused(answer) in {"invalid_request", "invalid_client"}


class TestSameAnswer:
    """What is unknown and what is not the caller's look the same."""

    @pytest.mark.spec("RFC6749-5.2")
    def test_client_that_there_is_not_and_secret_that_is_wrong(
        self, world: IdpWorld, parties: dict[str, RelyingParty]
    ) -> None:
        there = RelyingParty(world=world, client_id=parties["secret"].client_id, secret="guess")
        nowhere = RelyingParty(world=world, client_id="nobody", secret="guess")
        for path in ENDPOINTS:
            form = {"token": "x", "grant_type": "client_credentials"}
            answers = [party.post(path, form) for party in (there, nowhere)]

            assert {answer.status_code for answer in answers} == {401}
            assert answers[0].content == answers[1].content
            assert answers[0].headers.get("www-authenticate") == answers[1].headers.get(
                "www-authenticate"
            )

    @pytest.mark.spec("RFC7662-2.2")
    @pytest.mark.spec("RFC7009-2.2")
    def test_token_of_another_client_and_token_of_nobody(
        self, world: IdpWorld, parties: dict[str, RelyingParty], keyed: RelyingParty
    ) -> None:
        theirs = keyed.tokens(world.someone(), scope="openid offline_access")
        party = parties["secret"]
        for path in ("/introspect", "/revoke"):
            answers = [
                party.post(path, {"token": token})
                for token in (theirs["access_token"], theirs["refresh_token"], "x", "cvr_x")
            ]

            assert {answer.status_code for answer in answers} == {200}
            assert len({answer.content for answer in answers}) == 1
        assert keyed.refresh(theirs["refresh_token"]).status_code == 200

    @pytest.mark.spec("RFC6749-5.2")
    def test_code_and_refresh_token_of_another_client(
        self, world: IdpWorld, parties: dict[str, RelyingParty], keyed: RelyingParty
    ) -> None:
        person, party = world.someone(), parties["secret"]
        code = keyed.code(person)
        token = keyed.tokens(person, scope="openid offline_access")["refresh_token"]

        answers = [party.redeem(each) for each in (code, "cvc0_x", "x")]
        answers += [party.refresh(each) for each in (token, "cvr_x", "x")]

        assert {answer.status_code for answer in answers} == {400}
        assert len({answer.content for answer in answers}) == 1


class TestRedirects:
    """Nobody is sent where a client did not register: RFC 9700, 4.11."""

    @pytest.mark.spec("RFC9700-4.11.1")
    @pytest.mark.parametrize(
        "place",
        [
            lambda rp, to: rp.url(redirect_uri=to),
            lambda _, to: f"/end-session?{urlencode({'post_logout_redirect_uri': to})}",
            lambda rp, to: (
                "/end-session?"
                + urlencode({"client_id": rp.client_id, "post_logout_redirect_uri": to})
            ),
            lambda _, to: f"/sign-in?{urlencode({'next': to, 'return_to': to})}",
        ],
        ids=["authorize", "end-session", "end-session of a client", "sign-in"],
    )
    @pytest.mark.parametrize(
        "to",
        [
            "https://attacker.example/",
            "//attacker.example/",
            "/\\attacker.example/",
            "https:attacker.example",
            "https://rp.example@attacker.example/callback",
            "https://rp.example%2eattacker.example/callback",
            "https://rp.example\\@attacker.example/callback",
            "https://RP.example/callback",
            "https://rp.example:443/callback",
            "https://rp.example/callback/",
            "https://rp.example/callback?x",
            "https://rp.example/callback#x",
            "https://rp.example/./callback",
            "https://rp.example/x/%2e%2e/callback",
            "https://rp.exаmple/callback",  # a Cyrillic а
            "https://xn--rp-exmple-x.example/callback",
            "http://rp.example/callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "\thttps://rp.example/callback",
        ],
    )
    def test_open_redirect(
        self,
        world: IdpWorld,
        parties: dict[str, RelyingParty],
        place: Callable[[RelyingParty, str], str],
        to: str,
    ) -> None:
        answer = world.browser().get(place(parties["secret"], to))

        location = answer.headers.get("location", "/")
        assert location.startswith("/")
        assert not location.startswith(("//", "/\\"))
        assert answer.status_code < 500

    @pytest.mark.spec("RFC9207-2.4")
    def test_mix_up(self, world: IdpWorld, keyed: RelyingParty) -> None:
        """Every answer says whose it is, so that a client never takes a code to somebody else."""
        browser, person = world.browser(), world.someone()
        answers = [
            browser.authorize(keyed.url(), person),
            browser.authorize(keyed.url(prompt="consent"), person, "deny"),
            browser.authorize(keyed.url(scope="no-such-scope")),
            browser.authorize(
                keyed.url(prompt="none", claims='{"id_token":{"sub":{"value":"x"}}}')
            ),
        ]

        assert [answer["iss"] for answer in answers] == [ISSUER] * 4
        assert "code" in answers[0]
        assert all("error" in answer for answer in answers[1:])
