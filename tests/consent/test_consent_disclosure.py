import contextlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.catalogue import PURPOSES
from consent.disclosure import MOST_USES, parse_disclosure
from consent.errors import InvalidDisclosure

VALID: dict[str, Any] = {
    "type": "civitas_disclosure",
    "purpose": "account_opening",
    "items": ["passport", "family_name"],
    "retention_days": 100,
    "expires_in_days": 10,
}


def test_reads_what_the_client_asks_for_in_its_order() -> None:
    disclosure = parse_disclosure(VALID)

    assert disclosure.items == ("passport", "family_name")
    assert disclosure.retention == timedelta(days=100)
    assert disclosure.expires_in == timedelta(days=10)
    assert disclosure.max_uses is None


def test_left_out_periods_are_the_usual_ones_of_the_purpose() -> None:
    disclosure = parse_disclosure(
        {"type": "civitas_disclosure", "purpose": "delivery", "items": ["given_name"]}
    )

    assert disclosure.expires_in == PURPOSES[disclosure.purpose].usual
    assert disclosure.retention == PURPOSES[disclosure.purpose].usual_retention


@pytest.mark.spec("RFC9396-5")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"type": "payment_initiation"}, id="another type"),
        pytest.param({"type": None}, id="no type"),
        pytest.param({"locations": ["https://a.example"]}, id="member that the type lacks"),
        pytest.param({"purpose": "marketing"}, id="unknown purpose"),
        pytest.param({"purpose": ["delivery"]}, id="purpose is a list"),
        pytest.param({"items": []}, id="no items"),
        pytest.param({"items": "passport"}, id="items is a text"),
        pytest.param({"items": None}, id="items is null"),
        pytest.param({"items": {"passport": True}}, id="items is an object"),
        pytest.param({"items": ["passport", "passport"]}, id="repeated item"),
        pytest.param({"items": ["shoe_size"]}, id="unknown item"),
        pytest.param({"items": ["document:ct_scan"]}, id="item of another purpose"),
        pytest.param({"items": [{}]}, id="item is an object"),
        pytest.param({"items": ["{{7*7}}"]}, id="template in an item"),
        pytest.param({"retention_days": 0}, id="no retention"),
        pytest.param({"retention_days": -1}, id="negative retention"),
        pytest.param({"retention_days": 10**9}, id="retention too long"),
        pytest.param({"retention_days": True}, id="retention is a boolean"),
        pytest.param({"retention_days": 1.5}, id="retention is a fraction"),
        pytest.param({"retention_days": "30"}, id="retention is a text"),
        pytest.param({"expires_in_days": 91}, id="period longer than the purpose allows"),
        pytest.param({"expires_in_days": None}, id="period is null"),
        pytest.param({"max_uses": 0}, id="no uses"),
        pytest.param({"max_uses": MOST_USES + 1}, id="more uses than there may be"),
    ],
)
def test_refuses(change: dict[str, object]) -> None:
    with pytest.raises(InvalidDisclosure) as refused:
        parse_disclosure(VALID | change)

    assert "{{" not in refused.value.detail  # what was asked for is not repeated to the caller


def test_the_longest_and_the_shortest_are_accepted() -> None:
    purpose = PURPOSES[parse_disclosure(VALID).purpose]
    longest = {
        "retention_days": purpose.longest_retention.days,
        "expires_in_days": purpose.longest.days,
        "max_uses": MOST_USES,
    }

    most = parse_disclosure(VALID | longest)
    least = parse_disclosure(VALID | dict.fromkeys(longest, 1))

    assert (most.retention, most.expires_in) == (purpose.longest_retention, purpose.longest)
    assert (least.retention, least.expires_in) == (timedelta(days=1), timedelta(days=1))
    assert (most.max_uses, least.max_uses) == (MOST_USES, 1)


@pytest.mark.parametrize("member", ["type", "purpose", "items"])
def test_refuses_without(member: str) -> None:
    with pytest.raises(InvalidDisclosure):
        parse_disclosure({name: value for name, value in VALID.items() if name != member})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*VALID, "max_uses", "x"]), json_values))
def test_anything_else_is_refused_never_crashes(details: dict[str, object]) -> None:
    with pytest.raises(InvalidDisclosure):
        parse_disclosure({"type": "civitas_disclosure"} | details | {"purpose": 1})
    with contextlib.suppress(InvalidDisclosure):
        parse_disclosure(details)


@given(st.data())
def test_parse_of_what_was_written_is_the_same(data: st.DataObject) -> None:
    purpose = data.draw(st.sampled_from(list(PURPOSES.values())))
    asked: dict[str, object] = {
        "type": "civitas_disclosure",
        "purpose": purpose.code,
        "items": data.draw(
            st.lists(st.sampled_from(sorted(purpose.items)), min_size=1, unique=True)
        ),
        "retention_days": data.draw(st.integers(1, purpose.longest_retention.days)),
        "expires_in_days": data.draw(st.integers(1, purpose.longest.days)),
    }
    if data.draw(st.booleans()):
        asked["max_uses"] = data.draw(st.integers(1, 1000))

    disclosure = parse_disclosure(asked)

    assert disclosure.as_authorization_details() == asked
    assert parse_disclosure(disclosure.as_authorization_details()) == disclosure
