"""Lifetimes and limits of the authorization server: named, with unit and source. No I/O."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an institution may tighten. The defaults satisfy FAPI 2.0 and RFC 9700.

    Attributes:
        allows_open_registration: Whether anyone may register a client (demonstration only).
        allows_http: Whether `http` is accepted for hosts other than loopback (never in
            production).
        outbound_ca_file: Whose certificates are trusted, beside those of the well-known
            authorities, when an address of a client is called.
        authorization_code: FAPI 2.0 Security Profile, 5.3.2.1: at most 60 seconds.
        pushed_request: FAPI 2.0 Security Profile, 5.3.2.2: less than 600 seconds.
        deferred_request: How long a person may take to decide what a device or a partner asks
            (RFC 8628, 3.2; CIBA, 7.3).
        poll_interval: How long a client waits between two polls (RFC 8628, 3.2; CIBA, 7.3).
        interaction: How long a person may take to sign in and decide.
        access_token: RFC 9700, 2.2: short, because it is valid until it expires wherever
            revocation is not looked up.
        refresh_token: From its issue; a rotated successor does not live longer.
        refresh_retry: How long after a rotation a lost response may be asked for again, by the
            holder of the key that the token is bound to.
        session: A browser's session from sign-in (NIST SP 800-63B-4, 2.2.3: 24 hours at most).
        session_idle: Without a request (NIST SP 800-63B-4, 2.2.3: at most one hour).
        client_assertion: The furthest `exp` of a client's assertion we remember for.
        dpop_proof_age: How old a proof may be.
        clock_skew: How far ahead of ours a client's clock may be (FAPI 2.0, 5.3.2.1: accept 10 s,
            refuse more than 60 s).
    """

    allows_open_registration: bool = False
    allows_http: bool = False
    requires_dpop_nonce: bool = False
    outbound_ca_file: Path | None = None
    authorization_code: timedelta = timedelta(seconds=60)
    pushed_request: timedelta = timedelta(seconds=90)
    interaction: timedelta = timedelta(minutes=30)
    deferred_request: timedelta = timedelta(minutes=10)
    poll_interval: timedelta = timedelta(seconds=5)
    access_token: timedelta = timedelta(minutes=10)
    id_token: timedelta = timedelta(minutes=10)
    refresh_token: timedelta = timedelta(days=90)
    refresh_retry: timedelta = timedelta(seconds=30)
    session: timedelta = timedelta(hours=12)
    session_idle: timedelta = timedelta(hours=1)
    client_assertion: timedelta = timedelta(hours=1)
    dpop_proof_age: timedelta = timedelta(seconds=60)
    dpop_nonce: timedelta = timedelta(minutes=5)
    clock_skew: timedelta = timedelta(seconds=30)
