"""The grant types that we offer, by their registered names. No I/O."""

# RFC 8693, 2.1
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a grant type
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628, 3.4
CIBA_GRANT = "urn:openid:params:grant-type:ciba"  # CIBA, 10.1
GRANT_TYPES = (
    "authorization_code", "refresh_token", "client_credentials", TOKEN_EXCHANGE, DEVICE_GRANT,
    CIBA_GRANT,
)  # fmt: skip
