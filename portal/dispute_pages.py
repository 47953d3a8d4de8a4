"""Pages on which a person disputes a value, and sees what the agency answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request
from starlette.responses import Response

from kernel.db import UnitOfWork, unit_of_work_of
from kernel.errors import DomainError
from kernel.form_guard import FormFromOurPage
from kernel.languages import _
from kernel.pages import RefusalText, render, see_other
from population_register.api import LONGEST_SUGGESTION, LONGEST_TEXT
from portal.disputes import DisputedValue, send_dispute, view_disputes, view_value
from portal.visits import CurrentVisit, find_visit

router = APIRouter(include_in_schema=False)

_LONGEST_NAME = 100  # characters of an attribute's or agency's name in an address

_Name = Annotated[str, Query(max_length=_LONGEST_NAME)]
_FormName = Annotated[str, Form(max_length=_LONGEST_NAME)]


@router.get("/account/disputes")
def show_disputes(
    request: Request, session: UnitOfWork, visit: CurrentVisit, sent: str = ""
) -> Response:
    """Show what the person disputes, and what they sent a moment ago."""
    disputes = view_disputes(session, request.app.state.keyring, visit)
    return render(
        request,
        "portal/disputes.html",
        section="overview",
        disputes=disputes,
        sent_to=[view.source for view in disputes if str(view.dispute_id) == sent][:1],
    )


@router.get("/account/disputes/new")
def show_new_dispute(
    request: Request,
    session: UnitOfWork,
    visit: CurrentVisit,
    attribute: _Name = "",
    source: _Name = "",
) -> Response:
    """Ask what is wrong with a value."""
    keyring = request.app.state.keyring
    value = view_value(session, keyring, visit, attribute=attribute, source=source)
    return _form(request, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """What was typed into the form."""

    attribute: str
    source: str
    words: str = field(repr=False)
    suggested: str


def _typed(
    attribute: _FormName = "",
    source: _FormName = "",
    words: Annotated[str, Form()] = "",
    suggested: Annotated[str, Form()] = "",
) -> _Typed:
    return _Typed(attribute=attribute, source=source, words=words, suggested=suggested)


@router.post("/account/disputes/new", dependencies=[FormFromOurPage])
def send(
    request: Request,
    session: UnitOfWork,
    visit: CurrentVisit,
    typed: Annotated[_Typed, Depends(_typed)],
) -> Response:
    """Send what is wrong with a value to the agency that says it."""
    request.state.typed_dispute = typed
    dispute_id = send_dispute(
        session,
        request.app.state.keyring,
        visit,
        attribute=typed.attribute,
        source=typed.source,
        words=typed.words,
        suggested=typed.suggested,
        holidays=request.app.state.settings.holidays,
    )
    return see_other(f"/account/disputes?{urlencode({'sent': dispute_id})}")


def _form(
    request: Request,
    value: DisputedValue,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    words: str = "",
    suggested: str = "",
    errors: Mapping[str, str] | None = None,
) -> Response:
    return render(
        request,
        "portal/dispute_new.html",
        status=status,
        headers=headers,
        section="overview",
        value=value,
        words=words,
        suggested=suggested,
        longest_words=LONGEST_TEXT,
        longest_suggestion=LONGEST_SUGGESTION,
        errors=errors or {},
    )


_FAULTS = {
    "words": _("Say what is wrong, in at most 1000 characters"),
    "suggested": _("Say in at most 300 characters what it should be"),
}


def show_refused_dispute(
    request: Request, refusal: DomainError, headers: Mapping[str, str]
) -> Response:
    """Show the form again, with what was typed, and what is wrong with it."""
    typed: _Typed = request.state.typed_dispute
    visit = find_visit(request)
    state = request.app.state
    with unit_of_work_of(state.sessions) as session:
        value = view_value(
            session,
            state.keyring,
            visit,
            attribute=typed.attribute,
            source=typed.source,
        )
    field = str(refusal.context.get("field", "words"))
    return _form(
        request,
        value,
        status=refusal.status,
        headers=headers,
        words=typed.words,
        suggested=typed.suggested,
        errors={field: _FAULTS[field]},
    )


TEXTS: Mapping[str, RefusalText] = {
    "value_not_stated": RefusalText(
        heading=_("No agency says this about you now"),
        advice=_("Nothing was sent. The value may have been corrected: look at your data again."),
    ),
    "already_disputed": RefusalText(
        heading=_("You dispute this value already"),
        advice=_("The agency has not answered yet. You see its answer among what you dispute."),
    ),
    "too_many_disputes": RefusalText(
        heading=_("That is enough for today"),
        advice=_("Nothing was sent. You can dispute more values tomorrow."),
    ),
}
"""What a person is told about refusals, by code."""
