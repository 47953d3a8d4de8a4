"""`civitas`: what an operator does from a terminal.

Exit codes, the same for every command:

    0   done
    1   refused: the message and the code say why; nothing was changed
    2   wrong usage
    3   not possible here: no database, no key, a port is taken; the message says what to do
    4   done, but not all of it was good: rejected rows, a log that does not verify
    130 interrupted
"""

import click

from app.cli.session import EXIT_CODES, CivitasGroup

__all__ = ["main"]


@click.group(
    cls=CivitasGroup,
    # Loaded when used: `civitas keys` need not load every context.
    lazy={
        "run": "app.cli.run:run",
        "migrate": "app.cli.processes:migrate",
        "serve": "app.cli.processes:serve",
        "worker": "app.cli.processes:worker",
        "partner": "app.cli.clients:partner",
        "client": "app.cli.clients:client",
        "agency": "app.cli.agencies:agency",
        "mandate": "app.cli.mandates:mandate",
        "upstream": "app.cli.upstreams:upstream",
        "feed": "app.cli.feeds:feed",
        "register": "app.cli.register:register",
        "matching": "app.cli.matching:matching",
        "event": "app.cli.life_events:event",
        "statistics": "app.cli.statistics:statistics",
        "operator": "app.cli.people:operator",
        "audit": "app.cli.audit_commands:audit",
        "keys": "app.cli.keys:keys",
        "storage": "app.cli.storage:storage",
        "demo": "app.cli.demo:demo",
    },
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="civitas", message="%(version)s")
def main() -> None:
    """Run and look after Civitas. Settings come from CIVITAS_…; see docs/settings.md."""
