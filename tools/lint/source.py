"""A source file as the rules see it, and what they find in it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_OPT_OUT = re.compile(r"#\s*lint:\s*(?P<rule>[a-z-]+):\s*(?P<reason>\S.*)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line that breaks a rule, and what to write instead."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root of the repository, its lines and its tree."""

    path: PurePosixPath
    lines: tuple[str, ...]
    tree: ast.Module

    @classmethod
    def parse(cls, path: PurePosixPath, text: str) -> "Source":
        """Read `text` as the file at `path`."""
        return cls(path, tuple(text.splitlines()), ast.parse(text, filename=str(path)))

    def opts_out(self, line: int, rule: str) -> bool:
        """Tell whether the line says, with a reason, that `rule` does not hold for it."""
        found = _OPT_OUT.search(self.lines[line - 1])
        return found is not None and found["rule"] == rule

    def calls(self) -> Iterator[ast.Call]:
        """Walk over every call in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Walk over every function in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name: `b` for `a.b` and for `b`; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    return ""
