"""What every service of idp needs of the process: the issuer, the keys, the policy. No I/O."""

from dataclasses import dataclass, field

from idp.access_tokens import AccessTokens
from idp.model import Client
from idp.mtls import Authorities
from idp.policy import Policy
from idp.software_statements import NOBODY, StatementIssuers
from kernel.ids import ClientId, PersonId, SessionId
from kernel.keyring import Keyring
from kernel.secret import b64url
from kernel.signing import SigningKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The authorization server as its services see it.

    Attributes:
        authorities: Whose certificates authenticate clients; None for nobody's.
        statement_issuers: Whose software statements count.
        mtls_url: Where certificates are asked for (RFC 8705, 5); None if nowhere.
    """

    issuer: str
    keyring: Keyring
    signing: SigningKeys
    policy: Policy
    authorities: Authorities | None = None
    mtls_url: str | None = None
    statement_issuers: StatementIssuers = field(default_factory=lambda: NOBODY)
    access_tokens: AccessTokens = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        access_tokens = AccessTokens(issuer=self.issuer, keyring=self.keyring, signing=self.signing)
        object.__setattr__(self, "access_tokens", access_tokens)

    def sub(self, client: Client, person_id: PersonId) -> str:
        """Return the pairwise `sub` by which a client knows a person.

        Source:
            OpenID Connect Core, 8.1.
        """
        return self.keyring.pseudonym(f"client:{client.sector}", person_id)

    def sid(self, client_id: ClientId, session_id: SessionId) -> str:
        """Return the client's own name of a browser's session: no two clients can compare theirs.

        Source:
            OpenID Connect Front-Channel Logout, 3; Back-Channel Logout, 2.1.
        """
        return b64url(self.keyring.blind_index("sid", f"{client_id} {session_id}"))

    def browser_state(self, session_id: SessionId) -> str:
        """Return what a browser's state is called while this session lasts.

        Source:
            OpenID Connect Session Management 1.0, 3.2.
        """
        return b64url(self.keyring.blind_index("browser-state", str(session_id)))

    def addresses_of(self, address: str) -> tuple[str, ...]:
        """Return every address at which something of ours is reached.

        Args:
            address: Below the issuer.

        Returns:
            The address, and its alias where certificates are asked for (RFC 8705, 5).
        """
        if self.mtls_url is None:
            return (address,)
        return address, self.mtls_url + address.removeprefix(self.issuer)

    @property
    def dpop_nonce_key(self) -> bytes:
        """The key of our DPoP nonces, the same in every process."""
        return self.keyring.blind_index("dpop-nonce", self.issuer)
