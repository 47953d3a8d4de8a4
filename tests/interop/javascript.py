"""Parties in JavaScript: each is a process of Node, and the test is its person at a browser."""

import json
import subprocess
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

from idp.model import ClientProfile
from tests.interop.conftest import Running
from tests.interop.person import Visitor

HERE = Path(__file__).parent
_marks = count(1)

Party: TypeAlias = Literal["openid_client", "oauth4webapi"]


class Play:
    """Plays scenarios: starts the party, and is its person at a browser."""

    def __init__(self, running: Running, node: Path, party: Party) -> None:
        self.running = running
        self.node = node
        self.party = party

    def __call__(self, scenario: str, **given: object) -> dict[str, Any]:
        given = {"issuer": self.running.issuer, "username": self.running.person.username} | given
        with (
            self.running.browser() as visitor,
            subprocess.Popen(
                [self.node, HERE / f"{self.party}.mjs", scenario, json.dumps(given)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
            ) as process,
        ):
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stderr is not None
            for line in process.stdout:
                said: dict[str, Any] = json.loads(line)
                if "done" in said:
                    return dict(said["done"])
                process.stdin.write(json.dumps(_answer(visitor, said)) + "\n")
                process.stdin.flush()
            raise AssertionError(process.stderr.read())

    def tokens(self, number: int = 1, profile: ClientProfile = ClientProfile.OIDC) -> Sequence[str]:
        """Return initial access tokens of one partner that an operator has verified."""
        return self.running.initial_access_tokens(number, profile)

    def mark(self) -> str:
        """Return what tells this test's requests from those of others in the person's account."""
        return f"T{next(_marks)}"


def _answer(visitor: Visitor, said: dict[str, Any]) -> dict[str, str]:
    match said["ask"]:
        case "open":
            return {"url": visitor.follow(said["url"], said["decision"])}
        case "device":
            page = visitor.decide_device(said["url"], said["user_code"], said["decision"])
        case "request":
            page = visitor.decide_request(said["message"], said["decision"])
        case _:
            raise AssertionError(said)
    assert page.status == 200, page.text
    return {}
