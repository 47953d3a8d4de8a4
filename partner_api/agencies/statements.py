"""What agencies' requests ask of the database, as single statements.

    live_client × its agency × spent_assertion × spent_proof × (who is it × the record × the entry)

Each answers with exactly one row that says how far it got, and spends nothing before it knows that
the client speaks for the agency, and that the agency is the one that the process remembers.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Text,
    bindparam,
    exists,
    literal_column,
    select,
    true,
)

from audit.api import append_entry
from idp.api import live_client, spend_assertion, spend_proof
from kernel.db import HotStatement
from partner_api.agencies.subjects import subject_of
from partner_api.tables import agency_clients
from population_register.api import current_record, identifier_holders, unchanged_agency

# Of the register's own parts, which names the binds.
_AGENCY_ID = bindparam("register_agency_id", type_=Text())


def _bound_client() -> CTE:
    """Return the client of a token, if it is good and speaks for the agency."""
    client = live_client()
    bound = agency_clients.c
    return (
        select(client.c.client_id)
        .join(agency_clients, bound.client_id == client.c.client_id)
        .where(bound.agency_id.is_not_distinct_from(_AGENCY_ID))
        .cte("bound_client")
    )


def _has_row(part: FromClause) -> ColumnElement[bool]:
    return exists(select(literal_column("1")).select_from(part))


def _admission(
    *, has_agency: bool, has_assertion: bool
) -> tuple[CTE, dict[str, ColumnElement[Any]]]:
    """Return the part that has a row when the request is admitted, and what is told otherwise."""
    bound = _bound_client()
    facts: dict[str, ColumnElement[Any]] = {
        "is_bound": _has_row(bound),
        "is_unchanged": true(),
        "is_assertion_fresh": true(),
        "is_proof_fresh": true(),
    }
    last = bound
    if has_agency:
        agency = unchanged_agency()
        last = select(bound.c.client_id).join(agency, true()).cte("known_caller")
        facts["is_unchanged"] = _has_row(agency)
    if has_assertion:
        last = spend_assertion(last)
        facts["is_assertion_fresh"] = _has_row(last)
    last = spend_proof(last)
    facts["is_proof_fresh"] = _has_row(last)
    return last, facts


@lru_cache
def admit(*, has_agency: bool, has_assertion: bool) -> HotStatement:
    """Compose the admission of a request that is then worked on in transactions of its own.

    Args:
        has_agency: What is remembered of the agency counts: its mandates, its keys.
        has_assertion: An official's assertion is spent.
    """
    _, facts = _admission(has_agency=has_agency, has_assertion=has_assertion)
    return HotStatement(select(*(fact.label(name) for name, fact in facts.items())))


@lru_cache
def resolve(count: int) -> HotStatement:
    """Compose the answer to a question by numbers, its access entry appended.

    The record is given of whoever alone has all of the numbers, and only with the entry.

    Args:
        count: How many numbers there are.

    Returns:
        The facts of `admit`; `whole`, `partial` and `person_id` as `identifier_holders`; and
        `entry_id`, `sealed_record`, `wrapped_key`, NULL where nothing was given.
    """
    admitted, facts = _admission(has_agency=True, has_assertion=True)
    holders = identifier_holders(count)
    found = select(holders.c.person_id).where(holders.c.whole == literal_column("1")).cte("found")
    record = current_record(found.c.person_id)
    permitted = (
        select(
            found.c.person_id,
            record.c.sealed_record,
            record.c.wrapped_key,
            subject_of(found.c.person_id).label("subject"),
        )
        .select_from(found)
        .join(record, true())
        .join(admitted, true())
        .cte("permitted")
    )
    entry = append_entry(permitted.c.person_id, source=permitted, subject=permitted.c.subject)
    return HotStatement(
        select(
            *(fact.label(name) for name, fact in facts.items()),
            holders.c.whole,
            holders.c.partial,
            holders.c.person_id,
            entry.c.entry_id,
            permitted.c.sealed_record,
            permitted.c.wrapped_key,
        )
        .select_from(holders)
        .outerjoin(entry, true())
        .outerjoin(permitted, entry.c.entry_id.is_not(None))
    )
