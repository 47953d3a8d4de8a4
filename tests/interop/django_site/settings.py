"""A small Django site whose people sign in through `mozilla-django-oidc`.

It is what the package's own documentation tells one to write. What the test knows is in
`DJANGO_SITE`: the issuer, the client, a folder and a port.
"""

import json
import os
from typing import Any

given: dict[str, Any] = json.loads(os.environ["DJANGO_SITE"])

PACKAGE = __name__.rpartition(".")[0]
ISSUER: str = given["issuer"]
PORT: int = given["port"]
SITE = f"http://127.0.0.1:{PORT}"

SECRET_KEY = "for-this-test-only"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = f"{PACKAGE}.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{given['folder']}/django.sqlite",
    }
}
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "mozilla_django_oidc",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mozilla_django_oidc.middleware.SessionRefresh",
]
AUTHENTICATION_BACKENDS = [f"{PACKAGE}.backend.BySub"]
LOGIN_REDIRECT_URL = "/"
LOGIN_REDIRECT_URL_FAILURE = "/?failed"
LOGOUT_REDIRECT_URL = "/"  # Django says None if it is not set, and the package fails on that
OIDC_RP_CLIENT_ID = given["client_id"]
OIDC_RP_CLIENT_SECRET = given["client_secret"]
OIDC_RP_SCOPES = "openid profile"
OIDC_RP_SIGN_ALGO = given.get("alg", "RS256")
OIDC_USE_PKCE = True
OIDC_STORE_ID_TOKEN = True
OIDC_TOKEN_USE_BASIC_AUTH = given.get("basic", False)
OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS = 2
OIDC_EXEMPT_URLS = ["/?failed"]
OIDC_OP_LOGOUT_URL_METHOD = f"{PACKAGE}.urls.end_session_url"
OIDC_OP_AUTHORIZATION_ENDPOINT = f"{ISSUER}/authorize"
OIDC_OP_TOKEN_ENDPOINT = f"{ISSUER}/token"
OIDC_OP_USER_ENDPOINT = f"{ISSUER}/userinfo"
OIDC_OP_JWKS_ENDPOINT = f"{ISSUER}/jwks"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
