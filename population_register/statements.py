"""The register's parts of composed statements about agencies' questions.

Names of binds are the parameters' own, and unlike any column's: SQLAlchemy takes the keys of the
parameters it is given for columns to SET, in every INSERT and UPDATE of the statement.
"""

from sqlalchemy import CTE, Integer, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import LargeBinary, Uuid

from population_register.tables import agencies, person_identifiers, persons

AGENCY_ID = "register_agency_id"
REVISION = "register_revision"
DIGESTS = "register_digests"
DIGEST_COUNT = "register_digest_count"


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


def identifier_holders() -> CTE:
    """Tell who has or had identifiers.

    Binds `register_digests`, `register_digest_count` (how many different ones there are).

    Returns:
        One row: `whole`, how many persons have all of them; `partial`, how many have any;
        `person_id`, one who has all of them. Of merged persons, who answers for all counts.
    """
    p = person_identifiers.c
    group = func.coalesce(persons.c.group_id, p.person_id).label("person_id")
    held = (
        select(group, func.count(p.digest.distinct()).label("agreeing"))
        .join(persons, persons.c.person_id == p.person_id)
        .where(p.digest == any_(bindparam(DIGESTS, type_=ARRAY(LargeBinary()))))
        .group_by(group)
        .cte("held")
    )
    has_all = held.c.agreeing == bindparam(DIGEST_COUNT, type_=Integer())
    found = func.array_agg(held.c.person_id, type_=ARRAY(Uuid())).filter(has_all)
    return (
        select(
            func.count().filter(has_all).label("whole"),
            func.count(held.c.person_id).label("partial"),
            found[1].label("person_id"),
        )
        .select_from(held)
        .cte("identifier_holders")
    )
