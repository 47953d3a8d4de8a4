"""What a client may choose from when it registers: one rule and one sentence each. No I/O.

Source:
    RFC 7591, 2; OpenID Connect Registration, 2; FAPI 2.0 Security Profile, 5.
"""

from collections.abc import Callable
from typing import NamedTuple

from idp import grant_management
from idp.access_tokens import FORMATS
from idp.assurance import ACR_VALUES
from idp.claims import CLAIMS_OF_SCOPE
from idp.client_authentication import FAPI2_METHODS, METHODS
from idp.errors import InvalidClientMetadata
from idp.grant_types import CIBA_GRANT, DEVICE_GRANT, GRANT_TYPES, TOKEN_EXCHANGE
from idp.jose import ALGORITHMS, FAPI2_ALGORITHMS
from idp.model import (
    NO_AUTHENTICATION,
    PING,
    POLL,
    PUSH,
    ClientMetadata,
    ClientProfile,
)
from idp.resource_scopes import RESOURCE_SCOPES
from idp.tokens import ID_TOKEN_ALGORITHMS

DELIVERY_MODES = (POLL, PING, PUSH)
FAPI2_DELIVERY_MODES = (POLL, PING)  # FAPI-CIBA, 5.2.2, 3: no push
RESPONSE_TYPES = ("code",)
OFFERED_SCOPES = {*CLAIMS_OF_SCOPE, *grant_management.SCOPES, *RESOURCE_SCOPES}
LONGEST_NAME = 100  # characters, as shown to people

SWITCHES = (
    "backchannel_user_code_parameter",
    "require_pushed_authorization_requests", "dpop_bound_access_tokens", "require_auth_time",
    "require_signed_request_object", "backchannel_logout_session_required",
    "frontchannel_logout_session_required", "tls_client_certificate_bound_access_tokens",
)  # fmt: skip


class _Offer(NamedTuple):
    """A rule about what may be chosen, and what is said when it is broken."""

    holds: Callable[[ClientMetadata, bool], bool]
    said: str


# Metadata and whether it is of a FAPI 2.0 client, in the order in which they are checked.
_OFFERS: tuple[_Offer, ...] = (
    _Offer(
        lambda m, fapi2: m.token_endpoint_auth_method in (FAPI2_METHODS if fapi2 else METHODS),
        "token_endpoint_auth_method is not offered.",
    ),
    _Offer(
        lambda m, _: bool(m.grant_types) and set(m.grant_types) <= set(GRANT_TYPES),
        "A grant type is not offered.",
    ),
    _Offer(
        lambda m, _: (
            (CIBA_GRANT in m.grant_types) == (m.backchannel_token_delivery_mode is not None)
        ),
        "The CIBA grant and backchannel_token_delivery_mode go together.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.backchannel_token_delivery_mode
            in {None, *(FAPI2_DELIVERY_MODES if fapi2 else DELIVERY_MODES)}
        ),
        "backchannel_token_delivery_mode is not offered.",
    ),
    _Offer(
        lambda m, _: (
            (m.backchannel_token_delivery_mode in {PING, PUSH})
            == (m.backchannel_client_notification_endpoint is not None)
        ),
        "backchannel_client_notification_endpoint is for ping and push.",
    ),
    _Offer(
        # Nobody proves a key where tokens are pushed.
        lambda m, _: (
            m.backchannel_token_delivery_mode != PUSH
            or not (m.dpop_bound_access_tokens or m.tls_client_certificate_bound_access_tokens)
        ),
        "Tokens that are bound to a key can't be pushed.",
    ),
    _Offer(
        lambda m, _: (
            CIBA_GRANT not in m.grant_types or m.token_endpoint_auth_method != NO_AUTHENTICATION
        ),  # CIBA, 7.1
        "CIBA is for clients that authenticate.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.backchannel_authentication_request_signing_alg
            in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "backchannel_authentication_request_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, _: not m.backchannel_user_code_parameter,
        "backchannel_user_code_parameter is not offered.",
    ),
    _Offer(
        # Nothing ties a device to the browser in which a person allows it.
        lambda m, fapi2: not (fapi2 and DEVICE_GRANT in m.grant_types),
        "The device grant is no part of FAPI 2.0.",
    ),
    _Offer(
        lambda m, _: set(m.response_types) <= set(RESPONSE_TYPES),
        "Only response_type code is offered.",
    ),
    _Offer(
        lambda m, _: (
            not {"client_credentials", TOKEN_EXCHANGE} & set(m.grant_types)
            or m.token_endpoint_auth_method != NO_AUTHENTICATION
        ),  # RFC 6749, 4.4; RFC 8693, 5
        "client_credentials and token exchange are for clients that authenticate.",
    ),
    _Offer(
        lambda m, fapi2: m.id_token_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "id_token_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.userinfo_signed_response_alg in {None, *_id_token_algorithms(fapi2=fapi2)}
        ),
        "userinfo_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.token_endpoint_auth_signing_alg
            in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "token_endpoint_auth_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: m.authorization_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "authorization_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, fapi2: m.introspection_signed_response_alg in _id_token_algorithms(fapi2=fapi2),
        "introspection_signed_response_alg is not offered.",
    ),
    _Offer(
        lambda m, _: m.access_token_format in {None, *FORMATS},
        "access_token_format is jwt or opaque.",
    ),
    _Offer(
        lambda m, fapi2: (
            m.request_object_signing_alg in {None, *(FAPI2_ALGORITHMS if fapi2 else ALGORITHMS)}
        ),
        "request_object_signing_alg is not offered.",
    ),
    _Offer(
        lambda m, _: set(m.default_acr_values) <= set(ACR_VALUES),
        "A value of default_acr_values is not ours.",
    ),
    _Offer(
        lambda m, _: set(m.authorization_details_types) <= {"civitas_disclosure"},
        "A type of authorization_details is not ours.",
    ),
    _Offer(
        lambda m, _: m.scope is None or bool(set(m.scope.split()) & OFFERED_SCOPES),
        "scope names nothing that we offer.",
    ),
    _Offer(
        lambda m, _: len(m.client_name) <= LONGEST_NAME and m.client_name.isprintable(),
        "client_name is too long or can't be shown.",
    ),
    _Offer(
        lambda m, _: m.descriptive.get("subject_type", "pairwise") == "pairwise",
        "subject_type is pairwise.",
    ),
    _Offer(
        lambda m, _: all(isinstance(getattr(m, name), bool) for name in SWITCHES),
        "A switch is neither true nor false.",
    ),
    _Offer(
        lambda m, _: (
            m.default_max_age is None
            or (type(m.default_max_age) is int and 0 <= m.default_max_age < 1 << 31)
        ),
        "default_max_age is a whole number of seconds.",
    ),
)


def check_offered(metadata: ClientMetadata, profile: ClientProfile) -> None:
    """Hold what is chosen against what we offer."""
    for offer in _OFFERS:
        if not offer.holds(metadata, profile is ClientProfile.FAPI2):
            raise InvalidClientMetadata(offer.said)


def _id_token_algorithms(*, fapi2: bool) -> tuple[str, ...]:
    return FAPI2_ALGORITHMS if fapi2 else ID_TOKEN_ALGORITHMS  # FAPI 2.0, 5.4
