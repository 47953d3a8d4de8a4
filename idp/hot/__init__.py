"""The hot lane of idp: the OAuth protocol endpoints."""

from starlette.routing import Route

from idp.grant_types import CIBA_GRANT, DEVICE_GRANT, TOKEN_EXCHANGE
from idp.hot.authorization_code import redeem
from idp.hot.backchannel_authentication import backchannel_authentication
from idp.hot.client_credentials import grant_client
from idp.hot.deferred import poll_ciba, poll_device
from idp.hot.device_authorization import device_authorization
from idp.hot.discovery import discovery, jwks
from idp.hot.grants import PATH as GRANTS
from idp.hot.grants import manage_grant, name_a_grant
from idp.hot.introspection import introspect
from idp.hot.par import par
from idp.hot.refresh_token import refresh
from idp.hot.revocation import revoke
from idp.hot.token import token_endpoint
from idp.hot.token_exchange import exchange
from idp.hot.userinfo import userinfo

GRANT_TYPES = {
    "authorization_code": redeem,  # RFC 6749, 4.1.3
    "refresh_token": refresh,  # RFC 6749, 6
    "client_credentials": grant_client,  # RFC 6749, 4.4.2
    TOKEN_EXCHANGE: exchange,  # RFC 8693, 2.1
    DEVICE_GRANT: poll_device,  # RFC 8628, 3.4
    CIBA_GRANT: poll_ciba,  # CIBA, 10.1
}
"""What the token endpoint answers; another grant is another line and another module."""

routes = [
    Route("/token", token_endpoint(GRANT_TYPES), methods=["POST"], name="token"),
    Route("/device_authorization", device_authorization, methods=["POST"], name="device"),
    Route(
        "/backchannel_authentication",
        backchannel_authentication,
        methods=["POST"],
        name="backchannel_authentication",
    ),
    Route("/par", par, methods=["POST"], name="par"),
    Route("/introspect", introspect, methods=["POST"], name="introspect"),
    Route("/revoke", revoke, methods=["POST"], name="revoke"),
    Route("/userinfo", userinfo, methods=["GET", "POST"], name="userinfo"),
    Route(GRANTS, name_a_grant, methods=["GET", "DELETE"]),
    Route(f"{GRANTS}/{{grant_id}}", manage_grant, methods=["GET", "DELETE"], name="grants"),
    Route("/jwks", jwks, methods=["GET"], name="jwks"),
    Route("/.well-known/openid-configuration", discovery, methods=["GET"]),
    Route("/.well-known/oauth-authorization-server", discovery, methods=["GET"]),
]
