"""Who calls: clients as this process knows them, authenticated.

What is known of a client is remembered, keys parsed and all, and never trusted by itself: every
statement carries `unchanged_client`, and when the row has another revision by then, the request is
done once more with what it says now. So a disabled client or a replaced key counts at once.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import orjson
from starlette.requests import Request

from idp.buckets import DPOP_PROOFS
from idp.client_authentication import (
    NO_CERTIFICATE,
    Authenticated,
    Connection,
    authenticate,
    read_credentials,
)
from idp.client_certificates import client_certificate_of
from idp.dependencies import provider_of
from idp.dpop import DPoPProof, verify_proof
from idp.errors import InvalidClient, InvalidDPoPProof
from idp.jose import NotVerified, PublicKey, parse_jwks
from idp.model import Client
from idp.mtls import SELF_SIGNED_TLS_CLIENT_AUTH, ClientCertificate, certificates_of
from idp.provider import Provider
from idp.remote_keys import remote_keys_of
from idp.statements import assertion_binds
from idp.store.clients import client_of, live_client
from kernel.db import Fetcher, HotStatement
from kernel.secret import sha256
from kernel.web import Form

T = TypeVar("T")

MOST_REMEMBERED = 10_000

_LIVE_CLIENT = HotStatement(live_client())


class ClientChangedError(Exception):
    """The client is not what this process knew of it; the request is done once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownClient:
    """A client and its keys, ready to verify with."""

    client: Client
    keys: tuple[PublicKey, ...]
    certificates: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated client and its request.

    Attributes:
        proof: The DPoP proof that came along, verified and still to be spent.
        binds: For the statement: the client as it was known, and its assertion.
        keys: The client's own keys, for whatever else it signed.
        certificate: Of the connection, if there was one.
    """

    provider: Provider
    client: Client
    form: Form
    proof: DPoPProof | None
    at: datetime
    binds: dict[str, object]
    keys: Sequence[PublicKey] = ()
    certificate: ClientCertificate | None = None

    @property
    def proof_binds(self) -> dict[str, object]:
        """For the statement: the proof, if there is one."""
        if self.proof is None:
            return {}
        return {
            "idp_proof_slot": DPOP_PROOFS.slot(self.proof.made_at),
            "idp_proof_digest": self.proof.digest,
        }

    @property
    def x5t(self) -> str | None:
        """What its tokens are bound to by certificate: RFC 8705, 3.4."""
        if self.certificate is None or not self.client.binds_to_certificate:
            return None
        return self.certificate.thumbprint

    @property
    def has_assertion(self) -> bool:
        """Whether there is an assertion to spend."""
        return "assertion_digest" in self.binds


class KnownClients:
    """The clients that this process has met; one per process, used from its event loop only."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownClient] = OrderedDict()

    async def get(self, pool: Fetcher, client_id: str, *, fresh: bool) -> KnownClient | None:
        """Return a client; None if there is none that may act.

        Args:
            pool: The database.
            client_id: Which.
            fresh: Whether to look it up even if it is remembered.
        """
        if not fresh and (known := self._known.get(client_id)) is not None:
            return known
        self._known.pop(client_id, None)
        row = await _LIVE_CLIENT.fetchrow(pool, client_id=client_id)
        if row is None:
            return None
        client = client_of(dict(row), orjson.loads(row["metadata"]))
        try:
            keys = () if client.metadata.jwks is None else parse_jwks(client.metadata.jwks)
        except NotVerified:
            keys = ()  # registered before we refused such keys: the client can't authenticate
        known = self._known[client_id] = KnownClient(
            client=client, keys=keys, certificates=certificates_of(client.metadata.jwks)
        )
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return known


def known_clients_of(request: Request) -> KnownClients:
    """Return the clients that this process has met."""
    state = request.app.state
    known: KnownClients | None = getattr(state, "known_clients", None)
    if known is None:
        known = state.known_clients = KnownClients()
    return known


async def as_client(
    request: Request,
    form: Form,
    *,
    endpoint: str,
    takes_proof: bool,
    act: Callable[[Caller], Awaitable[T]],
) -> T:
    """Authenticate the client and do what it asks; once more if it turns out to have changed.

    Args:
        request: The request.
        form: Its parameters.
        endpoint: Path of the endpoint, below the issuer.
        takes_proof: Whether a DPoP proof that came along is looked at.
        act: What the client asks; raises `ClientChangedError` when `unchanged_client` has no row.

    Raises:
        InvalidClient: 401. Not authenticated, unknown, or disabled.
        InvalidDPoPProof: 400. The proof is not for this request.
    """
    state = request.app.state
    provider = provider_of(request)
    known_clients = known_clients_of(request)
    at: datetime = state.clock.now()
    presented = read_credentials(request.headers.get("authorization"), form)
    certificate = client_certificate_of(request)
    address = provider.issuer + endpoint
    proof = _proof(request, provider, address, at=at) if takes_proof else None
    for fresh in (False, True):
        known = await known_clients.get(state.hot_pool, presented.client_id, fresh=fresh)
        keys = () if known is None else known.keys
        if known is not None and (address_of_keys := known.client.metadata.jwks_uri) is not None:
            needed_for = presented.assertion or form.get("request")
            keys = await remote_keys_of(request).get(
                address_of_keys, policy=provider.policy, needed_for=needed_for, at=at
            )
        try:
            authenticated = authenticate(
                None if known is None else known.client,
                presented,
                keys=keys,
                issuer=provider.issuer,
                endpoints=() if presented.assertion is None else _endpoints(provider, address),
                policy=provider.policy,
                at=at,
                connection=(
                    NO_CERTIFICATE
                    if certificate is None
                    else await _connection(request, provider, known, certificate, at=at)
                ),
            )
            return await act(
                Caller(
                    provider=provider,
                    client=authenticated.client,
                    form=form,
                    proof=proof,
                    at=at,
                    binds=_binds(authenticated),
                    keys=keys,
                    certificate=certificate,
                )
            )
        except InvalidClient:
            # What is remembered may be old: look before refusing.
            if fresh:
                raise
        except ClientChangedError:
            continue
    raise InvalidClient(reason="disabled while it called")


def _endpoints(provider: Provider, address: str) -> tuple[str, ...]:
    token_endpoint = f"{provider.issuer}/token"
    return *provider.addresses_of(address), *provider.addresses_of(token_endpoint)


async def _connection(
    request: Request,
    provider: Provider,
    known: KnownClient | None,
    certificate: ClientCertificate,
    *,
    at: datetime,
) -> Connection:
    """Return what the client's connection says, and what it is held against."""
    return Connection(
        certificate=certificate,
        authorities=provider.authorities,
        registered=await _certificates(request, provider, known, certificate, at=at),
    )


async def _certificates(
    request: Request,
    provider: Provider,
    known: KnownClient | None,
    certificate: ClientCertificate,
    *,
    at: datetime,
) -> frozenset[bytes]:
    """Return the certificates that the client registered, wherever it keeps them."""
    if known is None:
        return frozenset()
    metadata = known.client.metadata
    if metadata.token_endpoint_auth_method != SELF_SIGNED_TLS_CLIENT_AUTH:
        return frozenset()
    if metadata.jwks_uri is None:
        return known.certificates
    digest = sha256(certificate.der)
    jwks = await remote_keys_of(request).get_jwks(
        metadata.jwks_uri,
        policy=provider.policy,
        is_enough=lambda jwks: digest in certificates_of(jwks),
        at=at,
    )
    return certificates_of(jwks)


def _binds(authenticated: Authenticated) -> dict[str, object]:
    client = authenticated.client
    binds: dict[str, object] = {
        "client_id": client.client_id,
        "client_revision": client.revision,
    }
    if authenticated.assertion_digest is not None:
        assert authenticated.assertion_expires_at is not None
        binds.update(
            assertion_binds(authenticated.assertion_digest, authenticated.assertion_expires_at)
        )
    return binds


def _proof(request: Request, provider: Provider, address: str, *, at: datetime) -> DPoPProof | None:
    proofs = request.headers.getlist("dpop")
    if not proofs:
        return None
    if len(proofs) > 1:  # RFC 9449, 4.3, 1
        raise InvalidDPoPProof("There is more than one DPoP proof.")
    return verify_proof(
        proofs[0],
        method=request.method,
        uris=provider.addresses_of(address),
        at=at,
        policy=provider.policy,
        nonce_key=provider.dpop_nonce_key,
    )
