"""The rules, one module each: `NAME`, and `check` from a source to its findings."""

from collections.abc import Iterator
from typing import Protocol

from tools.lint.rules import bare_secret, commit, length, redirect_from_request, session_scope
from tools.lint.source import Finding, Source


class Rule(Protocol):
    """What a rule's module offers."""

    NAME: str

    def check(self, source: Source) -> Iterator[Finding]:
        """Yield what breaks the rule in `source`."""
        ...


RULES: tuple[Rule, ...] = (bare_secret, commit, length, redirect_from_request, session_scope)
