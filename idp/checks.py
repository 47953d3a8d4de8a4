"""The authorization request: every rule, in the order in which it is checked. No I/O.

Order is security here. Nothing may be sent to a `redirect_uri` before it is known to be the
client's: rules above that line are shown as a page, rules below it are answered to the client.

Each rule looks at the request as it was received and returns the fields of the accepted request
that it vouches for; together they are an `AuthorizationRequest`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, NamedTuple, TypeAlias

from idp import grant_management, pkce, resource_indicators, verified_claims
from idp.authorization_details import parse_authorization_details
from idp.claims import CLAIMS_OF_SCOPE, claims_of_scopes, items_of_claims, parse_claims_parameter
from idp.errors import (
    InvalidAuthorizationDetails,
    InvalidAuthorizationRequest,
    InvalidScope,
    OAuthError,
    RegistrationNotSupported,
    RequestUriNotSupported,
    UnauthorizedClient,
    UnregisteredRedirectUri,
    UnsupportedResponseType,
)
from idp.model import (
    AuthorizationRequest,
    Client,
    DeferredRequest,
    Disclosure,
    JSONObject,
    Prompt,
    ResponseMode,
)
from idp.redirect_uris import is_registered_redirect_uri
from idp.verified_claims import IDENTIFICATION

ReadDisclosure: TypeAlias = Callable[[JSONObject], Disclosure]
"""`consent.api.parse_disclosure`; raises `InvalidAuthorizationDetails`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An authorization request as received, and what it is held against.

    Attributes:
        parameters: Each once, as received.
        resources: Values of `resource`, which may be repeated.
        channel: `browser` for parameters in the authorization request itself, `pushed` for those
            that the authenticated client sent to the PAR endpoint.
        is_signed: Whether the parameters come from a verified request object.
        proof_jkt: Thumbprint of the key of the DPoP proof that came with a pushed request.
        known_resources: What tokens can be issued for.
        read_disclosure: Reads one member of `authorization_details`.
    """

    client: Client
    parameters: Mapping[str, str]
    resources: tuple[str, ...]
    channel: Literal["browser", "pushed"]
    proof_jkt: str | None
    known_resources: tuple[str, ...]
    read_disclosure: ReadDisclosure
    is_signed: bool = False


Fields: TypeAlias = dict[str, Any]


class Rule(NamedTuple):
    """A rule and where it stands."""

    check: Callable[[Submission], Fields]
    clause: str


RESPONSE_TYPES = ("code",)
RESPONSE_MODES: tuple[ResponseMode, ...] = (
    "query", "form_post", "jwt", "query.jwt", "form_post.jwt",
)  # fmt: skip
PROMPTS: tuple[Prompt, ...] = ("none", "login", "consent", "select_account")
DISPLAYS = ("page", "popup", "touch", "wap")

LONGEST_STATE = 4096  # characters; of state and nonce: they come back in an address or a token
LONGEST_MAX_AGE = timedelta(days=366)

_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, A.4
_PRINTABLE = re.compile(r"[\x20-\x7e]*")  # RFC 6749, A.5
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256: RFC 7638, 3


def check_redirect_uri(it: Submission) -> Fields:
    """The address to return to is one that the client registered, character by character."""
    uri = it.parameters.get("redirect_uri")
    if uri is None:
        raise UnregisteredRedirectUri(reason="missing")
    if not is_registered_redirect_uri(uri, it.client.metadata.redirect_uris):
        raise UnregisteredRedirectUri(reason="not registered", redirect_uri=uri[:200])
    return {"redirect_uri": uri}


def check_response_mode(it: Submission) -> Fields:
    """Checked first below the line: it decides how every other refusal travels."""
    mode = it.parameters.get("response_mode", "query")
    if mode not in RESPONSE_MODES:
        raise InvalidAuthorizationRequest("response_mode is not one that is offered.")
    return {"response_mode": mode}


def check_state(it: Submission) -> Fields:
    """State comes back as it was."""
    return {"state": _echoed(it, "state")}


def check_unsupported_parameters(it: Submission) -> Fields:
    """Requests that lie elsewhere, and self-issued registrations."""
    if "request_uri" in it.parameters:
        if it.channel == "pushed":
            raise InvalidAuthorizationRequest("request_uri can't be pushed.")  # RFC 9126, 2.1
        raise RequestUriNotSupported
    if "registration" in it.parameters:
        raise RegistrationNotSupported
    return {}


def check_pushed(it: Submission) -> Fields:
    """Who must push pushed."""
    if it.client.must_push and it.channel != "pushed":
        raise InvalidAuthorizationRequest("This client has to push its authorization requests.")
    return {}


def check_signed(it: Submission) -> Fields:
    """Who must sign signed."""
    if it.client.metadata.require_signed_request_object and not it.is_signed:
        raise InvalidAuthorizationRequest("This client has to sign its authorization requests.")
    return {}


def check_response_type(it: Submission) -> Fields:
    """Only the code flow: nothing that is worth stealing travels through the browser."""
    response_type = it.parameters.get("response_type")
    if response_type is None:
        raise InvalidAuthorizationRequest("response_type is required.")
    if response_type not in RESPONSE_TYPES:
        raise UnsupportedResponseType
    metadata = it.client.metadata
    if response_type not in metadata.response_types or (
        "authorization_code" not in metadata.grant_types
    ):
        raise UnauthorizedClient("The client is not registered for response_type=code.")
    return {}


def check_scope(it: Submission) -> Fields:
    """Scopes that we know and the client may ask for; others are ignored."""
    text = it.parameters.get("scope", "")
    asked = text.split(" ") if text else []
    if not all(_SCOPE_TOKEN.fullmatch(value) for value in asked):
        raise InvalidScope("scope is a list of words with one space between them.")
    offered = set(CLAIMS_OF_SCOPE)
    if not it.client.is_public:  # Grant Management, 5.1: clients that authenticate
        offered |= set(grant_management.SCOPES)
    registered = it.client.metadata.scope
    allowed = offered if registered is None else offered & set(registered.split())
    scope = tuple(dict.fromkeys(value for value in asked if value in allowed))
    if not scope and "authorization_details" not in it.parameters:
        raise InvalidScope("scope names nothing that this client may ask for.")
    return {"scope": scope}


def check_code_challenge(it: Submission) -> Fields:
    """PKCE by S256; required of whoever can't authenticate, and by FAPI 2.0."""
    is_required = it.client.is_public or it.client.is_fapi2
    return {"code_challenge": pkce.parse_code_challenge(it.parameters, is_required=is_required)}


def check_nonce(it: Submission) -> Fields:
    """Nonce comes back in the ID token as it was."""
    return {"nonce": _echoed(it, "nonce")}


def check_prompt(it: Submission) -> Fields:
    """`none` stands alone."""
    prompt = frozenset(it.parameters.get("prompt", "").split())
    if not prompt <= frozenset(PROMPTS):
        raise InvalidAuthorizationRequest("prompt has a value that is not supported.")
    if "none" in prompt and len(prompt) > 1:
        raise InvalidAuthorizationRequest("prompt=none can't be combined.")
    return {"prompt": prompt}


def check_max_age(it: Submission) -> Fields:
    """A whole number of seconds; what the client registered when it is left out."""
    text = it.parameters.get("max_age")
    if text is None:
        return {"max_age": it.client.metadata.default_max_age}
    if not (text.isascii() and text.isdigit()) or len(text) > len("99999999"):
        raise InvalidAuthorizationRequest("max_age is a whole number of seconds.")
    return {"max_age": min(int(text), int(LONGEST_MAX_AGE.total_seconds()))}


def check_acr_values(it: Submission) -> Fields:
    """A wish in order of preference; what we don't know is ignored."""
    asked = it.parameters.get("acr_values", "").split()
    return {"acr_values": tuple(asked) or it.client.metadata.default_acr_values}


def check_hints(it: Submission) -> Fields:
    """Hints that change what is shown, not what is allowed."""
    display = it.parameters.get("display", "page")
    if display not in DISPLAYS:
        raise InvalidAuthorizationRequest("display is page, popup, touch or wap.")
    return {
        "display": display,
        "login_hint": it.parameters.get("login_hint"),
        "ui_locales": it.parameters.get("ui_locales", ""),
        "id_token_hint": it.parameters.get("id_token_hint"),  # verified by the service: needs keys
    }


def check_resources(it: Submission) -> Fields:
    """Resources are ours."""
    return {
        "resources": resource_indicators.parse_resources(it.resources, known=it.known_resources)
    }


def check_authorization_details(it: Submission) -> Fields:
    """Each member is of a type that we know, and asks for what its purpose allows."""
    text = it.parameters.get("authorization_details")
    registered = it.client.metadata.authorization_details_types
    details = () if text is None else parse_authorization_details(text, registered=registered)
    disclosures = tuple(map(it.read_disclosure, details))
    if len({disclosure.purpose for disclosure in disclosures}) != len(disclosures):
        raise InvalidAuthorizationDetails("A purpose is named twice.")
    return {"authorization_details": disclosures}


def check_claims(it: Submission) -> Fields:
    """The `claims` parameter; with the scopes it says what signing in discloses.

    Without `openid` there is no ID token and no UserInfo response, but a scope still asks for what
    it always stands for (RFC 6749, 3.3): a client of plain OAuth reads it from the partner API.
    """
    claims = parse_claims_parameter(it.parameters.get("claims"))
    scope = check_scope(it)["scope"]
    asked = (*claims.userinfo, *claims.id_token) if "openid" in scope else ()
    items = items_of_claims((*claims_of_scopes(scope), *asked))
    return {"claims": claims, "sign_in": _asked_for(it, "sign_in", items)}


def check_verified_claims(it: Submission) -> Fields:
    """Claims that come with how they were verified: asked for under a purpose of their own."""
    verified = parse_claims_parameter(it.parameters.get("claims")).verified
    for asked in verified.values():
        verified_claims.check_request(asked)
    is_openid = "openid" in check_scope(it)["scope"]
    items = verified_claims.items_of_request(verified) if is_openid else ()
    details = check_authorization_details(it)["authorization_details"]
    if items and any(disclosure.purpose == IDENTIFICATION for disclosure in details):
        raise InvalidAuthorizationDetails(f"verified_claims ask for {IDENTIFICATION} already.")
    return {"verified": _asked_for(it, IDENTIFICATION, items)}


def _asked_for(it: Submission, purpose: str, items: Sequence[str]) -> Disclosure | None:
    if not items:
        return None
    return it.read_disclosure(
        {"type": "civitas_disclosure", "purpose": purpose, "items": list(items)}
    )


def check_dpop_jkt(it: Submission) -> Fields:
    """The key that the code is bound to: the one named, and the one proven if there is a proof."""
    jkt = it.parameters.get("dpop_jkt")
    if jkt is not None and not _THUMBPRINT.fullmatch(jkt):
        raise InvalidAuthorizationRequest("dpop_jkt is not a thumbprint.")
    if jkt is not None and it.proof_jkt is not None and jkt != it.proof_jkt:
        raise InvalidAuthorizationRequest("dpop_jkt is not the key of the DPoP proof.")
    return {"dpop_jkt": jkt or it.proof_jkt}


def check_grant_management(it: Submission) -> Fields:
    """The grant that is to be changed, if one is; whether it is there, the service finds out."""
    parameters = it.parameters
    change = grant_management.parse_change(
        parameters.get("grant_management_action"), parameters.get("grant_id")
    )
    if change is not None and it.client.is_public:
        raise UnauthorizedClient("Grants are managed by clients that authenticate.")
    return {"grant_change": change}


# Above the line: shown as a page.
UNREDIRECTED: tuple[Rule, ...] = (
    Rule(check_redirect_uri, "RFC 6749, 3.1.2.3; RFC 9700, 4.1.3; RFC 8252, 7.3"),
)

# Below the line: answered to the client. The first two decide how.
REDIRECTED: tuple[Rule, ...] = (
    Rule(check_response_mode, "OAuth 2.0 Multiple Response Types, 2.1; Form Post Response Mode, 2"),
    Rule(check_state, "RFC 6749, 4.1.1"),
    Rule(check_unsupported_parameters, "OpenID Connect Core, 3.1.2.6; RFC 9126, 2.1"),
    Rule(check_pushed, "RFC 9126, 5; FAPI 2.0 Security Profile, 5.3.2.2"),
    Rule(check_signed, "RFC 9101, 10.5; FAPI 2.0 Message Signing, 5.3.1"),
    Rule(check_response_type, "RFC 6749, 3.1.1 and 4.1.2.1; FAPI 2.0 Security Profile, 5.3.2.2"),
    Rule(check_scope, "RFC 6749, 3.3; OpenID Connect Core, 3.1.2.1"),
    Rule(check_code_challenge, "RFC 7636, 4.3; RFC 9700, 2.1.1"),
    Rule(check_nonce, "OpenID Connect Core, 3.1.2.1"),
    Rule(check_prompt, "OpenID Connect Core, 3.1.2.1"),
    Rule(check_max_age, "OpenID Connect Core, 3.1.2.1"),
    Rule(check_acr_values, "OpenID Connect Core, 3.1.2.1"),
    Rule(check_hints, "OpenID Connect Core, 3.1.2.1"),
    Rule(check_resources, "RFC 8707, 2.1"),
    Rule(check_authorization_details, "RFC 9396, 3 and 5"),
    Rule(check_claims, "OpenID Connect Core, 5.5"),
    Rule(check_verified_claims, "OpenID Connect for Identity Assurance, 5.1 and 5.2"),
    Rule(check_dpop_jkt, "RFC 9449, 10 and 10.1"),
    Rule(check_grant_management, "Grant Management for OAuth 2.0, 5.2"),
)


# Of a request that comes from a device or through the back channel; answered to the client.
DEFERRED: tuple[Rule, ...] = (
    Rule(check_scope, "RFC 6749, 3.3; RFC 8628, 3.1; CIBA, 7.1"),
    Rule(check_acr_values, "CIBA, 7.1"),
    Rule(check_resources, "RFC 8707, 2.1"),
    Rule(check_authorization_details, "RFC 9396, 3 and 5"),
    Rule(check_claims, "OpenID Connect Core, 5.5"),
    Rule(check_verified_claims, "OpenID Connect for Identity Assurance, 5.1 and 5.2"),
)


def check_deferred(it: Submission) -> DeferredRequest:
    """Apply the rules of a request without a browser.

    Raises:
        OAuthError: The first rule that was broken, in its registered code.
    """
    return DeferredRequest(client_id=it.client.client_id, **_apply(DEFERRED, it))


def check_unredirected(it: Submission) -> Fields:
    """Apply the rules whose refusal is shown as a page.

    Raises:
        UnregisteredRedirectUri: 400. Nothing may be sent to the address.
    """
    return _apply(UNREDIRECTED, it)


def check_redirected(it: Submission, established: Fields) -> AuthorizationRequest:
    """Apply the rules whose refusal is answered to the client.

    Args:
        it: The request as received.
        established: From `check_unredirected`.

    Raises:
        OAuthError: The first rule that was broken, in its registered code.
    """
    fields = _apply(REDIRECTED, it)
    return AuthorizationRequest(client_id=it.client.client_id, **established, **fields)


def refusal_fields(it: Submission, refusal: OAuthError) -> tuple[ResponseMode, str | None]:
    """Return how a refusal travels: the response mode and the state, as far as they are sound."""
    mode = it.parameters.get("response_mode", "query")
    state = it.parameters.get("state")
    if state is not None and not _is_echoable(state):
        state = None
    assert refusal.redirectable
    return next((known for known in RESPONSE_MODES if known == mode), "query"), state


def _apply(rules: Sequence[Rule], it: Submission) -> Fields:
    fields: Fields = {}
    for rule in rules:
        fields.update(rule.check(it))
    return fields


def _echoed(it: Submission, name: str) -> str | None:
    value = it.parameters.get(name)
    if value is not None and not _is_echoable(value):
        raise InvalidAuthorizationRequest(f"{name} is too long or has unprintable characters.")
    return value


def _is_echoable(value: str) -> bool:
    return len(value) <= LONGEST_STATE and _PRINTABLE.fullmatch(value) is not None
