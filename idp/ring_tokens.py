"""Tokens whose row lies in a ring: the slot is a digit of the prefix, the rest is random.

So a token tells in which partition to look, and nothing else.
"""

from dataclasses import dataclass
from datetime import datetime

from idp.buckets import (
    AUTHORIZATION_CODES,
    DEFERRED_REQUESTS,
    INTERACTIONS,
    PUSHED_REQUESTS,
    REFRESH_TOKENS,
    UPSTREAM_REQUESTS,
    Ring,
)
from kernel.secret import MalformedToken, MintedToken, Secret, mint_token, parse_token, token_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RingToken:
    """A token and where its row lies."""

    slot: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedRingToken:
    """A fresh token, shown once, and what is stored of it."""

    token: Secret[str]
    stored: RingToken


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTokenKind:
    """A kind of token and the ring in which it lies."""

    prefix: str
    ring: Ring

    def mint(self, at: datetime) -> MintedRingToken:
        """Make a token that lies where the instant `at` says."""
        slot = self.ring.slot(at)
        return _in(slot, mint_token(f"{self.prefix}{slot}"))

    def beside(self, other: RingToken, content: bytes) -> MintedRingToken:
        """Write 32 secret bytes as a token that lies beside another one."""
        return _in(other.slot, token_of(f"{self.prefix}{other.slot}", content))

    def parse(self, presented: str) -> RingToken:
        """Return where the row of a presented token lies.

        Raises:
            MalformedToken: 400. Not a token of this kind.
        """
        digit = presented[len(self.prefix) : len(self.prefix) + 1]
        if not ("0" <= digit <= "9") or int(digit) >= self.ring.slots:
            raise MalformedToken
        return RingToken(slot=int(digit), digest=parse_token(presented, self.prefix + digit))


def _in(slot: int, minted: MintedToken) -> MintedRingToken:
    return MintedRingToken(token=minted.token, stored=RingToken(slot=slot, digest=minted.digest))


AUTHORIZATION_CODE = RingTokenKind(prefix="cvc", ring=AUTHORIZATION_CODES)
INTERACTION = RingTokenKind(prefix="cvi", ring=INTERACTIONS)
REQUEST_URI = RingTokenKind(prefix="cvp", ring=PUSHED_REQUESTS)
REFRESH_TOKEN = RingTokenKind(prefix="cvr", ring=REFRESH_TOKENS)

DEVICE_CODE = RingTokenKind(prefix="cvd", ring=DEFERRED_REQUESTS)
AUTH_REQ_ID = RingTokenKind(prefix="cvq", ring=DEFERRED_REQUESTS)

UPSTREAM_REQUEST = RingTokenKind(prefix="cvu", ring=UPSTREAM_REQUESTS)

REQUEST_URI_PREFIX = "urn:ietf:params:oauth:request_uri:"  # RFC 9126, 2.2
