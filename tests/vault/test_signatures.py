"""Who signed a PDF, and whether it is still what they signed."""

import logging
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from app.demo.paper import Page, write_pdf
from app.demo.signer import SIGNATURE_ROOTS, DemoSigner
from kernel.errors import PayloadTooLarge
from tests.vault.vault_builders import NOON, a_dicom, a_pdf
from vault.service.verifying import MAX_SIGNED_BYTES, verify_signatures
from vault.signatures import (
    BrokenSignature,
    Finding,
    SignatureRoots,
    TrustedSignature,
    UntrustedSignature,
)

NOBODY = SignatureRoots(())


def a_page(text: str = "Справка") -> bytes:
    page = Page()
    page.text(100, 100, text)
    return write_pdf([page], title=text)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> DemoSigner:
    return DemoSigner.open(tmp_path_factory.mktemp("demo"), at=NOON)


@pytest.fixture(scope="module")
def roots(signer: DemoSigner) -> SignatureRoots:
    return SignatureRoots.load(signer.folder.parent / SIGNATURE_ROOTS)


@pytest.fixture(scope="module")
def signed(signer: DemoSigner) -> bytes:
    return signer.sign(a_page(), reason="test")


def verify(document: bytes, roots: SignatureRoots, *, at: datetime = NOON) -> tuple[Finding, ...]:
    return verify_signatures([document], roots=roots, at=at)


@pytest.mark.spec("ETSI-EN-319142-1-6.3")
def test_a_signature_of_a_trusted_authority_names_the_signer(
    signed: bytes, signer: DemoSigner, roots: SignatureRoots
) -> None:
    (finding,) = verify(signed, roots)

    assert isinstance(finding, TrustedSignature)
    assert finding.signer.name == signer.owner
    assert finding.signer.issuer == "Демонстрационный УЦ Civitas"
    assert int(finding.signer.serial_hex, 16) == signer.certificate.serial_number


def test_it_is_pades_and_not_an_older_kind(signed: bytes) -> None:
    assert b"/ETSI.CAdES.detached" in signed


def test_nobody_is_trusted_without_roots(signed: bytes, tmp_path: Path) -> None:
    for roots in (NOBODY, SignatureRoots.load(tmp_path / "missing"), SignatureRoots.load(tmp_path)):
        (finding,) = verify(signed, roots)
        assert isinstance(finding, UntrustedSignature)


def test_another_authority_of_the_same_name_is_not_trusted(signed: bytes, tmp_path: Path) -> None:
    DemoSigner.open(tmp_path, at=NOON)

    (finding,) = verify(signed, SignatureRoots.load(tmp_path / SIGNATURE_ROOTS))

    assert isinstance(finding, UntrustedSignature)


@pytest.mark.parametrize("away", [timedelta(days=-2), timedelta(days=15 * 30)])
def test_a_certificate_that_was_not_valid_then_is_not_trusted(
    signed: bytes, roots: SignatureRoots, away: timedelta
) -> None:
    (finding,) = verify(signed, roots, at=NOON + away)

    assert isinstance(finding, UntrustedSignature)


def test_two_signatures_are_told_one_by_one(
    signed: bytes, roots: SignatureRoots, tmp_path: Path
) -> None:
    stranger = DemoSigner.open(tmp_path, at=NOON)

    findings = verify(stranger.sign(signed, reason="too", field="Second"), roots)

    assert [type(finding) for finding in findings] == [TrustedSignature, UntrustedSignature]


def test_an_addition_that_changes_the_page_breaks_it(signed: bytes, roots: SignatureRoots) -> None:
    """An incremental update leaves the signed bytes as they are and shows another page."""
    writer = IncrementalPdfFileWriter(BytesIO(signed))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Contents"] = writer.add_object(generic.StreamObject(stream_data=b"0 0 9 9 re f"))
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)

    assert verify(out.getvalue(), roots) == (BrokenSignature("changed"),)


def test_bytes_appended_break_it(signed: bytes, roots: SignatureRoots) -> None:
    assert verify(signed + b"\n% tail\n", roots) == (BrokenSignature("part_not_signed"),)


def test_a_byte_of_the_page_that_changed_breaks_it(signed: bytes, roots: SignatureRoots) -> None:
    position = signed.index(b"stream\n") + len(b"stream\n")
    changed = signed[:position] + bytes([signed[position] ^ 1]) + signed[position + 1 :]

    assert verify(changed, roots) == (BrokenSignature("changed"),)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_signed_byte_can_change(
    data: st.DataObject, signed: bytes, roots: SignatureRoots
) -> None:
    signature_begins = signed.index(b"/Contents <") + len(b"/Contents <")
    signature_ends = signed.index(b">", signature_begins)
    position = data.draw(
        st.integers(0, signature_begins - 1) | st.integers(signature_ends, len(signed) - 1)
    )
    changed = bytearray(signed)
    changed[position] ^= data.draw(st.integers(1, 255))

    findings = verify(bytes(changed), roots)

    assert not any(isinstance(each, TrustedSignature | UntrustedSignature) for each in findings)


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=300))
def test_noise_after_the_first_bytes_is_no_signature(noise: bytes) -> None:
    findings = verify(b"%PDF-1.7\n" + noise, NOBODY)

    assert findings in {(), (BrokenSignature("unreadable"),)}


@pytest.mark.parametrize(
    "document", [b"", b"%", a_dicom(), b"MZ"], ids=["empty", "short", "DICOM", "program"]
)
def test_what_is_no_pdf_has_no_signatures(document: bytes, roots: SignatureRoots) -> None:
    assert verify(document, roots) == ()


def test_what_is_not_signed_has_no_signatures(roots: SignatureRoots) -> None:
    assert verify(a_page(), roots) == ()


def test_what_is_cut_short_is_unreadable(signed: bytes, roots: SignatureRoots) -> None:
    assert verify(signed[:-200], roots) == (BrokenSignature("unreadable"),)
    assert verify(a_pdf(), roots) == (BrokenSignature("unreadable"),)


def test_a_document_too_large_to_be_read_whole_is_refused(roots: SignatureRoots) -> None:
    with pytest.raises(PayloadTooLarge):
        verify_signatures(iter([bytes(1 << 20)] * (MAX_SIGNED_BYTES + 1 >> 20) + [b"x"]),
                          roots=roots, at=NOON)  # fmt: skip


def test_no_name_of_a_signer_reaches_the_log(
    signed: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        verify(signed, NOBODY)

    assert "Налоговая" not in caplog.text
