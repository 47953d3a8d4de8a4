"""Signing keys: next, current, retired; one set per use.

A key is published as `next` before it signs and as `retired` after: whoever fetched the key set a
minute ago verifies what is signed now. Private keys lie in the database sealed under the root key,
or in a module that signs; then the database names them, sealed as well.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

from sqlalchemy import Row, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session, sessionmaker
from typing_extensions import override

from kernel.db import AdvisoryLock, lock
from kernel.envelope import associated_data
from kernel.errors import Undecryptable
from kernel.key_pairs import (
    PrivateKey,
    PublicKey,
    Signer,
    SigningKey,
    dump,
    generate,
    load,
    public_jwk,
    thumbprint,
)
from kernel.root_keys import RootKeys, RootKeyUnavailable
from kernel.secret import b64url
from kernel.tables import signing_keys

ALGORITHMS_BY_USE: Mapping[str, tuple[str, ...]] = {
    # RS256: OpenID Connect Core, 15.1; the others: FAPI 2.0 Security Profile, 5.4.
    "oidc": ("ES256", "RS256", "PS256", "EdDSA"),
    "partner": ("ES256",),
    "register": ("ES256",),
    "consent": ("ES256",),
    "log": ("EdDSA",),  # C2SP signed-note
}

SCHEDULED_USES = ("oidc", "partner", "consent")
"""What is rotated on schedule. The log's key is in the hands of everybody who verifies it."""

JWKS_KEPT_FOR = timedelta(minutes=5)
"""For how long others may keep a copy of the key set: `Cache-Control` of `/jwks`."""

RELOADED_EVERY = timedelta(seconds=10)
"""How late a process of ours may learn of a rotation."""

PUBLISHED_AHEAD = JWKS_KEPT_FOR + 2 * RELOADED_EVERY
"""How long a key is published before it signs: by then nobody has a copy without it."""

OIDC_RETIRED_FOR = timedelta(days=1)
"""How long a retired `oidc` key stays published: longer than any token it signed lives."""

_IN_MODULE = b"pkcs11:"
"""What is sealed of a key that a module holds begins so; a private key (DER) never does."""


class SigningModule(Protocol):
    """What makes and holds keys that never leave it; see `kernel.hardware_signing`."""

    @property
    def algorithms(self) -> frozenset[str]:
        """What it can."""
        ...

    def generate(self, alg: str) -> tuple[bytes, PublicKey]:
        """Make a key; return what it is found by, and its public key."""
        ...

    def key(self, key_id: bytes, alg: str) -> Signer:
        """Return the key.

        Raises:
            RootKeyUnavailable: There is none.
        """
        ...

    def destroy(self, key_id: bytes) -> None:
        """Forget a key."""
        ...


class NextKeyTooYoung(Exception):
    """The key that would sign has not been published for long enough.

    Attributes:
        until: When it will have been.
    """

    def __init__(self, use: str, alg: str, until: datetime) -> None:
        super().__init__(f"the next key of {use} {alg} may sign from {until.isoformat()}")
        self.until = until


@lru_cache(maxsize=256)
def _protected(alg: str, kid: str, *parameters: tuple[str, str]) -> str:
    """Return a protected header as it is sent: a key signs under very few."""
    header = {"alg": alg, "kid": kid, **dict(parameters)}
    return b64url(json.dumps(header, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class _Snapshot:
    current: Mapping[tuple[str, str], SigningKey]
    published: Mapping[str, Mapping[str, object]]


class SigningKeys:
    """Every signing key; one per process, safe to use from any thread."""

    def __init__(
        self,
        root: RootKeys,
        sessions: sessionmaker[Session],
        *,
        module: SigningModule | None = None,
    ) -> None:
        """Begin without keys; `open` loads them.

        Args:
            root: Seals private keys.
            sessions: Where they are stored.
            module: Makes new keys and signs with them; None: they are made here.
        """
        self._root = root
        self._module = module
        self._sessions = sessions
        self._snapshot = _Snapshot({}, {})
        self._authentic: dict[str, Mapping[str, str]] = {}
        self._loaded: dict[str, PrivateKey | Signer] = {}

    @override
    def __repr__(self) -> str:
        return "SigningKeys(…)"

    @classmethod
    def open(
        cls,
        root: RootKeys,
        sessions: sessionmaker[Session],
        *,
        at: datetime,
        module: SigningModule | None = None,
    ) -> "SigningKeys":
        """Load the keys; make those that are missing.

        Raises:
            RootKeyUnavailable: A key lies in a module that does not have it, or that is not set up.

        Transaction:
            One of its own, under `AdvisoryLock.KEY_ROTATION`.
        """
        keys = cls(root, sessions, module=module)
        with sessions.begin() as session:
            lock(session, AdvisoryLock.KEY_ROTATION)
            have = {
                (row.use, row.alg, row.state)
                for row in session.execute(
                    select(signing_keys.c.use, signing_keys.c.alg, signing_keys.c.state)
                )
            }
            for use, algs in ALGORITHMS_BY_USE.items():
                for alg in algs:
                    for state in ("current", "next"):
                        if (use, alg, state) not in have:
                            keys._store_new(session, use, alg, state, at=at)
        keys.reload(at=at)
        return keys

    def reload(self, *, at: datetime) -> None:
        """Read the keys again; every process does so every `RELOADED_EVERY`.

        What was read before is not unsealed again: a security module is not asked.

        Raises:
            Undecryptable: A row that the root did not seal, or whose public key is not that of its
                private key. Nothing of it is published: whoever can write to the database could
                otherwise sign in our name.
        """
        with self._sessions() as session:
            rows = session.execute(
                select(signing_keys)
                .where(
                    or_(
                        signing_keys.c.use != "oidc",
                        signing_keys.c.state != "retired",
                        signing_keys.c.retired_at > at - OIDC_RETIRED_FOR,
                    )
                )
                .order_by(signing_keys.c.created_at, signing_keys.c.kid)
            ).all()
        published: dict[str, list[Mapping[str, str]]] = {use: [] for use in ALGORITHMS_BY_USE}
        current: dict[tuple[str, str], SigningKey] = {}
        for row in rows:
            published[row.use].append(self._authenticate(row))
            if row.state == "current":
                current[row.use, row.alg] = SigningKey(
                    kid=row.kid,
                    use=row.use,
                    alg=row.alg,
                    private_key=self._private_key(row),
                    public_jwk=row.public_jwk,
                )
        signing = {key.kid for key in current.values()}
        self._loaded = {kid: key for kid, key in self._loaded.items() if kid in signing}
        self._snapshot = _Snapshot(current, {use: {"keys": k} for use, k in published.items()})

    def _authenticate(self, row: Row[Any]) -> Mapping[str, str]:
        """Return the public key of a row whose private key was sealed by our root."""
        known = self._authentic.get(row.kid)
        if known is None:
            self._unseal(row)  # bound to the kid, which is the public key's thumbprint
            if thumbprint(row.public_jwk) != row.kid:
                raise Undecryptable(reason="public key of another private key", kid=row.kid)
            known = self._authentic[row.kid] = row.public_jwk
        return known

    def _private_key(self, row: Row[Any]) -> PrivateKey | Signer:
        key = self._loaded.get(row.kid)
        if key is None:
            key = self._loaded[row.kid] = self._load(row)
        return key

    def _load(self, row: Row[Any]) -> PrivateKey | Signer:
        content = self._unseal(row)
        if not content.startswith(_IN_MODULE):
            return load(content)
        if self._module is None:
            raise RootKeyUnavailable(
                "A signing key lies in a security module. Set CIVITAS_PKCS11_SIGNING, or rotate "
                "it out first."
            )
        return self._module.key(content.removeprefix(_IN_MODULE), row.alg)

    def _unseal(self, row: Row[Any]) -> bytes:
        return self._root.unwrap(
            row.private_key_sealed, associated_data=_private_key_place(row.kid)
        )

    def current(self, use: str, alg: str = "ES256") -> SigningKey:
        """Return the key that signs for `use` with `alg`.

        Raises:
            KeyError: No such use or algorithm: a defect of ours.
        """
        return self._snapshot.current[use, alg]

    def public_jwks(self, use: str) -> Mapping[str, object]:
        """Return the JWK Set (RFC 7517, 5) of `use`: next, current and retired keys."""
        return self.published[use]

    @property
    def published(self) -> Mapping[str, Mapping[str, Any]]:
        """Every use's JWK Set; another object once the keys were reloaded, and only then."""
        return self._snapshot.published

    def jws(
        self, use: str, payload: bytes, *, header: Mapping[str, str], alg: str = "ES256"
    ) -> str:
        """Sign `payload` as a compact JWS (RFC 7515, 3.1); `alg` and `kid` are added."""
        key = self.current(use, alg)
        signed = f"{_protected(alg, key.kid, *header.items())}.{b64url(payload)}"
        return f"{signed}.{b64url(key.sign(signed.encode()))}"

    def rotate(
        self, session: Session, use: str, alg: str, *, at: datetime, is_urgent: bool = False
    ) -> str:
        """Let the next key sign, retire the current one, publish a new next; return the new kid.

        Args:
            session: The open transaction.
            use: Of the keys.
            alg: Of the keys.
            at: Now.
            is_urgent: The current key can't be trusted any more: better a signature that some
                can't verify for a few minutes.

        Raises:
            NextKeyTooYoung: The next key was not published `PUBLISHED_AHEAD` of now. Nothing
                changed.

        Transaction:
            The caller's. Under `AdvisoryLock.KEY_ROTATION`; two rotations follow one another, and
            the second is refused by the age of its key.
        """
        lock(session, AdvisoryLock.KEY_ROTATION)
        mine = (signing_keys.c.use == use) & (signing_keys.c.alg == alg)
        if not is_urgent:
            _check_published(session, use, alg, at=at)
        session.execute(
            update(signing_keys)
            .where(mine, signing_keys.c.state == "current")
            .values(state="retired", retired_at=at)
        )
        kid: str = session.execute(
            update(signing_keys)
            .where(mine, signing_keys.c.state == "next")
            .values(state="current", activated_at=at)
            .returning(signing_keys.c.kid)
        ).scalar_one()
        self._store_new(session, use, alg, "next", at=at)
        self._forget_retired(session, use, alg, at=at)
        return kid

    def rotate_due(self, session: Session, *, period: timedelta, at: datetime) -> list[str]:
        """Rotate every key of `SCHEDULED_USES` that has signed for `period`; return the new kids.

        Transaction:
            The caller's. Under `AdvisoryLock.KEY_ROTATION`: of many that do it at once, one finds
            something to do.
        """
        lock(session, AdvisoryLock.KEY_ROTATION)
        due = session.execute(
            select(signing_keys.c.use, signing_keys.c.alg)
            .where(
                signing_keys.c.use.in_(SCHEDULED_USES),
                signing_keys.c.state == "current",
                signing_keys.c.activated_at <= at - period,
            )
            .order_by(signing_keys.c.use, signing_keys.c.alg)
        ).all()
        return [self.rotate(session, row.use, row.alg, at=at) for row in due]

    def _forget_retired(self, session: Session, use: str, alg: str, *, at: datetime) -> None:
        """Delete retired keys under which nothing is valid any more."""
        gone = session.execute(
            delete(signing_keys)
            .where(
                signing_keys.c.use == use,
                signing_keys.c.alg == alg,
                signing_keys.c.use == "oidc",
                signing_keys.c.state == "retired",
                signing_keys.c.retired_at <= at - OIDC_RETIRED_FOR,
            )
            .returning(signing_keys.c.kid, signing_keys.c.private_key_sealed)
        ).all()
        for kid, sealed in gone:
            content = self._root.unwrap(sealed, associated_data=_private_key_place(kid))
            # If the transaction fails the row stays, without a key that it has no use for.
            if self._module is not None and content.startswith(_IN_MODULE):
                self._module.destroy(content.removeprefix(_IN_MODULE))

    def _store_new(self, session: Session, use: str, alg: str, state: str, *, at: datetime) -> None:
        content, jwk = self._make(alg)
        session.execute(
            insert(signing_keys).values(
                kid=jwk["kid"],
                use=use,
                alg=alg,
                state=state,
                private_key_sealed=self._root.wrap(
                    content, associated_data=_private_key_place(jwk["kid"])
                ),
                public_jwk=jwk,
                created_at=at,
                activated_at=at if state == "current" else None,
            )
        )

    def _make(self, alg: str) -> tuple[bytes, dict[str, str]]:
        """Make a key; return what is sealed of it, and the public JWK."""
        if self._module is not None and alg in self._module.algorithms:
            key_id, public_key = self._module.generate(alg)
            return _IN_MODULE + key_id, public_jwk(public_key, alg)
        private_key = generate(alg)
        return dump(private_key), public_jwk(private_key.public_key(), alg)


def _check_published(session: Session, use: str, alg: str, *, at: datetime) -> None:
    """Refuse to let a key sign that somebody's copy of the key set may not have.

    A next key that is as old as the current one was published from the first: every copy has it.
    """
    ages = session.execute(
        select(
            func.max(signing_keys.c.created_at).filter(signing_keys.c.state == "next"),
            func.min(signing_keys.c.created_at).filter(signing_keys.c.state == "current"),
        ).where(signing_keys.c.use == use, signing_keys.c.alg == alg)
    ).one()
    published_at, others_since = ages
    may_sign_at = published_at + PUBLISHED_AHEAD
    if published_at > others_since and at < may_sign_at:
        raise NextKeyTooYoung(use, alg, may_sign_at)


def _private_key_place(kid: str) -> bytes:
    return associated_data("signing_keys", "private_key_sealed", kid)
