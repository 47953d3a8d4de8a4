"""What other contexts may call.

For `partner_api`: `TokenVerifier` and its refusals, and `live_grant`, `live_client`, `spend_proof`,
`spend_assertion` and their binds, idp's parts of a composed statement; `TrustedKeys` for what
agencies sign. For `portal`: who is signed in, and their sessions. For the
composition root: accounts, partners and clients.
"""

from idp.assurance import AssuranceLevel, level_of
from idp.client_certificates import load_authorities
from idp.dependencies import (
    CurrentPerson,
    CurrentSession,
    current_person,
    load_issuers,
    password_hasher_of,
    policy_of,
    provider_of,
)
from idp.dpop import ALGORITHMS as DPOP_ALGORITHMS
from idp.dpop import thumbprint
from idp.errors import (
    InsufficientScope,
    InsufficientUserAuthentication,
    InvalidDPoPProof,
    InvalidResourceProof,
    InvalidToken,
    NotSignedIn,
    OperatorRefused,
    SignInFailed,
    UseResourceNonce,
    UsernameTaken,
)
from idp.jose import FAPI2_ALGORITHMS, NotVerified, TrustedKeys, parse_public_jwk
from idp.model import (
    Account,
    Client,
    ClientProfile,
    Partner,
    SignInSession,
    VerifiedToken,
)
from idp.openapi import OPERATIONS as PROTOCOL_OPERATIONS
from idp.operator_pages import CurrentOperator, current_operator, operator_with
from idp.operators import Operator, OperatorRole
from idp.passwords import PROFILES as PASSWORD_PROFILES
from idp.passwords import PasswordHasher
from idp.provider import Provider
from idp.registration import Registered
from idp.second_factor import code_at as second_factor_code
from idp.service.accounts import create_account
from idp.service.administration import (
    add_client,
    add_partner,
    disable_client,
    issue_initial_access_token,
    list_clients,
    list_partners,
    partner_names,
    tell_subjects,
)
from idp.service.cleanup import delete_expired, empty_rings
from idp.service.closing import close_accounts, reopen_accounts
from idp.service.operators import (
    add_operator,
    change_operator_password,
    disable_operator,
)
from idp.service.second_factors import enrol as enrol_second_factor
from idp.service.second_factors import reset_second_factor
from idp.service.sessions import end_session, list_sessions
from idp.service.upstream_administration import (
    add_upstream,
    disable_upstream,
    list_upstreams,
    parse_level,
    parse_levels,
)
from idp.service.upstreams import can_unlink as can_unlink_upstream
from idp.service.upstreams import list_links as list_upstream_links
from idp.service.upstreams import unlink as unlink_upstream
from idp.signing_out import leave
from idp.statements import (
    assertion_binds,
    lasting_token_binds,
    live_client,
    live_grant,
    request_binds,
    spend_assertion,
    spend_proof,
    token_binds,
)
from idp.store.operators import list_operators
from idp.store.second_factors import list_enrolled as list_second_factors
from idp.token_verification import TokenVerifier, challenge, presented_in
from idp.upstream import Upstream

__all__ = [
    "DPOP_ALGORITHMS",
    "FAPI2_ALGORITHMS",
    "PASSWORD_PROFILES",
    "PROTOCOL_OPERATIONS",
    "Account",
    "AssuranceLevel",
    "Client",
    "ClientProfile",
    "CurrentOperator",
    "CurrentPerson",
    "CurrentSession",
    "InsufficientScope",
    "InsufficientUserAuthentication",
    "InvalidDPoPProof",
    "InvalidResourceProof",
    "InvalidToken",
    "NotSignedIn",
    "NotVerified",
    "Operator",
    "OperatorRefused",
    "OperatorRole",
    "Partner",
    "PasswordHasher",
    "Provider",
    "Registered",
    "SignInFailed",
    "SignInSession",
    "TokenVerifier",
    "TrustedKeys",
    "Upstream",
    "UseResourceNonce",
    "UsernameTaken",
    "VerifiedToken",
    "add_client",
    "add_operator",
    "add_partner",
    "add_upstream",
    "assertion_binds",
    "can_unlink_upstream",
    "challenge",
    "change_operator_password",
    "close_accounts",
    "create_account",
    "current_operator",
    "current_person",
    "delete_expired",
    "disable_client",
    "disable_operator",
    "disable_upstream",
    "empty_rings",
    "end_session",
    "enrol_second_factor",
    "issue_initial_access_token",
    "lasting_token_binds",
    "leave",
    "level_of",
    "list_clients",
    "list_operators",
    "list_partners",
    "list_second_factors",
    "list_sessions",
    "list_upstream_links",
    "list_upstreams",
    "live_client",
    "live_grant",
    "load_authorities",
    "load_issuers",
    "operator_with",
    "parse_level",
    "parse_levels",
    "parse_public_jwk",
    "partner_names",
    "password_hasher_of",
    "policy_of",
    "presented_in",
    "provider_of",
    "reopen_accounts",
    "request_binds",
    "reset_second_factor",
    "second_factor_code",
    "spend_assertion",
    "spend_proof",
    "tell_subjects",
    "thumbprint",
    "token_binds",
    "unlink_upstream",
]
