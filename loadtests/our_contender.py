"""Ours as a contender: the application as `civitas serve` runs it, and what is granted in it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pydantic import SecretStr
from sqlalchemy import insert
from sqlalchemy.orm import Session

import migrations
from app.resources import Resources, open_resources
from idp.api import ClientProfile, Provider, add_client, add_partner, policy_of
from idp.ring_tokens import AUTHORIZATION_CODE, REFRESH_TOKEN
from idp.tables import authorization_codes, grants, refresh_tokens
from idp.tokens import Subject, access_token_claims
from kernel.clock import SystemClock
from kernel.db import unit_of_work_of
from kernel.ids import ClientId, GrantId, PersonId, new_id
from kernel.secret import random_b64url
from kernel.settings import Settings
from loadtests.contenders import (
    CHALLENGE,
    CLIENTS,
    CODE_CLIENT,
    PARTNER,
    READING_CLIENT,
    REDIRECT_URI,
    Contender,
    Paths,
    Signer,
    client_metadata,
    count_of,
)
from loadtests.machine import Machine

GRANTS = 300

OUR_PATHS = Paths(par="/par", introspection="/introspect", userinfo="/userinfo")


@contextmanager
def serve_ours(
    machine: Machine,
    prefix: str,
    needs: Sequence[str],
    *,
    also: Callable[["OurWorld"], object] = lambda _: None,
) -> Iterator[Contender]:
    """Run the application as `civitas serve` does, when `also` has done its part of filling."""
    url = machine.database(prefix)
    migrations.upgrade(url)
    folder = machine.folder / prefix
    settings = Settings(mode="demo", database_url=SecretStr(url), data=folder)
    count = count_of(machine)
    with open_resources(settings, SystemClock()) as resources:
        filled = OurWorld(resources)
        with unit_of_work_of(resources.sessions) as session:
            filled.add_clients(session)
            granted = filled.insert_grants(session, CODE_CLIENT)
            readable = filled.insert_grants(session, READING_CLIENT)
            codes = filled.insert_codes(session, granted, count if "code" in needs else 0)
            refreshing = filled.insert_refresh_tokens(
                session, granted, count if "refresh" in needs else 0
            )
        access_tokens = [filled.access_token(grant_id, sub) for grant_id, sub in readable]
        also(filled)
    machine.settle(url)
    environment = {
        "CIVITAS_MODE": "demo",
        "CIVITAS_DATABASE_URL": url,
        "CIVITAS_DATA": str(folder),
        "CIVITAS_ISSUER": settings.issuer,
    }
    with machine.serve(
        "app.server:from_environment", environment=environment, ready="/readyz"
    ) as server:
        yield Contender(
            server=server,
            issuer=settings.issuer,
            paths=OUR_PATHS,
            signer=filled.signer,
            secrets=filled.secrets,
            codes=codes,
            refresh_tokens=refreshing,
            access_tokens=access_tokens,
        )


Granted: TypeAlias = tuple[GrantId, str]


class OurWorld:
    """Clients, and what was granted to them."""

    def __init__(self, resources: Resources) -> None:
        self.at = datetime.now(UTC)
        self.sessions = resources.sessions
        self.signer = Signer()
        self.secrets: dict[str, str] = {}
        self.provider = Provider(
            issuer=resources.settings.issuer,
            keyring=resources.keyring,
            signing=resources.signing,
            policy=policy_of(resources.settings),
        )

    def add_clients(self, session: Session) -> None:
        """Register every client."""
        add_partner(session, partner_id=PARTNER, name="Bench", at=self.at)
        for client, (form, _) in CLIENTS.items():
            registered = add_client(
                session,
                self.provider,
                partner_id=PARTNER,
                profile=ClientProfile.OIDC,
                asked=client_metadata(client, self.signer) | {"access_token_format": form},
                at=self.at,
                client_id=client,
            )
            if registered.client_secret is not None:
                self.secrets[client] = registered.client_secret.reveal()

    def insert_grants(self, session: Session, client: str) -> list[Granted]:
        """Store what people allowed a client."""
        made = [(GrantId(new_id(self.at)), random_b64url(32)) for _ in range(GRANTS)]
        session.execute(
            insert(grants),
            [
                {
                    "grant_id": grant_id,
                    "person_id": PersonId(new_id(self.at)),
                    "client_id": client,
                    "partner_id": PARTNER,
                    "sub": sub,
                    "scope": ["openid", "offline_access"],
                    "authorization_details": [],
                    "claims": {},
                    "resources": [],
                    "is_refreshable": False,
                    "acr": "confirmed",
                    "amr": ["pwd"],
                    "auth_time": self.at,
                    "created_at": self.at,
                    "expires_at": self.at + timedelta(days=1),
                }
                for grant_id, sub in made
            ],
        )
        return made

    def insert_codes(self, session: Session, granted: Sequence[Granted], count: int) -> list[str]:
        """Store codes that live an hour, so that they can be made before the measurement."""
        minted = [AUTHORIZATION_CODE.mint(self.at) for _ in range(count)]
        rows: list[dict[str, object]] = [
            {
                "slot": code.stored.slot,
                "code_digest": code.stored.digest,
                "grant_id": granted[number % len(granted)][0],
                "client_id": CODE_CLIENT,
                "redirect_uri": REDIRECT_URI,
                "code_challenge": CHALLENGE,
                "dpop_jkt": None,
                "nonce": "nonce",
                "id_token_claims": {"claims": []},
                "expires_at": self.at + timedelta(hours=1),
            }
            for number, code in enumerate(minted)
        ]
        for start in range(0, count, 10_000):
            session.execute(insert(authorization_codes), rows[start : start + 10_000])
        return [code.token.reveal() for code in minted]

    def insert_refresh_tokens(
        self, session: Session, granted: Sequence[Granted], count: int
    ) -> list[str]:
        """Store refresh tokens."""
        minted = [REFRESH_TOKEN.mint(self.at) for _ in range(count)]
        rows = [
            {
                "slot": token.stored.slot,
                "token_digest": token.stored.digest,
                "grant_id": granted[number % len(granted)][0],
                "client_id": CODE_CLIENT,
                "dpop_jkt": None,
                "issued_at": self.at,
                "expires_at": self.at + timedelta(hours=2),
            }
            for number, token in enumerate(minted)
        ]
        for start in range(0, count, 10_000):
            session.execute(insert(refresh_tokens), rows[start : start + 10_000])
        return [token.token.reveal() for token in minted]

    def access_token(self, grant_id: GrantId, sub: str, client: str = READING_CLIENT) -> str:
        """Issue an opaque access token for userinfo."""
        claims = access_token_claims(
            Subject(sub=sub, scope=("openid",), grant_id=grant_id, auth_time=self.at),
            issuer=self.provider.issuer,
            client_id=ClientId(client),
            partner_id=PARTNER,
            audience=[self.provider.issuer],
            jti=random_b64url(16),
            jkt=None,
            at=self.at,
            expires_at=self.at + timedelta(minutes=55),
        )
        return self.provider.access_tokens.issue(claims, form="opaque", at=self.at)
