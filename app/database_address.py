"""Where the database is, if anywhere; light, because every command begins with it."""

from kernel.settings import Settings


class DatabaseUnset(Exception):
    """No database was named, and this command does not start one."""

    def __init__(self) -> None:
        super().__init__(
            "CIVITAS_DATABASE_URL is not set. `civitas run` starts an embedded database; every "
            "other command needs the address of one."
        )


def database_url(settings: Settings) -> str:
    """Return the address of the database.

    Raises:
        DatabaseUnset: None was named.
    """
    if settings.database_url is None:
        raise DatabaseUnset
    return settings.database_url.get_secret_value()
