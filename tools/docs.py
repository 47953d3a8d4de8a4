"""Write the pages that are made from the code: docs/errors.md, settings.md, cli.md and others.

    python -m tools.docs            write them
    python -m tools.docs --check    exit 1 if one of them differs from the code

`tests/architecture/test_docs.py` does the same check, so that a page can't go stale.
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from http import HTTPStatus
from pathlib import Path

import click

from kernel.errors import DomainError
from kernel.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

CONTEXTS = (
    "kernel",
    "audit",
    "population_register",
    "consent",
    "vault",
    "idp",
    "partner_api",
    "portal",
    "app",
)


def import_everything() -> None:
    """Import every module of ours, so that every class is known."""
    for context in CONTEXTS:
        package = importlib.import_module(context)
        for module in pkgutil.walk_packages(package.__path__, f"{context}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


def refusals() -> list[type[DomainError]]:
    """Return every refusal that has a code of its own, by code and module."""
    found: set[type[DomainError]] = set()
    todo = list(DomainError.__subclasses__())
    while todo:
        cls = todo.pop()
        todo.extend(cls.__subclasses__())
        if cls.__module__.partition(".")[0] in CONTEXTS and hasattr(cls, "code"):
            found.add(cls)
    return sorted(found, key=lambda cls: (cls.code, cls.__module__, cls.__qualname__))


def errors_page() -> str:
    """Write docs/errors.md."""
    by_code: dict[str, list[type[DomainError]]] = {}
    for cls in refusals():
        by_code.setdefault(cls.code, []).append(cls)
    lines = [
        "# Errors",
        "",
        "Written by `make docs` from the code.",
        "",
        "Every refusal has a `code`, the only part to branch on; its texts may change any day.",
        (
            "OAuth and OpenID Connect addresses answer "
            '`{"error": code, "error_description": …}` (RFC 6749, 5.2) or redirect.'
        ),
        (
            "All other data addresses answer `application/problem+json` (RFC 9457), whose `type` "
            "points into this page and whose `request_id` finds the request in our log."
        ),
        "Pages show the same in words.",
        "A refused request changes nothing, unless it says below that it leaves a trace.",
        "",
    ]
    for code, classes in by_code.items():
        lines += [f"## {code}", ""]
        for cls in classes:
            status = HTTPStatus(cls.status)
            about = _first_paragraph(cls)
            trace = " Leaves a trace." if cls.keeps_writes else ""
            lines.append(f"- **{status.value} {status.phrase}**, `{_name(cls)}`: {about}{trace}")
        lines.append("")
    return "\n".join(lines)


def audit_events() -> list[type]:
    """Return the typed events of every context, by module and name."""
    found: list[type] = []
    for context in CONTEXTS:
        try:
            module = importlib.import_module(f"{context}.events")
        except ModuleNotFoundError:
            continue
        found += [
            cls
            for _, cls in inspect.getmembers(module, inspect.isclass)
            if cls.__module__ == module.__name__ and is_dataclass(cls)
        ]
    return found


def audit_events_page() -> str:
    """Write docs/audit_events.md."""
    lines = [
        "# Audit and outbox events",
        "",
        "Written by `make docs` from the `events.py` of each context.",
        "",
        "An event is named in the past tense, `context.subject.happened`.",
        "Access entries are the leaves of the tamper-evident log; their fields are under `audit`.",
        "",
    ]
    for cls in audit_events():
        name = getattr(cls, "name", None) or getattr(cls, "NAME", None)
        title = f"`{name}`" if isinstance(name, str) else f"`{_name(cls)}`"
        lines += [f"## {title}", "", _first_paragraph(cls), "", "| field | type |", "| --- | --- |"]
        lines += [
            f"| `{field.name}` | `{_type_text(field.type)}` |"
            for field in fields(cls)
            if not field.name.startswith("_")
        ]
        lines.append("")
    lines += ["## Texts of access entries", ""]
    lines += _access_actions()
    return "\n".join(lines)


def _access_actions() -> list[str]:
    """Say which actions access entries have, as the audit context lists them."""
    model = importlib.import_module("audit.model")
    actions = getattr(model, "Action", None)
    if actions is None:
        return ["An entry's `action` is a word of the context that records it.", ""]
    texts = [str(value) for value in getattr(actions, "__args__", ())] or [
        str(member.value) for member in actions
    ]
    return [*(f"- `{text}`" for text in texts), ""]


def settings_page() -> str:
    """Write docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Written by `make docs` from `kernel/settings.py`.",
        "",
        "Settings come from the environment and are read once, when a process starts.",
        "`PORT`, `BANK_PORT` are understood by `make run` and `civitas run` besides.",
        "",
        "| variable | default | what it decides |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        lines.append(f"| `CIVITAS_{name.upper()}` | {default} | {field.description} |")
    return "\n".join([*lines, ""])


def cli_page() -> str:
    """Write docs/cli.md from the help of every command."""
    cli = importlib.import_module("app.cli")
    session = importlib.import_module("app.cli.session")
    lines = [
        "# The `civitas` command",
        "",
        "Written by `make docs` from the help of each command.",
        "",
        session.EXIT_CODES,
        (
            "With `--json` a command prints one JSON value on standard output, also when it "
            'refuses: `{"error": code, "detail": text}`.'
        ),
        "",
    ]
    for context in _contexts(cli.main, None, "civitas"):
        help_text = context.command.get_help(context)
        lines += [f"## {context.command_path}", "", "```text", help_text, "```", ""]
    return "\n".join(lines)


_SANDBOX = """\
# The sandbox

Written by `make docs`; the people come from `app/demo/named_people.py`.

`make run` gives you a whole Civitas on your machine: nobody in it exists, and nothing leaves it.

| what | where |
| --- | --- |
| the demo bank, a partner | <http://localhost:8001> |
| your account as a citizen | <http://localhost:8000/account> |
| the API, readable | <http://localhost:8000/docs> |
| the provider's metadata | <http://localhost:8000/.well-known/openid-configuration> |

`PORT`, `BANK_PORT` and `CIVITAS_DATA` move it; `rm -r .civitas` forgets it.
The identifiers have valid check digits and come from ranges that are not given out.

## Whom to sign in as

They have passwords only, so that scripts can sign in; `civitas demo people --json` lists them too.

| name | password | who |
| --- | --- | --- |
{people}

At the desk, <http://localhost:8000/desk>, officials decide whether records are about one person.
Each sets up a second factor first: in an authenticator application, or `oathtool --totp -b KEY`.
Three policies wait there: their owners have no number, and of the birth date only the year:

| identifier | password | role |
| --- | --- | --- |
{officials}

## Try your own client

In demo mode dynamic registration is open, so that any OpenID Connect client can be tried:
`examples/relying_party.py` is one in forty lines.

```sh
.venv/bin/python examples/relying_party.py http://localhost:8000 8002
```

A client that registers itself is shown to people as not verified.
A partner that an operator entered is shown as such: `civitas partner add` gives it a token to
register its client with.
The demo bank does it that way (`app/demo/bank.py`; what a partner must write is in
`app/demo/relying_party.py`): pushed requests, PKCE, `private_key_jwt`, DPoP, rich requests.

## What to look at

1. Sign in at the bank as `{first}`, look at what it asks for, and say no. Then come and allow it.
2. Open your account: data with its sources, documents, the consent, and each read in the log.
3. Withdraw the consent, go back to the bank and press "Read again".
4. Download the proof of the refused read and verify it offline: `examples/verify_proof.py`.
5. Stop everything, or pull the plug; start again. Nothing is lost.

`make demo` does all of this by script and prints what is sent and received.
"""


def sandbox_page() -> str:
    """Write docs/sandbox.md."""
    world = importlib.import_module("app.demo.named_people")
    people = "\n".join(
        f"| `{person.username}` | `{person.password}` | {person.about_en} |"
        for person in world.DEMO_PEOPLE
    )
    desk = importlib.import_module("app.demo.officials")
    officials = "\n".join(
        f"| `{official.operator_id}` | `{official.password}` | {official.role}: {official.about} |"
        for official in desk.DEMO_OFFICIALS
    )
    return _SANDBOX.format(people=people, officials=officials, first=world.DEMO_PEOPLE[0].username)


def _contexts(
    command: click.Command, parent: click.Context | None, name: str
) -> Iterable[click.Context]:
    """Yield the context of a command and of all below it, as it is when somebody asks for help."""
    settings = {"terminal_width": 90, **command.context_settings}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            if found is not None:
                yield from _contexts(found, context, each)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _first_paragraph(cls: type) -> str:
    documentation = inspect.getdoc(cls) or ""
    return " ".join(documentation.split("\n\n")[0].split())


def _type_text(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None)
    if text is None or (not isinstance(annotation, str | type)):
        text = str(annotation)
    return str(text).replace("typing.", "").replace("|", "or")


PAGES: Mapping[str, Callable[[], str]] = {
    "errors.md": errors_page,
    "audit_events.md": audit_events_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "sandbox.md": sandbox_page,
}


def main() -> int:
    """Write the pages, or check them."""
    import_everything()
    is_check = "--check" in sys.argv[1:]
    stale = []
    for name, write in PAGES.items():
        path = DOCS / name
        text = write()
        if is_check:
            if not path.exists() or path.read_text() != text:
                stale.append(name)
        else:
            path.write_text(text)
    if stale:
        print(f"stale: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
