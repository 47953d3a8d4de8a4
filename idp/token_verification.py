"""Verify the access token and the DPoP proof that came with a request to a resource.

An access token that was verified once is remembered by its digest until it expires: its signature
and its claims can't change. Its revocation can, and so can everything it stands for: that is looked
up in the statement that reads (`live_grant`). A proof is for one request and is verified each time.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace
from starlette.requests import HTTPConnection
from typing_extensions import override

from idp.claims import claims_of_scopes, items_of_claims
from idp.client_certificates import client_certificate_of
from idp.disclosures import read_disclosure
from idp.dpop import ALGORITHMS, DPoPProof, verify_proof
from idp.errors import (
    InvalidDPoPProof,
    InvalidResourceProof,
    InvalidToken,
    UseDPoPNonce,
    UseResourceNonce,
)
from idp.jose import NotVerified
from idp.model import Disclosure, VerifiedToken
from idp.mtls import ClientCertificate, is_bound_to
from idp.provider import Provider
from idp.tokens import AccessToken
from kernel.secret import Secret, b64url, sha256

MOST_REMEMBERED = 10_000

_ALGS = " ".join(ALGORITHMS)


class PresentedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a request to a resource brings.

    Attributes:
        authorization: The `Authorization` header, or None.
        proofs: Every `DPoP` header.
        method: Of the request.
        uri: Our public address of the resource, without query.
        certificate: Of the connection, if there was one.
    """

    authorization: str | None
    proofs: Sequence[str]
    method: str
    uri: str
    certificate: ClientCertificate | None = None

    @override
    def __repr__(self) -> str:
        """Say what for, not what with."""
        return f"PresentedToken({self.method} {self.uri})"


def presented_in(request: HTTPConnection, *, uri: str) -> PresentedToken:
    """Return what the headers of a request present.

    Args:
        request: To a resource.
        uri: Our public address of the resource, without query.
    """
    authorization: str | None = None
    proofs: list[str] = []
    for name, value in request.scope["headers"]:
        if name == b"dpop":
            proofs.append(value.decode("latin-1"))
        elif name == b"authorization" and authorization is None:
            authorization = value.decode("latin-1")
    return PresentedToken(
        authorization=authorization,
        proofs=proofs,
        method=request.scope["method"],
        uri=uri,
        certificate=client_certificate_of(request),
    )


class _Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was verified.

    Attributes:
        ath: How a proof names it: RFC 9449, 4.2.
    """

    token: VerifiedToken
    ath: str


class TokenVerifier:
    """Verifies access tokens for one resource; one per process and resource."""

    def __init__(self, provider: Provider, *, resources: Sequence[str]) -> None:
        """Begin with nothing remembered.

        Args:
            provider: Whose tokens.
            resources: Audiences of which one must be in the token: the resource's own, and the
                issuer's if tokens for everything are good here.
        """
        self._provider = provider
        self._resources = frozenset(resources)
        # One process's event loop is the only user of this dictionary.
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._nonce_key = provider.dpop_nonce_key

    def verify(self, presented: PresentedToken, *, at: datetime) -> VerifiedToken:
        """Verify what a request brings.

        1. There is one token, under a scheme that we know. 2. It is ours, an access token, and has
        not expired. 3. It is for this resource. 4. A token that is bound to a key comes under the
        scheme `DPoP`, with one proof, 5. which is for this token, this method and this address,
        and 6. is made with the key that the token is bound to. 7. A token that is bound to a
        certificate comes over a connection with it.

        Returns:
            What the token says; `proof_digest` is still to be spent, and the grant to be looked up.

        Raises:
            InvalidToken: 401. Any of 1 to 4, 6 and 7.
            InvalidResourceProof: 401. The proof is missing or not for this request.
            UseResourceNonce: 401. The proof has to carry our nonce.

        Source:
            RFC 6750, 2.1; RFC 9068, 4; RFC 9449, 7.1 and 7.2; RFC 8705, 3.
        """
        scheme, token = _credentials(presented.authorization)  # 1
        known = self._token(token, scheme=scheme, at=at)  # 2
        verified = known.token
        if self._resources.isdisjoint(verified.audience):  # 3
            raise InvalidToken(headers=challenge(scheme, "invalid_token"), reason="audience")
        if verified.x5t is not None and not is_bound_to(verified.x5t, presented.certificate):  # 7
            raise InvalidToken(headers=challenge(scheme, "invalid_token"), reason="certificate")
        if verified.jkt is None:
            if scheme != "bearer":
                raise InvalidToken(headers=challenge(scheme, "invalid_token"), reason="not bound")
            return verified
        if scheme != "dpop":  # 4: RFC 9449, 7.2
            raise InvalidToken(headers=challenge("dpop", "invalid_token"), reason="scheme")
        if len(presented.proofs) != 1:
            raise InvalidResourceProof(
                headers=challenge("dpop", "invalid_dpop_proof"), reason="not one proof"
            )
        proof = self._proof(presented, known.ath, at=at)  # 5
        if proof.jkt != verified.jkt:  # 6
            raise InvalidToken(headers=challenge("dpop", "invalid_token"), reason="other key")
        return replace(verified, proof_digest=proof.digest, proof_made_at=proof.made_at)

    def _proof(self, presented: PresentedToken, ath: str, *, at: datetime) -> DPoPProof:
        try:
            return verify_proof(
                presented.proofs[0],
                method=presented.method,
                uris=self._provider.addresses_of(presented.uri),
                at=at,
                policy=self._provider.policy,
                ath=ath,
                nonce_key=self._nonce_key,
            )
        except UseDPoPNonce as refusal:
            raise UseResourceNonce(
                headers={**refusal.headers, **challenge("dpop", "use_dpop_nonce")}
            ) from refusal
        except InvalidDPoPProof as refusal:
            raise InvalidResourceProof(
                headers=challenge("dpop", "invalid_dpop_proof"),
                reason=refusal.context.get("reason"),
            ) from refusal

    def _token(self, token: Secret[str], *, scheme: str, at: datetime) -> "_Remembered":
        digest = sha256(token.reveal().encode())
        known = self._remembered.get(digest)
        if known is not None:
            if known.token.expires_at > at:
                return known
            del self._remembered[digest]
        try:
            access = self._provider.access_tokens.read(token, at=at)
        except NotVerified as error:
            raise InvalidToken(
                headers=challenge(scheme, "invalid_token"), reason=str(error)
            ) from error
        verified = VerifiedToken(
            client_id=access.client_id,
            partner_id=access.partner_id,
            sub=access.sub,
            audience=access.audience,
            scope=access.scope,
            claims=access.userinfo_claims,
            grant_id=access.grant_id,
            disclosures=_disclosures(access),
            jkt=access.jkt,
            x5t=access.x5t,
            actor=access.actor,
            acr=access.claims.get("acr"),
            auth_time=access.auth_time,
            token_digest=access.digest,
            issued_at=access.issued_at,
            expires_at=access.expires_at,
        )
        known = self._remembered[digest] = _Remembered(token=verified, ath=b64url(digest))
        if len(self._remembered) > MOST_REMEMBERED:
            self._remembered.popitem(last=False)
        return known


def _disclosures(access: AccessToken) -> tuple[Disclosure, ...]:
    """Return what a token gives access to, by purpose.

    A client of plain OAuth has no UserInfo endpoint to ask: what its scope stands for, it reads
    where everything else is read, under the purpose under which the person agreed to it.
    """
    disclosures = [read_disclosure(member) for member in access.authorization_details]
    items = items_of_claims(claims_of_scopes(access.scope))
    if items and "openid" not in access.scope:
        disclosures.append(
            read_disclosure(
                {"type": "civitas_disclosure", "purpose": "sign_in", "items": list(items)}
            )
        )
    return tuple(disclosures)


def challenge(
    scheme: str, error: str | None = None, wanted: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the `WWW-Authenticate` header of a refusal.

    Args:
        scheme: `bearer` or `dpop`.
        error: Its registered code; None when nothing was presented.
        wanted: Further parameters, of texts without quotes: what would be enough.

    Source:
        RFC 6750, 3; RFC 9449, 7.1; RFC 9470, 3.
    """
    name, parameters = ("DPoP", [f'algs="{_ALGS}"']) if scheme == "dpop" else ("Bearer", [])
    more = [f'{name}="{value}"' for name, value in (wanted or {}).items()]
    parameters = [*([f'error="{error}"'] if error else []), *more, *parameters]
    return {"WWW-Authenticate": f"{name} {', '.join(parameters)}".strip()}


def _credentials(authorization: str | None) -> tuple[str, Secret[str]]:
    if authorization is None:
        # RFC 6750, 3.1: no error code when nothing was presented.
        raise InvalidToken("An access token is needed.", headers=challenge("bearer"))
    scheme, _, token = authorization.partition(" ")
    scheme = scheme.lower()  # RFC 9110, 11.1
    if scheme not in {"bearer", "dpop"} or not token:
        raise InvalidToken(headers=challenge("bearer"), reason="scheme")
    return scheme, Secret(token.strip())
