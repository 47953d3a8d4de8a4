"""A partner in the test's own process: the relying party of the demo bank, without its pages."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc.jwk import ECKey

from app.demo.browser import Arrived, Browser
from app.demo.instance import Instance
from app.demo.relying_party import RelyingParty, SignedIn
from app.ports import free_port


def command(instance: Instance, *arguments: str) -> Any:  # noqa: ANN401  # JSON
    """Run a command of the operator of a running instance; return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments, "--json"],
        env={"PATH": "", "CIVITAS_DATA": str(instance.folder), "CIVITAS_ISSUER": instance.issuer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Partner:
    """A verified partner with one registered client."""

    instance: Instance
    relying_party: RelyingParty
    redirect_uri: str

    async def sign_in(
        self, person: Mapping[str, Any], disclosure: Mapping[str, Any], *, decision: str = "allow"
    ) -> SignedIn:
        """Let a person sign in and decide."""
        begun = await self.relying_party.begin(disclosure)
        browser = Browser(stops_at=self.redirect_uri)
        try:
            page = browser.open(begun.url)
            page = browser.sign_in(page, str(person["username"]), str(person["password"]))
            browser.decide(page, decision)
        except Arrived as arrived:
            answer = dict(parse_qsl(urlsplit(arrived.url).query))
        else:
            raise AssertionError("the browser did not come back")
        finally:
            browser.close()
        return await self.relying_party.finish(answer, begun)


async def enter_partner(instance: Instance, partner_id: str) -> Partner:
    """Enter a partner as an operator does, and register its client as the partner does."""
    entered = command(instance, "partner", "add", partner_id, "--name", partner_id.title())
    home = f"http://localhost:{free_port()}"
    relying_party = RelyingParty(
        issuer=instance.issuer,
        key=ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True),
        redirect_uri=f"{home}/callback",
    )
    await relying_party.discover()
    await relying_party.register(
        name=partner_id.title(),
        name_ru=partner_id.title(),
        home=home,
        initial_access_token=entered["initial_access_token"],
    )
    return Partner(instance, relying_party, f"{home}/callback")
