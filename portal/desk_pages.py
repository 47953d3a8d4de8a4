"""The desk of review clerks: a case with both sides, the decision, a second official.

Whoever looks, looks under the eyes of the people concerned: each opening of a case stands in their
logs.
"""

# ruff: noqa: FAST003  # the dependency `Case` takes both parts of an address
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from idp.api import CurrentOperator, Operator, OperatorRole, current_operator, operator_with
from kernel.db import UnitOfWork, unit_of_work_of
from kernel.errors import DomainError, InvalidRequest
from kernel.form_guard import FormFromOurPage
from kernel.ids import AgencyId, PersonId
from kernel.languages import _
from kernel.pages import Pages, RefusalText, language_of, see_other
from population_register.api import (
    LONGEST_COMMENT,
    AgencyNotAsked,
    CaseKey,
    CaseNotHeld,
    CommentRefused,
    Decider,
    Merge,
    ask_about_case,
    case_key,
    confirm_merge,
    decide_different,
    decide_same,
    leave_case,
    open_case,
    parse_comment,
    reject_merge,
    split_off,
    take_back,
    take_case,
)
from portal.desk_queue_pages import render_desk_page
from portal.desk_view import case_page
from portal.desk_words import case_address, case_number
from portal.service.visiting import agency_names

router = APIRouter(include_in_schema=False)


_LONGEST = 4000  # characters of a comment as it arrives; the register takes fewer

Clerk = Annotated[Operator, Depends(operator_with(OperatorRole.CLERK), scope="function")]
Approver = Annotated[Operator, Depends(operator_with(OperatorRole.APPROVER), scope="function")]


def _case(one: UUID, other: UUID) -> CaseKey:
    return case_key(PersonId(one), PersonId(other))


Case = Annotated[CaseKey, Depends(_case)]


def _decider(request: Request, operator: Operator, comment: str = "") -> Decider:
    return Decider(
        official=operator.operator_id,
        reason=comment,
        at=request.app.state.clock.now(),
        request_id=str(getattr(request.state, "request_id", "")),
    )


@router.post("/desk/cases/{one:uuid}/{other:uuid}/take", dependencies=[FormFromOurPage])
def take(request: Request, session: UnitOfWork, clerk: Clerk, case: Case) -> Response:
    """Take a case: nobody else may decide it for a quarter of an hour."""
    take_case(session, case, by=_decider(request, clerk))
    return see_other(case_address(case))


@router.post("/desk/cases/{one:uuid}/{other:uuid}/leave", dependencies=[FormFromOurPage])
def leave(request: Request, session: UnitOfWork, clerk: Clerk, case: Case) -> Response:
    """Give a case back without a decision."""
    leave_case(session, case, by=_decider(request, clerk))
    return see_other("/desk/cases")


@router.get("/desk/cases/{one:uuid}/{other:uuid}")
def show_case(
    request: Request, session: UnitOfWork, operator: CurrentOperator, case: Case
) -> Response:
    """Show both sides of a case; a clerk takes it first."""
    return _case_page(request, session, operator, case)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """What was chosen and typed into the form of a decision."""

    verdict: str = ""
    comment: str = ""
    agency: str = ""
    records: tuple[str, ...] = ()


def _typed(
    verdict: Annotated[str, Form(max_length=20)] = "",
    comment: Annotated[str, Form(max_length=_LONGEST)] = "",
    agency: Annotated[str, Form(max_length=100)] = "",
    records: Annotated[list[str] | None, Form()] = None,
) -> _Typed:
    return _Typed(verdict=verdict, comment=comment, agency=agency, records=tuple(records or ()))


class DecisionIncomplete(InvalidRequest):
    """Nothing was chosen, or what the choice needs is missing; shown as the form again."""

    code = "decision_incomplete"
    title = "Choose a decision, and what it needs."


@router.post("/desk/cases/{one:uuid}/{other:uuid}/decide", dependencies=[FormFromOurPage])
def decide(
    request: Request,
    session: UnitOfWork,
    clerk: Clerk,
    case: Case,
    typed: Annotated[_Typed, Depends(_typed)],
) -> Response:
    """Take a clerk's decision."""
    request.state.typed_decision = case, typed
    keyring = request.app.state.keyring
    by = _decider(request, clerk, parse_comment(typed.comment))
    done = typed.verdict
    match typed.verdict:
        case "same":
            same = decide_same(session, keyring, case, by=by)
            done = "merged" if isinstance(same, Merge) else "proposed"
        case "different":
            decide_different(session, keyring, case, by=by)
        case "split":
            side, refs = _parse_records(typed.records)
            split_off(session, keyring, case, case[side], refs, by=by)
        case "ask":
            if typed.agency not in agency_names(session, language_of(request)):
                raise DecisionIncomplete(field="agency")
            holidays = request.app.state.settings.holidays
            agency_id = AgencyId(typed.agency)
            ask_about_case(session, keyring, case, agency_id, by=by, holidays=holidays)
            done = "asked"
        case _:
            raise DecisionIncomplete(field="verdict")
    return see_other(f"/desk/cases?{urlencode({'done': done})}")


def _parse_records(records: tuple[str, ...]) -> tuple[int, list[bytes]]:
    """Read which records of one side are split off, as `side:digest`."""
    try:
        found = [(int(side), bytes.fromhex(ref)) for side, ref in (r.split(":") for r in records)]
    except ValueError as error:
        raise DecisionIncomplete(field="records") from error
    sides = {side for side, _ref in found}
    if sides not in ({0}, {1}):
        raise DecisionIncomplete(field="records")
    return sides.pop(), [ref for _side, ref in found]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What is said about a decision that was made before: a proposal, a merge, a ruling."""

    about: UUID
    decision: str
    comment: str


def _said(
    about: Annotated[UUID, Form()],
    decision: Annotated[Literal["confirm", "reject", "undo"], Form()],
    comment: Annotated[str, Form(max_length=_LONGEST)] = "",
) -> _Said:
    return _Said(about=about, decision=decision, comment=comment)


@router.post("/desk/cases/{one:uuid}/{other:uuid}/confirm", dependencies=[FormFromOurPage])
def confirm(
    request: Request,
    session: UnitOfWork,
    approver: Approver,
    case: Case,
    said: Annotated[_Said, Depends(_said)],
) -> Response:
    """Take a second official's decision about what another one proposed."""
    request.state.typed_decision = case, _Typed(comment=said.comment)
    keyring = request.app.state.keyring
    by = _decider(request, approver, parse_comment(said.comment))
    if said.decision == "confirm":
        confirm_merge(session, keyring, case, said.about, by=by)
        return see_other("/desk/cases?done=confirmed")
    if said.decision != "reject":
        raise InvalidRequest(field="decision")
    reject_merge(session, keyring, case, said.about, by=by)
    return see_other("/desk/cases?done=rejected")


@router.post("/desk/cases/{one:uuid}/{other:uuid}/undo", dependencies=[FormFromOurPage])
def undo(
    request: Request,
    session: UnitOfWork,
    clerk: Clerk,
    case: Case,
    said: Annotated[_Said, Depends(_said)],
) -> Response:
    """Undo a merge, or a ruling that two are two."""
    request.state.typed_decision = case, _Typed(comment=said.comment)
    by = _decider(request, clerk, parse_comment(said.comment))
    take_back(session, request.app.state.keyring, case, said.about, by=by)
    return see_other("/desk/cases?done=undone")


def _case_page(
    request: Request,
    session: Session,
    operator: Operator,
    case: CaseKey,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    typed: _Typed | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    state = request.app.state
    language = language_of(request)
    # Who only confirms or audits looks without taking the case; so does a clerk who also confirms,
    # at what waits for confirmation.
    to_decide = not operator.may(OperatorRole.APPROVER, OperatorRole.AUDITOR)
    by = _decider(request, operator)
    opened = open_case(session, state.keyring, case, by=by, to_decide=to_decide)
    agencies = agency_names(session, language)
    mine = opened.lock is not None and opened.lock.held_by == operator.operator_id
    return render_desk_page(
        request,
        operator,
        "portal/desk_case.html",
        status=status,
        headers=headers,
        path=case_address(case),
        section="cases",
        page=case_page(opened, case, agencies=agencies, language=language),
        can_decide=mine and operator.may(OperatorRole.CLERK),
        can_confirm=operator.may(OperatorRole.APPROVER)
        and opened.waiting is not None
        and opened.waiting.proposed_by != operator.operator_id,
        typed=typed or _Typed(),
        longest=LONGEST_COMMENT,
        errors=errors or {},
    )


_FAULTS = {
    "comment": _("Say why, in at most 1000 characters"),
    "verdict": _("Choose what you decide"),
    "agency": _("Choose an agency that has a record of one of them"),
    "records": _("Choose records of one side, but not all of them"),
}


def show_incomplete(request: Request, refusal: DomainError, headers: Mapping[str, str]) -> Response:
    """Show the case again, with what was chosen and typed, and what is wrong with it."""
    case, typed = request.state.typed_decision
    field = str(refusal.context.get("field", "comment"))
    if isinstance(refusal, AgencyNotAsked):
        field = "agency"
    pages: Pages = request.app.state.pages
    try:
        with unit_of_work_of(request.app.state.sessions) as session:
            return _case_page(
                request, session, current_operator(request, session), case,
                status=refusal.status, headers=headers, typed=typed,
                errors={field: _FAULTS[field]},
            )  # fmt: skip
    except DomainError as graver:  # the case is not theirs, or not there, whatever they typed
        return pages.refusal(request, graver, headers)


def show_not_held(request: Request, refusal: DomainError, headers: Mapping[str, str]) -> Response:
    """Offer to take the case: it is nobody's, somebody else's, or was decided."""
    one, other = request.path_params["one"], request.path_params["other"]
    case = _case(one, other)
    with unit_of_work_of(request.app.state.sessions) as session:
        operator = current_operator(request, session)
    return render_desk_page(
        request,
        operator,
        "portal/desk_take.html",
        status=200 if request.method == "GET" else refusal.status,
        headers=headers,
        path=case_address(case),
        section="cases",
        address=case_address(case),
        number=case_number(case),
        is_form=request.method == "POST",
    )


REFUSAL_PAGES = {
    CommentRefused: show_incomplete,
    DecisionIncomplete: show_incomplete,
    AgencyNotAsked: show_incomplete,
    CaseNotHeld: show_not_held,
}
"""Pages of refusals that are more than a sentence."""

TEXTS: Mapping[str, RefusalText] = {
    "case_taken": RefusalText(
        heading=_("Another clerk works on this case"),
        advice=_("Take another one from the queue, or come back in a quarter of an hour."),
    ),
    "already_decided": RefusalText(
        heading=_("This has been decided already"),
        advice=_("Nothing was changed. Open the case to see by whom."),
    ),
    "second_official_needed": RefusalText(
        heading=_("Another official has to confirm this"),
        advice=_("Nothing was changed. Nobody confirms what they proposed themselves."),
    ),
    "unknown_decision": RefusalText(
        heading=_("There is no such case"),
        advice=_("Check the address, or start from the queue."),
    ),
    "register_busy": RefusalText(
        heading=_("The register is busy with the same people"),
        advice=_("Nothing was changed. Try again in a moment."),
    ),
}
"""What officials are told about refusals, by code."""
