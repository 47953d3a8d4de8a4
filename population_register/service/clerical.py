"""Review clerks: take a case, look, decide; two of them where both people have accounts.

Whoever decides holds the case: of two clerks, and of two clicks of one, one decides. Every look and
every decision stands in the access log of both people.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from audit.api import record_accesses
from kernel.ids import AgencyId, PersonId, new_id
from kernel.keyring import Keyring
from population_register import case_store, finding_store, matching_store, merge_store, ruling_store
from population_register.case_store import CaseKey, CaseLock, Proposal
from population_register.errors import (
    AlreadyDecided,
    CaseNotHeld,
    CaseTaken,
    CommentRefused,
    SecondOfficialNeeded,
    UnknownDecision,
)
from population_register.events import MergeConfirmed, MergeProposed, MergeRejected
from population_register.merge_store import Merge
from population_register.ruling_store import Ruling
from population_register.service.groups import members_of
from population_register.service.merging import (
    Decider,
    ask_agency,
    because,
    merge_persons,
    rule_apart,
    undo_merge,
    undo_ruling,
)
from population_register.service.reviewing import CaseView, read_case
from population_register.service.work_lists import clean, is_plain
from population_register.standings import Ref

LONGEST_COMMENT: Final = 1000  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCase:
    """A case as the desk shows it.

    Attributes:
        lock: Who works on it.
        needs_second: Whether both have a confirmed account, so that two officials merge.
        proposals: What was ever proposed, in order of time.
    """

    view: CaseView
    lock: CaseLock | None
    needs_second: bool
    proposals: tuple[Proposal, ...]

    @property
    def waiting(self) -> Proposal | None:
        """Return what waits for a second official."""
        return next((each for each in self.proposals if each.closed_at is None), None)


def parse_comment(text: str) -> str:
    """Return a clerk's comment as it is kept.

    Raises:
        CommentRefused: 400. None, too long, or not plain text.
    """
    comment = clean(text)
    if not comment or len(comment) > LONGEST_COMMENT or not is_plain(comment):
        raise CommentRefused
    return comment


def take_case(session: Session, case: CaseKey, *, by: Decider) -> None:
    """Let an official work on a case; nobody else may for a quarter of an hour.

    Raises:
        UnknownDecision: 404. There is no question about these two, and never was.
        CaseTaken: 409. Somebody else works on it.
    """
    _check_is_case(session, case)
    if not case_store.take_case(session, case, by.official, at=by.at):
        raise CaseTaken


def leave_case(session: Session, case: CaseKey, *, by: Decider) -> None:
    """Let others work on a case. Of a case that is not the official's, nothing happens."""
    case_store.release_case(session, case, by.official)


def open_case(
    session: Session, keyring: Keyring, case: CaseKey, *, by: Decider, to_decide: bool
) -> OpenedCase:
    """Open both people's records side by side, each with an access entry.

    Args:
        session: The transaction.
        keyring: Opens.
        case: Which.
        by: Who looks.
        to_decide: The official is to hold the case; others only look.

    Raises:
        UnknownDecision: 404. There is no question about these two, and never was.
        CaseNotHeld: 409. It is not the official's. Nothing was opened.
        PersonUnknown: 404. The data of one of them was destroyed.
    """
    _check_is_case(session, case)
    if to_decide and not case_store.keep_case(session, case, by.official, at=by.at):
        raise CaseNotHeld
    view = read_case(session, keyring, case.one, case.other, by=by)
    return OpenedCase(
        view=view,
        lock=case_store.find_lock(session, case, at=by.at),
        needs_second=_needs_second(session, case),
        proposals=tuple(case_store.list_proposals(session, case)),
    )


def decide_same(
    session: Session, keyring: Keyring, case: CaseKey, *, by: Decider
) -> Merge | Proposal:
    """Decide that two people are one; where both have a confirmed account, propose it.

    Raises:
        CaseNotHeld: 409. It is not the official's.
        AlreadyDecided: 409. They are one, or it is proposed already.
        PersonUnknown: 404. The data of one of them was destroyed.
    """
    _hold(session, case, by)
    if _needs_second(session, case):
        return _propose(session, keyring, case, by=by)
    merge = merge_persons(session, keyring, *case, by=replace(by, confirmed_by=None))
    _end(session, case, by)
    return merge


def decide_different(session: Session, keyring: Keyring, case: CaseKey, *, by: Decider) -> Ruling:
    """Decide that two people are two, whatever comes.

    Raises:
        CaseNotHeld: 409. It is not the official's.
        AlreadyDecided: 409. They are merged, or it was decided.
        PersonUnknown: 404. The data of one of them was destroyed.
    """
    _hold(session, case, by)
    if any(
        ruling.verdict == "different"
        and ruling.undone_at is None
        and set(ruling.persons) == {*case}
        for ruling in ruling_store.find_rulings(session, case)
    ):
        raise AlreadyDecided
    ruling = rule_apart(session, keyring, *case, by=by)
    _end(session, case, by)
    return ruling


def split_off(
    session: Session,
    keyring: Keyring,
    case: CaseKey,
    person_id: PersonId,
    records: Iterable[Ref],
    *,
    by: Decider,
) -> Ruling:
    """Decide that some records of one of the two are somebody else's.

    Raises:
        CaseNotHeld: 409. It is not the official's.
        PersonUnknown: 404. Not of this case, no such records, or all that the person has.
    """
    _hold(session, case, by)
    if person_id not in case:
        raise UnknownDecision
    ruling = rule_apart(session, keyring, person_id, person_id, by=by, records=records)
    case_store.release_case(session, case, by.official)
    return ruling


def ask(
    session: Session,
    keyring: Keyring,
    case: CaseKey,
    agency_id: AgencyId,
    *,
    by: Decider,
    holidays: Collection[date] = (),
) -> Ruling:
    """Ask an agency, on its work list, whether its records are about one person.

    Raises:
        CaseNotHeld: 409. It is not the official's.
        AgencyNotAsked: 400. The agency has no record of either.
        AlreadyDecided: 409. It was asked already.
    """
    _hold(session, case, by)
    ruling = ask_agency(session, keyring, *case, agency_id, by=by, holidays=holidays)
    case_store.release_case(session, case, by.official)
    return ruling


def confirm_merge(
    session: Session, keyring: Keyring, case: CaseKey, proposal_id: UUID, *, by: Decider
) -> Merge:
    """Confirm, as the second official, that two people are one.

    Raises:
        UnknownDecision: 404. There is no such proposal.
        SecondOfficialNeeded: 409. It is the official's own.
        AlreadyDecided: 409. Somebody else decided about it, or they are one already.

    Transaction:
        That it is another official, and that nobody was faster, is seen by the statement that
        closes the proposal.
    """
    proposal = _close(session, case, proposal_id, by=by, how="approved")
    _write_down(session, keyring, case, by, MergeConfirmed.action)
    merge = merge_persons(
        session,
        keyring,
        *case,
        by=replace(
            by,
            official=proposal.proposed_by,
            reason=proposal.reason,
            confirmed_by=by.official,
        ),
    )
    _close_questions(session, case, by)
    return merge


def reject_merge(
    session: Session, keyring: Keyring, case: CaseKey, proposal_id: UUID, *, by: Decider
) -> Proposal:
    """Reject what another official proposed: the case is open again.

    Raises:
        UnknownDecision: 404. There is no such proposal.
        SecondOfficialNeeded: 409. It is the official's own.
        AlreadyDecided: 409. Somebody else decided about it.
    """
    proposal = _close(session, case, proposal_id, by=by, how="rejected")
    _write_down(session, keyring, case, by, MergeRejected.action)
    return proposal


def take_back(
    session: Session, keyring: Keyring, case: CaseKey, decision_id: UUID, *, by: Decider
) -> None:
    """Undo a merge of these two, or a ruling about them, whoever decided it.

    Raises:
        CaseNotHeld: 409. It is not the official's.
        UnknownDecision: 404. There is no such decision about these two.
        AlreadyDecided: 409. It was undone already.
    """
    _hold(session, case, by)
    merge = merge_store.find_merge(session, decision_id)
    ruling = ruling_store.find_ruling(session, decision_id)
    if merge is not None and merge.persons == case:
        undo_merge(session, keyring, decision_id, by=by)
    elif ruling is not None and ruling.persons == case and ruling.verdict == "different":
        undo_ruling(session, keyring, decision_id, by=by)
    else:
        raise UnknownDecision(decision_id=str(decision_id))
    case_store.release_case(session, case, by.official)


def _check_is_case(session: Session, case: CaseKey) -> None:
    """Let nobody look at two people about whom there never was a question."""
    if not case_store.is_case(session, case):
        raise UnknownDecision(reason="no such case")


def _hold(session: Session, case: CaseKey, by: Decider) -> None:
    if not case_store.keep_case(session, case, by.official, at=by.at):
        raise CaseNotHeld


def _needs_second(session: Session, case: CaseKey) -> bool:
    groups = [members_of(session, person_id) for person_id in case]
    return groups[0] != groups[1] and all(
        matching_store.find_account_holders(session, group) for group in groups
    )


def _propose(session: Session, keyring: Keyring, case: CaseKey, *, by: Decider) -> Proposal:
    proposal = Proposal(
        proposal_id=new_id(by.at),
        case=case,
        proposed_at=by.at,
        proposed_by=by.official,
        reason=by.reason,
    )
    if not case_store.insert_proposal(session, proposal):
        raise AlreadyDecided(reason="proposed already")
    _write_down(session, keyring, case, by, MergeProposed.action)
    case_store.release_case(session, case, by.official)
    return proposal


def _close(
    session: Session, case: CaseKey, proposal_id: UUID, *, by: Decider, how: case_store.Closing
) -> Proposal:
    closed = case_store.close_proposal(
        session, case, proposal_id, by=by.official, how=how, reason=by.reason, at=by.at
    )
    if closed is not None:
        return closed
    known = {each.proposal_id: each for each in case_store.list_proposals(session, case)}
    if proposal_id not in known:
        raise UnknownDecision(proposal_id=str(proposal_id))
    if known[proposal_id].closed_at is None:
        raise SecondOfficialNeeded
    raise AlreadyDecided


def _end(session: Session, case: CaseKey, by: Decider) -> None:
    """Let go of a case that is decided; nobody needs to answer about it any more."""
    case_store.release_case(session, case, by.official)
    _close_questions(session, case, by)


def _close_questions(session: Session, case: CaseKey, by: Decider) -> None:
    for ruling in ruling_store.find_rulings(session, case):
        if ruling.verdict == "asked" and ruling.persons == case:
            for person_id in case:
                finding_store.close_finding(
                    session, person_id, ruling.ruling_id, at=by.at, how="answered"
                )


def _write_down(
    session: Session, keyring: Keyring, case: CaseKey, by: Decider, action: str
) -> None:
    entry = because(keyring, by, action)
    record_accesses(session, [(entry(person_id), person_id) for person_id in case])
