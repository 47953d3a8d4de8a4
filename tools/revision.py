"""`make migration message="…"`: write a revision from what changed in the tables.

The tables are compared with a database that all revisions so far have made: an embedded one in a
temporary folder, so that nothing of yours is touched. Read what it wrote before you commit it.
"""

import re
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config

import migrations
from kernel.postgres import EmbeddedPostgres

_REVISION_LENGTH = 32  # the width of Alembic's own column


def main() -> int:
    """Write the revision into `migrations/versions`."""
    message = " ".join(sys.argv[1:]).strip()
    if not message:
        print('Say what the revision does: make migration message="Add the accounts"')
        return 2
    versions = Path(migrations.__file__).parent / "versions"
    number = 1 + max((int(path.name[:4]) for path in versions.glob("[0-9]*.py")), default=0)
    words = re.sub(r"\W+", "_", message.lower()).strip("_")
    revision = f"{number:04}_{words}"[:_REVISION_LENGTH]
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder), durable=False) as server,
    ):
        migrations.upgrade(server.url)
        config = Config("alembic.ini")
        config.attributes["url"] = server.url
        command.revision(config, message, autogenerate=True, rev_id=revision)
    return 0


if __name__ == "__main__":
    sys.exit(main())
