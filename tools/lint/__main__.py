"""`python -m tools.lint [PATH …]`: print what breaks our rules; exit 1 if anything does."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tools.lint.rules import RULES
from tools.lint.source import Source


def tracked_files() -> Iterator[Path]:
    """List the Python files that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.py"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return (path for path in map(Path, listed.splitlines()) if path.exists())


def lint(paths: Iterable[Path]) -> list[str]:
    """Return one line for each finding: place, rule, what to write instead."""
    found: list[str] = []
    for path in sorted(paths):
        source = Source.parse(PurePosixPath(path.as_posix()), path.read_text(encoding="utf-8"))
        for rule in RULES:
            found.extend(
                f"{path}:{finding.line}: {rule.NAME}: {finding.message}"
                for finding in rule.check(source)
                if not source.opts_out(finding.line, rule.NAME)
            )
    return found


def main() -> int:
    """Lint the paths of the command line, or everything."""
    found = lint([Path(argument) for argument in sys.argv[1:]] or tracked_files())
    print("\n".join(found) or "Our own rules hold.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
