"""Write what a run of the OpenID conformance suite against Civitas needs.

    python examples/conformance_config.py https://localhost:9443 suite anna lantern-volga-11

writes into the folder `suite`:

    oidcc.json                    for the plans of OpenID Connect: clients register themselves
    fapi2.json                    for FAPI 2.0, with the keys and certificates of two clients
    ciba.json                     for FAPI-CIBA; put an initial access token into it
    ekyc.json                     for identity assurance
    client1.json, client2.json    what `civitas client add` is told of the clients of fapi2.json

`--auth`, `--bound`, `--signed`, `--jarm`, `--plain-oauth`, `--grants` and `--machine` say which
variant of FAPI 2.0 it shall be. The suite's own browser signs in and agrees as the person that is
named, and stores the pages of which a module wants a picture. docs/conformance.md says how it goes
on.
"""

import argparse
import datetime as dt
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

ALIAS = "civitas"
SUITE = "https://localhost.emobix.co.uk:8443"
SCOPE = "openid profile offline_access"
MANAGED = "grant_management_query grant_management_revoke"
PICTURE = ["wait", "xpath", "//*", 10, "Civitas", "update-image-placeholder"]

# Modules that end on a page of ours, of which the suite wants a picture.
REFUSED = (
    "oidcc-ensure-registered-redirect-uri",
    "oidcc-ensure-redirect-uri-in-authorization-request",
    "oidcc-redirect-uri-query-added",
    "oidcc-redirect-uri-query-mismatch",
    "fapi2-security-profile-final-par-attempt-to-use-expired-request_uri",
    "fapi2-security-profile-final-par-attempt-to-use-request_uri-for-different-client",
)
SHOWN = ("logo-uri", "policy-uri", "tos-uri")
NOT_SIGNED_OUT = (
    "bad-post-logout-redirect-uri", "modified-id-token-hint", "no-id-token-hint",
    "query-added-to-post-logout-redirect-uri", "bad-id-token-hint",
)  # fmt: skip
SIGNED_OUT = ("no-params", "no-post-logout-redirect-uri", "only-state")
SECOND_LOGIN = ("oidcc-prompt-login", "oidcc-max-age-1")
REUSED = "fapi2-security-profile-final-par-attempt-reuse-request_uri"
VISITED_TWICE = (
    "fapi2-security-profile-final-par-ensure-reused-request-uri-prior-to-auth-completion-succeeds"
)
REJECTED = "fapi2-security-profile-final-user-rejects-authentication"
VERIFIED: dict[str, Any] = {
    "verification": {
        "trust_framework": None,
        "assurance_level": None,
        "time": None,
        "evidence": [{"type": {"value": "document"}, "document_details": {"type": None}}],
    },
    "claims": {"given_name": None, "family_name": None, "birthdate": None},
}

Json = dict[str, Any]


class _Pages:
    """What the suite's browser does on our pages."""

    def __init__(self, issuer: str, username: str, password: str) -> None:
        self.issuer = issuer
        self.username, self.password = username, password

    def page(self, task: str, address: str, *commands: list[Any], optional: bool = False) -> Json:
        said = {"task": task, "match": f"{self.issuer}{address}", "commands": list(commands)}
        return {**said, "optional": True} if optional else said

    def sign_in(self, *first: list[Any]) -> Json:
        return self.page(
            "Sign in",
            "/interaction/*",
            *first,
            ["text", "id", "username", self.username, "optional"],
            ["text", "id", "password", self.password, "optional"],
            ["click", "id", "sign-in", "optional"],
            optional=True,
        )

    def consent(self) -> Json:
        return self.page(
            "Agree", "/interaction/*", ["click", "id", "allow", "optional"], optional=True
        )

    def go_back(self) -> Json:
        """Refuse before signing in: who agreed once is not asked again."""
        return self.page("Refuse", "/interaction/*", ["click", "id", "go-back"])

    def arrived(self) -> Json:
        waited = ["wait", "id", "submission_complete", 10]
        return {
            "task": "Arrive",
            "match": f"*/test/a/{ALIAS}/callback*",
            "commands": [waited],
        }

    def authorize(self, *tasks: Json, limit: int | None = None) -> Json:
        visit: Json = {"match": f"{self.issuer}/authorize*", "tasks": list(tasks)}
        return visit if limit is None else {**visit, "match-limit": limit}

    def end_session(self, *tasks: Json) -> Json:
        return {"match": f"{self.issuer}/end-session*", "tasks": list(tasks)}

    @property
    def as_usual(self) -> Json:
        return self.authorize(self.sign_in(), self.consent(), self.arrived())

    def browser(self) -> list[Json]:
        """Return what is done unless a module wants something else."""
        asked = self.page(
            "Sign out", "/end-session*", ["click", "id", "sign-out", "optional"], optional=True
        )
        told = self.page("Go on", "/*", ["click", "id", "continue", "optional"], optional=True)
        back = {"task": "Come back", "match": f"*/test/a/{ALIAS}/post_logout_redirect*"}
        answered = {
            "task": "Hear whether the session is the same",
            "match": f"*/test/a/{ALIAS}/*",
            "commands": [["wait", "contains", "session_result", 10]],
        }
        watched = {"match": f"*/test/a/{ALIAS}/*session_verify", "tasks": [answered]}
        return [self.as_usual, self.end_session(asked, told, back), watched]

    def override(self) -> dict[str, Json]:
        """Return what is done instead, by module."""
        refused = self.authorize(self.page("Be refused", "/authorize*", PICTURE))
        shown = self.authorize(self.page("See who asks", "/interaction/*", PICTURE))
        seen = self.sign_in([*PICTURE[:-1], "update-image-placeholder-optional"])
        sign_out = self.page(
            "Sign out", "/end-session*", ["click", "id", "sign-out", "optional"], optional=True
        )
        signed_out = self.end_session(sign_out, self.page("See it", "/signed-out*", PICTURE))
        stayed = self.end_session(self.page("Stay signed in", "/end-session*", PICTURE))
        visits = {
            **{module: [refused] for module in REFUSED},
            **{f"oidcc-registration-{name}": [shown] for name in SHOWN},
            **{
                f"oidcc-rp-initiated-logout-{name}": [self.as_usual, stayed]
                for name in NOT_SIGNED_OUT
            },
            **{
                f"oidcc-rp-initiated-logout-{name}": [self.as_usual, signed_out]
                for name in SIGNED_OUT
            },
            **{
                module: [self.authorize(seen, self.consent(), self.arrived())]
                for module in SECOND_LOGIN
            },
            REUSED: [
                self.authorize(self.sign_in(), self.consent(), self.arrived(), limit=1),
                refused,
            ],
            VISITED_TWICE: [
                self.authorize(self.page("Look", "/interaction/*"), limit=1),
                self.as_usual,
            ],
            REJECTED: [self.authorize(self.go_back(), self.arrived())],
        }
        return {module: {"browser": browser} for module, browser in visits.items()}


class Client:
    """A client's key, and a certificate that nobody vouches for."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.client_id)])
        today = dt.datetime.now(dt.UTC)  # noqa: TID251  # an operator's own program
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=365))
            .sign(self.key, hashes.SHA256())
        )

    def _pem(self) -> str:
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode()

    def jwk(self, *, private: bool) -> Json:
        """Return the key."""
        key = RSAKey.import_key(self._pem())
        found = dict(key.as_dict(private=private))
        return found | {"kid": f"{self.client_id}-key", "alg": "PS256", "use": "sig"}

    @property
    def mtls(self) -> Json:
        """Return the certificate as the suite is told of it."""
        return {"cert": self.certificate.public_bytes(Encoding.PEM).decode(), "key": self._pem()}

    def metadata(self, wanted: argparse.Namespace) -> Json:
        """Return what Civitas is told of the client."""
        callback = f"{wanted.suite}/test/a/{ALIAS}/callback"
        public = self.jwk(private=False)
        found: Json = {
            "client_name": f"Conformance suite, {self.client_id}",
            "redirect_uris": [callback, f"{callback}?dummy1=lorem&dummy2=ipsum"],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "scope": SCOPE,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [public]},
        }
        if wanted.grants:
            found["scope"] += f" {MANAGED}"
        if wanted.machine:
            found = {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [public]},
                "scope": "register.feed.report",
            }
        if wanted.auth == "mtls":
            der = self.certificate.public_bytes(Encoding.PEM).decode().splitlines()[1:-1]
            found |= {
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks": {"keys": [public | {"x5c": ["".join(der)]}]},
            }
        if wanted.bound == "mtls":
            found["tls_client_certificate_bound_access_tokens"] = True
        if wanted.signed:
            found |= {"require_signed_request_object": True, "request_object_signing_alg": "PS256"}
        if wanted.jarm:
            found["authorization_signed_response_alg"] = "PS256"
        return found

    def configuration(self, wanted: argparse.Namespace) -> Json:
        """Return what the suite is told of it."""
        scope = self.metadata(wanted)["scope"]
        return {
            "client_id": self.client_id,
            "scope": scope.removeprefix("openid ") if wanted.plain_oauth else scope,
            "jwks": {"keys": [self.jwk(private=True)]},
        }


def shared_by_plans(wanted: argparse.Namespace) -> Json:
    """Return what every plan is told."""
    pages = _Pages(wanted.issuer, wanted.username, wanted.password)
    return {
        "alias": ALIAS,
        "description": f"Civitas at {urlsplit(wanted.issuer).netloc}",
        "server": {
            "discoveryUrl": f"{wanted.issuer}/.well-known/openid-configuration",
            "login_hint": wanted.username,
        },
        "browser": pages.browser(),
        "override": pages.override(),
    }


def configurations(wanted: argparse.Namespace, first: Client, second: Client) -> dict[str, Json]:
    """Return every file by its name."""
    shared = shared_by_plans(wanted)
    read = "/partner/v1/person" if wanted.plain_oauth else "/userinfo"
    if wanted.machine:
        read = "/agency/v1/feeds"
    resource = {"resourceUrl": f"{wanted.mtls_url or wanted.issuer}{read}"}
    ciba = {
        "scope": "openid offline_access",
        "hint_type": "login_hint",
        "hint_value": wanted.username,
        "initial_access_token": "from: civitas partner token suite --profile oidc --uses 500",
    }
    approval = "http://127.0.0.1:8003/?auth_req_id={auth_req_id}&action={action}"
    return {
        "oidcc.json": shared
        | {"client": {"client_name": "suite-oidc-1"}, "client2": {"client_name": "suite-oidc-2"}},
        "fapi2.json": shared
        | {
            "client": first.configuration(wanted),
            "client2": second.configuration(wanted),
            "mtls": first.mtls,
            "mtls2": second.mtls,
            "resource": resource,
        },
        "ciba.json": shared
        | {
            "client": {"client_name": "suite-ciba-1"} | ciba,
            "client2": {"client_name": "suite-ciba-2"} | ciba,
            "automated_ciba_approval_url": approval,
            "resource": resource,
        },
        "ekyc.json": shared
        | {
            "client": {"client_name": "suite-ekyc-1"},
            "ekyc": {
                "unverified_claims_names": ["given_name", "birthdate"],
                "verified_claims_request_list": [{"userinfo": {"verified_claims": VERIFIED}}],
            },
        },
        "client1.json": first.metadata(wanted),
        "client2.json": second.metadata(wanted),
    }


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    said = argparse.ArgumentParser(description="Write what the conformance suite needs.")
    said.add_argument("issuer", help="of Civitas, https")
    said.add_argument("folder", type=Path)
    said.add_argument("username", help="of a person of the sandbox")
    said.add_argument("password")
    said.add_argument("--suite", default=SUITE, help="address of the suite")
    said.add_argument("--mtls-url", help="CIVITAS_MTLS_URL, if it is not the issuer")
    said.add_argument("--clients", default="suite", help="what their identifiers begin with")
    said.add_argument("--auth", choices=["private_key_jwt", "mtls"], default="private_key_jwt")
    said.add_argument("--bound", choices=["dpop", "mtls"], default="dpop")
    said.add_argument("--signed", action="store_true", help="signed requests")
    said.add_argument("--jarm", action="store_true", help="signed answers")
    said.add_argument("--plain-oauth", action="store_true", help="without OpenID Connect")
    said.add_argument("--grants", action="store_true", help="grant management")
    said.add_argument("--machine", action="store_true", help="client credentials, of an agency")
    return said.parse_args(given)


def main(wanted: argparse.Namespace) -> None:
    """Write the files; keys are for their owner's eyes."""
    first, second = Client(f"{wanted.clients}-1"), Client(f"{wanted.clients}-2")
    wanted.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in configurations(wanted, first, second).items():
        file = wanted.folder / name
        file.touch(mode=0o600)
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(arguments())
