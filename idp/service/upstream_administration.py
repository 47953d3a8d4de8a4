"""Upstream providers as an operator enters them."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from sqlalchemy.orm import Session

from idp.assurance import AssuranceLevel
from idp.errors import UpstreamNotPossible
from idp.provider import Provider
from idp.service.upstreams import credential_place
from idp.store import upstreams as store
from idp.tokens import ID_TOKEN_ALGORITHMS
from idp.upstream import Upstream
from kernel.errors import InvalidRequest, NotFound
from kernel.secret import Secret
from kernel.strict_json import parse_json

AUTH_METHODS = ("client_secret_basic", "private_key_jwt")
_UPSTREAM_ID = re.compile("[a-z][a-z0-9-]{1,39}")


def add_upstream(
    session: Session, provider: Provider, upstream: Upstream, credential: Secret[str]
) -> None:
    """Enter an upstream provider.

    Args:
        session: The open transaction.
        provider: Ourselves.
        upstream: As the operator wants it.
        credential: Our secret there, or our private key as a JWK.

    Raises:
        UpstreamNotPossible: 400. It can't work as it is, or its identifier is taken.
    """
    _check(upstream, allows_http=provider.policy.allows_http)
    _check_credential(upstream.auth_method, credential)
    sealed = provider.keyring.seal_system(
        credential.reveal().encode(), associated_data=credential_place(upstream.upstream_id)
    )
    if not store.insert_upstream(session, upstream, credential_sealed=sealed):
        raise UpstreamNotPossible("There is an upstream of that name.")


def list_upstreams(session: Session) -> Sequence[Upstream]:
    """Return all upstream providers, those out of use too."""
    return store.list_upstreams(session)


def disable_upstream(session: Session, upstream_id: str, *, at: datetime) -> None:
    """Take an upstream provider out of use: nobody signs in through it from now on.

    Raises:
        NotFound: 404. There is none of that name in use.
    """
    if not store.disable_upstream(session, upstream_id, at=at):
        raise NotFound("There is no such upstream in use.")


def parse_levels(said: Mapping[str, str]) -> dict[str, AssuranceLevel]:
    """Read what an upstream's `acr`, or `amr:<value>`, is worth here.

    Raises:
        UpstreamNotPossible: 400. A level that there is not.
    """
    return {name: parse_level(level) for name, level in said.items()}


def parse_level(name: str) -> AssuranceLevel:
    """Read a level by its name.

    Raises:
        UpstreamNotPossible: 400. There is none of that name.
    """
    try:
        return AssuranceLevel[name.upper()]
    except KeyError as error:
        raise UpstreamNotPossible("A level is simplified, standard or confirmed.") from error


def _check(upstream: Upstream, *, allows_http: bool) -> None:
    if not _UPSTREAM_ID.fullmatch(upstream.upstream_id):
        raise UpstreamNotPossible("The name has lower-case Latin letters, digits and - only.")
    address = urlsplit(upstream.issuer)
    is_secure = address.scheme == "https" or (address.scheme == "http" and allows_http)
    if not (is_secure and address.netloc) or address.query or address.fragment:
        raise UpstreamNotPossible("The issuer is an https address without query and fragment.")
    if not upstream.algorithms or not set(upstream.algorithms) <= set(ID_TOKEN_ALGORITHMS):
        raise UpstreamNotPossible(f"Algorithms are among {', '.join(ID_TOKEN_ALGORITHMS)}.")
    if "openid" not in upstream.scope.split():
        raise UpstreamNotPossible("The scope has openid.")
    if not (upstream.name_ru.strip() and upstream.name_en.strip() and upstream.client_id):
        raise UpstreamNotPossible("The names and the client identifier are not empty.")


def _check_credential(auth_method: str, credential: Secret[str]) -> None:
    if auth_method not in AUTH_METHODS:
        raise UpstreamNotPossible(f"The method is {' or '.join(AUTH_METHODS)}.")
    if not credential.reveal():
        raise UpstreamNotPossible("The secret or key is empty.")
    if auth_method != "private_key_jwt":
        return
    try:
        jwk: Any = parse_json(credential.reveal())
        key = JWKRegistry.import_key(jwk)
    except (InvalidRequest, JoseError, ValueError, TypeError, KeyError) as error:
        raise UpstreamNotPossible("The key is not a private JWK.") from error
    if not key.is_private or key.key_type not in {"EC", "RSA", "OKP"}:
        raise UpstreamNotPossible("The key is not a private JWK.")
