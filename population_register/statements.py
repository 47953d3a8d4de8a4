"""The register's parts of composed statements about agencies' questions.

Names of binds are the parameters' own, and unlike any column's: SQLAlchemy takes the keys of the
parameters it is given for columns to SET, in every INSERT and UPDATE of the statement.
"""

from collections.abc import Sequence

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary, Uuid

from population_register.tables import agencies, person_identifiers, persons

AGENCY_ID = "register_agency_id"
REVISION = "register_revision"
_DIGEST = "register_digest_"
_ONE: ColumnElement[int] = literal_column("1")  # no value, which would be sent with each run


def unchanged_agency() -> CTE:
    """Tell whether an agency still is what a process remembers of it, mandates and keys included.

    Binds `register_agency_id`, `register_revision`. A row, or none.
    """
    a = agencies.c
    return (
        select(a.agency_id)
        .where(
            a.agency_id == bindparam(AGENCY_ID, type_=Text()),
            a.revision == bindparam(REVISION, type_=Integer()),
            a.is_active,
        )
        .cte("unchanged_agency")
    )


def identifier_holders(count: int) -> CTE:
    """Tell who has or had identifiers.

    Args:
        count: How many there are. Each has a bind of its own (`digest_binds`): one array of them
            takes asyncpg longer to encode than all other values of a statement together.

    Returns:
        One row: `whole`, how many persons have all of them; `partial`, how many have any;
        `person_id`, one who has all of them. Of merged persons, who answers for all counts.
    """
    p = person_identifiers.c
    group = func.coalesce(persons.c.group_id, p.person_id).label("person_id")
    held = (
        select(group, func.count(p.digest.distinct()).label("agreeing"))
        .join(persons, persons.c.person_id == p.person_id)
        .where(
            or_(
                *(
                    p.digest == bindparam(f"{_DIGEST}{number}", type_=LargeBinary())
                    for number in range(count)
                )
            )
        )
        .group_by(group)
        .cte("held")
    )
    has_all = held.c.agreeing == literal_column(str(count))
    found = func.array_agg(held.c.person_id, type_=ARRAY(Uuid())).filter(has_all)
    return (
        select(
            func.count().filter(has_all).label("whole"),
            func.count(held.c.person_id).label("partial"),
            found[_ONE].label("person_id"),
        )
        .select_from(held)
        .cte("identifier_holders")
    )


def digest_binds(digests: Sequence[bytes]) -> dict[str, object]:
    """Return the binds of `identifier_holders`.

    Args:
        digests: Of identifiers that all differ.
    """
    return {f"{_DIGEST}{number}": digest for number, digest in enumerate(digests)}
