"""Serve any ASGI application with the settings of `civitas serve`.

python -m loadtests.server PORT loadtests.ceiling:make_app
"""

import sys

from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from granian.server import Server

from app.supervisor import die_with_parent


def main() -> None:
    """Run the command."""
    die_with_parent()
    port, target = sys.argv[1:]
    # As app.cli.processes.serve_forever: the comparison is of applications, not of settings.
    Server(
        target,
        factory=True,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        address="127.0.0.1",
        port=int(port),
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=False,
        workers_kill_timeout=10,
    ).serve()


if __name__ == "__main__":
    main()
