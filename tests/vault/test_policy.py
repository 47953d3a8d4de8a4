"""The vault's rules, without a database: who opens, who stores, ranges, formats, titles."""

from typing import Any, ClassVar, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent.api import ITEMS
from kernel.errors import InvalidRequest
from kernel.ids import AgencyId, DocumentId, PersonId, new_id
from tests.vault.vault_builders import BANK_CONSENT, NOON
from vault.access_policy import (
    Access,
    ActorKind,
    Denied,
    Granted,
    Holding,
    decide_filing,
    decide_opening,
)
from vault.errors import RangeNotSatisfiable, UnsuitableDocument
from vault.formats import ACCEPTED, EXTENSIONS, HEAD_BYTES, UNKNOWN, check_suitable, recognise
from vault.model import (
    DocumentKind,
    data_key_place,
    parse_kind,
    parse_title,
    stream_place,
    title_place,
)
from vault.ranges import ByteRange, parse_range

PERSON, OTHER = PersonId(new_id(NOON)), PersonId(new_id(NOON))
CLINIC, TAX = AgencyId("clinic"), AgencyId("fns")
SCAN = DocumentKind.CT_SCAN


def an_access(**overrides: object) -> Access:
    values: dict[str, object] = {
        "person_id": PERSON,
        "is_allowed": True,
        "actor_kind": "person",
        "actor_id": "pseudonym",
        "items": (SCAN.item,),
        "consent_id": None,
    }
    return Access(**values | overrides)  # type: ignore[arg-type]


def a_holding(**overrides: object) -> Holding:
    values: dict[str, object] = {"person_id": PERSON, "kind": SCAN, "source": None}
    return Holding(**values | overrides)  # type: ignore[arg-type]


accesses = st.builds(
    Access,
    person_id=st.sampled_from([PERSON, OTHER]),
    is_allowed=st.booleans(),
    actor_kind=st.sampled_from(get_args(ActorKind)),
    actor_id=st.sampled_from(["pseudonym", CLINIC, TAX]),
    items=st.lists(st.sampled_from([kind.item for kind in DocumentKind])).map(tuple),
    consent_id=st.sampled_from([None, BANK_CONSENT]),
)
holdings = st.builds(
    Holding,
    person_id=st.sampled_from([PERSON, OTHER]),
    kind=st.sampled_from(DocumentKind),
    source=st.sampled_from([None, CLINIC, TAX]),
)


class TestOpening:
    def test_the_person_opens_their_own(self) -> None:
        assert decide_opening(an_access(), a_holding()) == Granted()
        assert decide_opening(an_access(), a_holding(source=CLINIC)) == Granted()

    def test_a_partner_opens_under_a_consent(self) -> None:
        access = an_access(actor_kind="partner", actor_id="bank", consent_id=BANK_CONSENT)

        assert decide_opening(access, a_holding()) == Granted()

    def test_an_agency_opens_what_it_issued(self) -> None:
        access = an_access(actor_kind="agency", actor_id=CLINIC)

        assert decide_opening(access, a_holding(source=CLINIC)) == Granted()

    @pytest.mark.parametrize(
        ("access", "holding", "reason"),
        [
            ({"person_id": OTHER}, {}, "another_person"),
            ({"is_allowed": False}, {}, "entry_of_a_refusal"),
            ({"items": ()}, {}, "item_not_in_entry"),
            ({"items": ("ct_scan", "document:ct_scan2")}, {}, "item_not_in_entry"),
            ({"actor_kind": "partner"}, {}, "no_consent"),
            ({"actor_kind": "agency", "actor_id": TAX}, {}, "another_agency_issued_it"),
            (
                {"actor_kind": "agency", "actor_id": TAX},
                {"source": CLINIC},
                "another_agency_issued_it",
            ),
            ({"actor_kind": "operator"}, {}, "actor_never_reads"),
            ({"actor_kind": "system"}, {}, "actor_never_reads"),
            (
                {"actor_kind": "partner", "consent_id": BANK_CONSENT, "items": ("document:other",)},
                {"kind": DocumentKind.OTHER},
                "kind_is_never_shared",
            ),
        ],
    )
    def test_refused(
        self, access: dict[str, object], holding: dict[str, object], reason: str
    ) -> None:
        decision = decide_opening(an_access(**access), a_holding(**holding))

        assert decision == Denied(reason)  # type: ignore[arg-type]

    @given(accesses, holdings)
    def test_nothing_opens_that_the_entry_does_not_say(
        self, access: Access, holding: Holding
    ) -> None:
        if decide_opening(access, holding) == Granted():
            assert access.person_id == holding.person_id
            assert access.is_allowed
            assert holding.kind.item in access.items
            assert access.actor_kind in {"person", "partner", "agency"}
            assert access.actor_kind != "partner" or access.consent_id is not None
            assert access.actor_kind != "agency" or holding.source == access.actor_id


class TestFiling:
    @pytest.mark.parametrize("actor", ["person", "operator"])
    def test_what_has_no_issuer_comes_from_the_person_or_the_desk(self, actor: str) -> None:
        access = an_access(actor_kind=actor)

        assert decide_filing(access, a_holding()) == Granted()
        assert decide_filing(access, a_holding(source=CLINIC)) == Denied("another_agency_issued_it")

    def test_an_agency_stores_in_its_own_name_only(self) -> None:
        access = an_access(actor_kind="agency", actor_id=CLINIC)

        assert decide_filing(access, a_holding(source=CLINIC)) == Granted()
        for source in (TAX, None):
            assert decide_filing(access, a_holding(source=source)) == Denied(
                "another_agency_issued_it"
            )

    @pytest.mark.parametrize("actor", ["partner", "system"])
    def test_nobody_else_stores(self, actor: str) -> None:
        access = an_access(actor_kind=actor, consent_id=BANK_CONSENT)

        assert decide_filing(access, a_holding()) == Denied("actor_never_stores")

    @given(accesses, holdings)
    def test_nothing_is_stored_that_the_entry_does_not_say(
        self, access: Access, holding: Holding
    ) -> None:
        if decide_filing(access, holding) == Granted():
            assert access.person_id == holding.person_id
            assert access.is_allowed
            assert holding.kind.item in access.items
            assert holding.source in {None, access.actor_id}


class TestRanges:
    @pytest.mark.spec("RFC9110-14.1.2")
    @pytest.mark.parametrize(
        ("header", "expected"),
        [
            ("bytes=0-0", ByteRange(0, 1)),
            ("bytes=0-499", ByteRange(0, 500)),
            ("bytes=500-999", ByteRange(500, 1000)),
            ("bytes=500-", ByteRange(500, 1000)),
            ("bytes=-500", ByteRange(500, 1000)),
            ("bytes=-5000", ByteRange(0, 1000)),
            ("bytes=999-99999", ByteRange(999, 1000)),
            ("bytes= 0-1 ", ByteRange(0, 2)),
        ],
    )
    def test_one_range(self, header: str, expected: ByteRange) -> None:
        found = parse_range(header, 1000)

        assert found == expected
        assert found.length == len(range(1000)[expected.start : expected.stop])

    @pytest.mark.spec("RFC9110-14.2")
    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=0-1,5-6",
            "items=0-5",
            "bytes=0-1;x",
            "bytes=٠-١",
            "bytes=" + "9" * 40 + "-",
        ],
    )
    def test_what_is_not_one_range_is_ignored(self, header: str | None) -> None:
        assert parse_range(header, 1000) is None

    @pytest.mark.spec("RFC9110-15.5.17")
    @pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0"])
    def test_outside_is_refused_with_the_length(self, header: str) -> None:
        with pytest.raises(RangeNotSatisfiable) as refusal:
            parse_range(header, 1000)

        assert refusal.value.length == 1000

    @given(st.text(max_size=40), st.integers(0, 10**6))
    def test_never_outside_and_never_empty(self, text: str, length: int) -> None:
        for header in (text, "bytes=" + text):
            try:
                asked = parse_range(header, length)
            except RangeNotSatisfiable:
                continue
            assert asked is None or 0 <= asked.start < asked.stop <= length

    @given(st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 1000))
    def test_first_and_last_are_both_included(self, first: int, last: int, length: int) -> None:
        if first <= last and first < length:
            expected = ByteRange(first, min(last, length - 1) + 1)
            assert parse_range(f"bytes={first}-{last}", length) == expected


class TestFormats:
    @pytest.mark.parametrize(
        ("head", "media_type"),
        [
            (b"%PDF-1.7", "application/pdf"),
            (bytes(128) + b"DICM", "application/dicom"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"II*\x00", "image/tiff"),
            (b"MM\x00*", "image/tiff"),
            (b"<html>", UNKNOWN),
            (b"%PDF", UNKNOWN),
            (b"", UNKNOWN),
        ],
    )
    def test_recognised_by_content(self, head: bytes, media_type: str) -> None:
        assert recognise(head) == media_type

    @pytest.mark.parametrize(
        ("kind", "heads"),
        [
            (DocumentKind.PASSPORT_SCAN, ("pdf", "jpeg", "png", "tiff")),
            (DocumentKind.INCOME_CERTIFICATE, ("pdf",)),
            (DocumentKind.CT_SCAN, ("dicom",)),
            (DocumentKind.MEDICAL_REPORT, ("pdf", "dicom", "jpeg", "png", "tiff")),
            (DocumentKind.OTHER, ("pdf", "dicom", "jpeg", "png", "tiff", "text")),
        ],
    )
    def test_kind_comes_as_what_it_says_and_nothing_else(
        self, kind: DocumentKind, heads: tuple[str, ...]
    ) -> None:
        files = {
            "pdf": b"%PDF-1.7",
            "dicom": bytes(128) + b"DICM",
            "jpeg": b"\xff\xd8\xff\xe0",
            "png": b"\x89PNG\r\n\x1a\n",
            "tiff": b"II*\x00",
            "text": b"hello",
        }

        accepted = []
        for name, head in files.items():
            try:
                assert check_suitable(kind, head) == recognise(head)
                accepted.append(name)
            except UnsuitableDocument:
                continue

        assert tuple(accepted) == heads

    def test_refusal_says_which_formats_there_are(self) -> None:
        with pytest.raises(UnsuitableDocument) as wrong:
            check_suitable(DocumentKind.PASSPORT_SCAN, b"<html>")
        with pytest.raises(UnsuitableDocument) as empty:
            check_suitable(DocumentKind.OTHER, b"")

        assert wrong.value.detail.endswith("formats: jpg, pdf, png, tif.")
        assert empty.value.detail == "The file is empty."

    def test_head_is_long_enough_for_every_format(self) -> None:
        assert recognise((bytes(128) + b"DICM" + bytes(9))[:HEAD_BYTES]) == "application/dicom"

    def test_every_kind_says_what_it_comes_as(self) -> None:
        assert set(ACCEPTED) == set(DocumentKind)

    def test_nothing_that_a_browser_would_run(self) -> None:
        every = frozenset[str]().union(*ACCEPTED.values())

        assert every == set(EXTENSIONS) | {UNKNOWN}
        assert not {each for each in every if "html" in each or "svg" in each or "script" in each}

    @given(st.sampled_from(DocumentKind), st.binary(min_size=1, max_size=HEAD_BYTES))
    def test_a_document_has_a_type_its_kind_accepts(self, kind: DocumentKind, head: bytes) -> None:
        try:
            media_type = check_suitable(kind, head)
        except UnsuitableDocument:
            return
        assert media_type in ACCEPTED[kind]


class TestPlaces:
    """What a ciphertext is bound to."""

    VERSION: ClassVar[dict[str, Any]] = {
        "person_id": PERSON,
        "document_id": DocumentId(PERSON),
        "kind": SCAN,
        "source": CLINIC,
        "version": 1,
        "media_type": "application/dicom",
        "stream_format": 1,
        "blob_key": "a",
        "ciphertext_length": 100,
        "ciphertext_digest": bytes(32),
    }

    @pytest.mark.parametrize(
        "change",
        [
            {"person_id": OTHER},
            {"document_id": DocumentId(OTHER)},
            {"kind": DocumentKind.INCOME_CERTIFICATE},
            {"source": TAX},
            {"source": None},
            {"version": 2},
            {"media_type": "application/pdf"},
            {"stream_format": 2},
            {"blob_key": "b"},
            {"ciphertext_length": 101},
            {"ciphertext_digest": bytes(31) + b"1"},
        ],
        ids=lambda change: "no source" if change == {"source": None} else next(iter(change)),
    )
    def test_data_key_opens_nothing_but_the_version_it_was_made_for(
        self, change: dict[str, Any]
    ) -> None:
        assert data_key_place(**self.VERSION | change) != data_key_place(**self.VERSION)

    def test_places_of_different_things_are_different(self) -> None:
        document = DocumentId(PERSON)
        places = {
            stream_place(PERSON, document, "a"),
            stream_place(PERSON, document, "b"),
            stream_place(PERSON, DocumentId(OTHER), "a"),
            stream_place(OTHER, document, "a"),
            title_place(PERSON, document),
            title_place(OTHER, document),
            title_place(PERSON, OTHER),
            data_key_place(**self.VERSION),
        }

        assert len(places) == 8


class TestWords:
    @pytest.mark.parametrize("text", ["x" * 200, " " + "x" * 200 + "\n", "Снимок 1"])
    def test_a_title_that_fits_is_kept_without_blanks_around_it(self, text: str) -> None:
        assert parse_title(text) == text.strip()

    @pytest.mark.parametrize("text", ["", " \n", "x" * 201, "a\u0007b", "a\u202eb"])
    def test_a_title_that_nobody_can_read_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_title(text)

    @given(st.text(max_size=300))
    def test_a_title_is_printable_and_stays_so(self, text: str) -> None:
        try:
            title = parse_title(text)
        except InvalidRequest:
            return
        assert title.isprintable()
        assert parse_title(title) == title

    @pytest.mark.parametrize(
        "text", ["", "CT_SCAN", "document:ct_scan", "' OR 1=1 --", "ct_scan\n"]
    )
    def test_an_unknown_kind_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidRequest):
            parse_kind(text)

    def test_kinds_are_the_consents_document_items(self) -> None:
        """What can be stored and what can be consented to are the same names."""

        shareable = {kind.item for kind in DocumentKind if kind is not DocumentKind.OTHER}
        assert {name for name, item in ITEMS.items() if item.is_document} == shareable
