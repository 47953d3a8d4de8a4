"""The lists of the desk: the queue of cases, and what was decided. They open and name nothing."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from idp.api import CurrentOperator, Operator, OperatorRole
from kernel.db import UnitOfWork
from kernel.errors import InvalidRequest
from kernel.ids import AgencyId, PersonId
from kernel.pages import language_of, render, see_other
from population_register.api import CaseState, QueueFilter, list_decided, list_queue
from portal.decisions_view import decided_row
from portal.desk_view import queue_row
from portal.service.visiting import agency_names

router = APIRouter(include_in_schema=False)

CASES_A_PAGE: Final = 25
DECISIONS_A_PAGE: Final = 50
AGES: Final = (0, 7, 30)
"""Days by which the queue is filtered."""

_STATES: tuple[CaseState, ...] = ("open", "asked", "waiting")
_DONE: Final = frozenset({"merged", "proposed", "different", "split", "asked", "confirmed",
                          "rejected", "undone"})  # fmt: skip


@router.get("/desk")
def start(operator: CurrentOperator) -> Response:
    """Go to the queue: what waits for confirmation first, for whoever only confirms."""
    is_approver = not operator.may(OperatorRole.CLERK) and operator.may(OperatorRole.APPROVER)
    return see_other("/desk/cases?state=waiting" if is_approver else "/desk/cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which part of the queue is asked for, and what was done a moment ago."""

    state: CaseState | None
    agency: str
    days: int
    after: tuple[datetime, PersonId, PersonId] | None
    done: str

    @property
    def filters(self) -> dict[str, str]:
        """Return the filters as they stand in an address."""
        return {"state": self.state or "", "agency": self.agency, "age": str(self.days or "")}


def _wanted(
    state: Annotated[str, Query(max_length=20)] = "",
    agency: Annotated[str, Query(max_length=100)] = "",
    age: Annotated[str, Query(max_length=10)] = "",
    after: Annotated[str, Query(max_length=200)] = "",
    done: Annotated[str, Query(max_length=20)] = "",
) -> _Wanted:
    return _Wanted(
        state=next((each for each in _STATES if each == state), None),
        agency=agency if agency.isprintable() else "",
        days=next((days for days in AGES if str(days) == age), 0),
        after=_parse_position(after) if after else None,
        done=done if done in _DONE else "",
    )


@router.get("/desk/cases")
def show_queue(
    request: Request,
    session: UnitOfWork,
    operator: CurrentOperator,
    wanted: Annotated[_Wanted, Depends(_wanted)],
) -> Response:
    """List the cases, the oldest first."""
    at = request.app.state.clock.now()
    language = language_of(request)
    found = list_queue(
        session,
        QueueFilter(
            state=wanted.state,
            found_before=at - timedelta(days=wanted.days) if wanted.days else None,
            agency_id=AgencyId(wanted.agency) if wanted.agency else None,
        ),
        after=wanted.after,
        limit=CASES_A_PAGE + 1,
        at=at,
    )
    agencies = agency_names(session, language)
    shown = found[:CASES_A_PAGE]
    filters = wanted.filters
    older = ""
    if len(found) > CASES_A_PAGE:
        last = shown[-1]
        position = f"{last.found_at.isoformat()}~{last.case.one}~{last.case.other}"
        older = f"/desk/cases?{urlencode({**filters, 'after': position})}"
    return render_desk_page(
        request,
        operator,
        "portal/desk_cases.html",
        section="cases",
        rows=[
            queue_row(each, official=operator.operator_id, agencies=agencies, language=language)
            for each in shown
        ],
        filters=filters,
        agencies=sorted(agencies.items(), key=lambda pair: pair[1]),
        ages=AGES,
        first_href=f"/desk/cases?{urlencode(filters)}" if wanted.after else "",
        next_href=older,
        done=wanted.done,
    )


def _parse_position(text: str) -> tuple[datetime, PersonId, PersonId]:
    try:
        found_at, one, other = text.split("~")
        position = datetime.fromisoformat(found_at), PersonId(UUID(one)), PersonId(UUID(other))
    except ValueError as error:
        raise InvalidRequest(field="after") from error
    if position[0].tzinfo is None:
        raise InvalidRequest(field="after")
    return position


@router.get("/desk/decisions")
def show_decisions(
    request: Request,
    session: UnitOfWork,
    operator: CurrentOperator,
    before: Annotated[UUID | None, Query()] = None,
) -> Response:
    """Show who decided what, of all cases, the latest first."""
    language = language_of(request)
    found = list_decided(session, before=before, limit=DECISIONS_A_PAGE + 1)
    shown = found[:DECISIONS_A_PAGE]
    older = len(found) > DECISIONS_A_PAGE
    return render_desk_page(
        request,
        operator,
        "portal/desk_decisions.html",
        section="decisions",
        rows=[decided_row(each, language) for each in shown],
        next_href=f"/desk/decisions?before={shown[-1].decision_id}" if older else "",
        is_older_page=before is not None,
    )


def render_desk_page(
    request: Request,
    operator: Operator,
    template: str,
    **context: Any,  # noqa: ANN401  # values of the template
) -> Response:
    """Show a page of the desk; its head says what this official may do."""
    return render(
        request,
        template,
        operator=operator,
        is_clerk=operator.may(OperatorRole.CLERK),
        is_approver=operator.may(OperatorRole.APPROVER),
        **context,
    )
