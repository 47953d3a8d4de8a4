"""The leaf's form, version 1, byte for byte: what was hashed once is hashed the same for ever."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from audit.errors import ProofRefused
from audit.leaf import (
    MOST_LEAF_BYTES,
    LeafForm,
    OfficialLeafForm,
    decode_leaf,
    encode_leaf,
)
from audit.model import Actor, NewEntry, Outcome
from kernel.ids import ClientId, ConsentId, EntryId
from tests.audit.audit_builders import an_entry

ENTRY = an_entry(
    entry_id=EntryId(UUID("019ab4c0-5e00-7000-8000-000000000001")),
    consent_id=ConsentId(UUID("019ab4c0-5e00-7000-8000-000000000002")),
    occurred_at=datetime(2026, 11, 23, 12, 0, 0, 5, tzinfo=UTC),
)
LEAF = (
    b'{"action":"partner_api.person.read","actor.id":"sober-bank","actor.kind":"partner",'
    b'"client_id":"sober-bank-web","consent_id":"019ab4c0-5e00-7000-8000-000000000002",'
    b'"entry_id":"019ab4c0-5e00-7000-8000-000000000001","items":["family_name","birthdate"],'
    b'"occurred_at":"2026-11-23T12:00:00.000005Z","outcome":"allowed",'
    b'"purpose":"account_opening","reason":null,"request_id":"0198-request",'
    b'"subject":"Qe5Zk0m3n7q1JtV0b4o9sYw2x6a8c1d3e5f7g9h1i2k","v":1}'
)


OUTCOMES: list[Outcome] = ["allowed", "refused"]


@st.composite
def entries(draw: st.DrawFn) -> NewEntry:
    words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    outcome: Outcome = draw(st.sampled_from(OUTCOMES))
    reason = draw(words.filter(bool)) if outcome == "refused" else draw(st.none() | words)
    return NewEntry(
        entry_id=EntryId(draw(st.uuids())),
        action=draw(words),
        outcome=outcome,
        reason=reason,
        actor=Actor(
            kind=draw(st.sampled_from(["person", "partner", "agency", "operator", "system"])),
            id=draw(words),
            official=draw(st.none() | words),
        ),
        subject=draw(words),
        purpose=draw(st.none() | words),
        items=tuple(draw(st.lists(words, max_size=5))),
        consent_id=draw(st.none() | st.uuids().map(ConsentId)),
        client_id=draw(st.none() | words.map(ClientId)),
        request_id=draw(st.none() | words),
        stated_purpose=draw(st.none() | words),
        occurred_at=draw(
            st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001
        ),
    )


@given(
    entries(),
    st.uuids().map(EntryId),
    st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001
    st.text("0123456789abcdef", min_size=1, max_size=24),
)
def test_a_form_gives_the_leaf_of_each_entry_like_it(
    entry: NewEntry, entry_id: EntryId, occurred_at: datetime, request_id: str
) -> None:
    like = replace(entry, request_id="first")
    filled = replace(entry, entry_id=entry_id, occurred_at=occurred_at, request_id=request_id)

    assert LeafForm(like).fill(entry_id, occurred_at, request_id) == encode_leaf(filled)


@pytest.mark.parametrize("request_id", ["", 'a"b', "a\\b", "a\nb", "é", "a-b"])
def test_a_form_refuses_what_json_would_escape(request_id: str) -> None:
    with pytest.raises(ValueError, match="letters and digits"):
        LeafForm(ENTRY).fill(ENTRY.entry_id, ENTRY.occurred_at, request_id)


def test_form_of_version_2_does_not_change() -> None:
    entry = replace(
        ENTRY,
        actor=Actor(kind="agency", id="tax", official="inspector-7"),
        stated_purpose="case 12-345",
    )

    leaf = encode_leaf(entry)

    assert leaf == (
        LEAF.replace(b'"actor.id":"sober-bank","actor.kind":"partner",',
                     b'"actor.id":"tax","actor.kind":"agency","actor.official":"inspector-7",')
        .replace(b'"subject":', b'"stated_purpose":"case 12-345","subject":')
        .replace(b'"v":1', b'"v":2')
    )  # fmt: skip
    assert decode_leaf(leaf) == entry


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(entries(), st.tuples(TEXTS, TEXTS), st.tuples(TEXTS, TEXTS), st.text("0123456789abcdef"))
def test_official_form_gives_the_leaf_of_each_question_like_it(
    entry: NewEntry, first: tuple[str, str], second: tuple[str, str], subject: str
) -> None:
    like, filled = (
        replace(
            entry,
            request_id=request_id,
            stated_purpose=stated_purpose,
            actor=Actor(kind="agency", id=entry.actor.id, official=official),
        )
        for request_id, (official, stated_purpose) in (("1", first), ("2", second))
    )
    filled = replace(filled, entry_id=ENTRY.entry_id, occurred_at=ENTRY.occurred_at)

    head, tail = OfficialLeafForm(replace(like, subject="")).fill(
        ENTRY.entry_id, ENTRY.occurred_at, "2", official=second[0], stated_purpose=second[1]
    )

    assert head + subject.encode() + tail == encode_leaf(replace(filled, subject=subject))


def test_text_that_looks_like_a_member_is_not_taken_for_it() -> None:
    said = '","subject":"","entry_id":"","x":"'
    entry = replace(
        ENTRY,
        subject="",
        request_id="first",
        purpose='"subject":""',
        stated_purpose=said,
        actor=Actor(kind="agency", id='"actor.official":""', official=said),
    )

    head, tail = OfficialLeafForm(entry).fill(
        entry.entry_id, entry.occurred_at, "first", official=said, stated_purpose=said
    )

    assert decode_leaf(head + b"s" + tail) == replace(entry, subject="s")


def test_an_official_form_gives_no_leaf_that_is_longer_than_any_may_be() -> None:
    """Whoever it turns out to be about: a pseudonym of 43 characters is filled in later."""
    entry = replace(
        ENTRY,
        subject="",
        request_id="first",
        stated_purpose="",
        actor=Actor(kind="agency", id="tax", official=""),
    )
    form = OfficialLeafForm(entry)

    def filled(room: int) -> int:
        head, tail = form.fill(
            entry.entry_id, entry.occurred_at, "first", official="", stated_purpose="x" * room
        )
        return len(head) + len(tail)

    room = MOST_LEAF_BYTES - 64 - filled(0)
    assert filled(room) + 43 <= MOST_LEAF_BYTES
    with pytest.raises(ValueError, match="longer than a leaf"):
        filled(room + 1)


def test_form_of_version_1_does_not_change() -> None:
    assert encode_leaf(ENTRY) == LEAF


@given(entries())
def test_leaf_says_the_entry_it_was_made_of(entry: NewEntry) -> None:
    assert decode_leaf(encode_leaf(entry)) == entry


def test_one_instant_is_written_in_one_way() -> None:
    moscow = ENTRY.occurred_at.astimezone(timezone(timedelta(hours=3)))

    assert encode_leaf(an_entry(occurred_at=moscow)).count(b"T12:00:00.000005Z") == 1


def test_cyrillic_and_line_separators_stay_as_they_are() -> None:
    leaf = encode_leaf(an_entry(purpose="Ёлка\u2028<script>"))

    assert "Ёлка\u2028<script>".encode() in leaf  # RFC 8785, 3.2.2.2


NO_LEAVES = {
    "another version": LEAF.replace(b'"v":1', b'"v":2'),
    "version 2 that says nothing more": LEAF.replace(
        b'"actor.kind":"partner",', b'"actor.kind":"partner","actor.official":null,'
    )
    .replace(b'"subject":', b'"stated_purpose":null,"subject":')
    .replace(b'"v":1', b'"v":2'),
    "white space": LEAF.replace(b'"v":1', b'"v": 1'),
    "white space at the end": LEAF + b"\n",
    "a member is missing": LEAF.replace(b',"v":1', b""),
    "a member too many": LEAF.replace(b',"v":1', b',"v":1,"w":1'),
    "a member twice": LEAF.replace(b'"v":1', b'"v":1,"v":1'),
    "not a UUID": LEAF.replace(b"8000-000000000001", b"8000-00000000000Z"),
    "an upper-case UUID": LEAF.replace(b"019ab4c0", b"019AB4C0"),
    "an offset instead of Z": LEAF.replace(b"000005Z", b"000005+00:00"),
    "no fraction of a second": LEAF.replace(b".000005Z", b"Z"),
    "refused without a reason": LEAF.replace(b"allowed", b"refused"),
    "an escape that is not needed": LEAF.replace(b"sober-bank-web", b"sober\\u002dbank-web"),
    "cut": LEAF[:-1],
    "an array": b"[]",
    "null": b"null",
    "nothing": b"",
    "not UTF-8": b"\xff",
}


@pytest.mark.parametrize("leaf", NO_LEAVES.values(), ids=NO_LEAVES)
def test_anything_else_is_no_leaf(leaf: bytes) -> None:
    with pytest.raises(ProofRefused):
        decode_leaf(leaf)


def test_entry_longer_than_a_leaf_is_refused() -> None:
    room = MOST_LEAF_BYTES - len(encode_leaf(an_entry(purpose="")))

    assert len(encode_leaf(an_entry(purpose="x" * room))) == MOST_LEAF_BYTES
    with pytest.raises(ValueError, match="longer"):
        encode_leaf(an_entry(purpose="x" * (room + 1)))


def test_refusal_without_reason_is_no_entry() -> None:
    with pytest.raises(ValueError, match="reason"):
        an_entry(outcome="refused")


def test_instant_without_zone_is_no_entry() -> None:
    with pytest.raises(ValueError, match="timezone"):
        an_entry(occurred_at=datetime(2026, 11, 23))  # noqa: DTZ001
