"""Who is in their account in this request: what every page of the portal begins with."""

from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from idp.api import CurrentPerson, current_person
from kernel.db import UnitOfWork, unit_of_work_of
from kernel.ids import PersonId
from kernel.pages import language_of
from population_register.api import members_of
from portal.service.visiting import Visit


def _visit(request: Request, session: UnitOfWork, person: CurrentPerson) -> Visit:
    """Say who is here (a dependency of every route).

    Raises:
        NotSignedIn: 401. Nobody is; shown as the sign-in page.
    """
    return _visit_of(request, session, person.person_id)


def _visit_of(request: Request, session: Session, person_id: PersonId) -> Visit:
    return Visit(
        person_id=person_id,
        members=members_of(session, person_id),
        at=request.app.state.clock.now(),
        request_id=str(getattr(request.state, "request_id", "")),
        language=language_of(request),
    )


def find_visit(request: Request) -> Visit:
    """Say who is here, in a transaction that ends at once.

    Raises:
        NotSignedIn: 401. Nobody is; shown as the sign-in page.
    """
    with unit_of_work_of(request.app.state.sessions) as session:
        return _visit_of(request, session, current_person(request, session).person_id)


CurrentVisit = Annotated[Visit, Depends(_visit, scope="function")]
