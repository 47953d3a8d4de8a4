"""The main job, end to end, over HTTP: every step is done, checked and printed.

    a citizen signs in to a bank with Civitas, agrees to share named items for one purpose, the bank
    receives them, signed, from the register and the vault; the citizen sees the reads in the access
    log, withdraws, and the very next read is refused.

The citizen's browser is played here; the bank is the demo bank in its own process. What the bank
and Civitas say to each other is read from the bank's log.
"""

import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import httpx2

from app.demo.bank import DISCLOSURE
from app.demo.bank_words import WORDS
from app.demo.browser import Browser, Page
from app.demo.wire import describe
from consent.api import ITEMS

VERIFY_PROOF = Path(__file__).parents[2] / "examples" / "verify_proof.py"

_PROOF_SECONDS = 120.0
_POLL_SECONDS = 0.3
_OFFERED_DOCUMENTS = 2  # a CT scan and a certificate
_BANK_READS = 3  # attributes, the list of documents, a document at least

Tell = Callable[[str], None]


class Mismatch(Exception):
    """Something is not as it should be; the text says what."""


class Journey:
    """One walk through the main job.

    Args:
        issuer: Where Civitas is.
        bank: Where the demo bank is.
        person: `username` and `password` of who walks.
        language: `ru` or `en`.
        bank_log: What the bank prints of its exchanges; shown as the journey goes on.
        documents: SHA-256 of the demo documents by media type, to compare downloads with.
        tell: Gets every line.
    """

    def __init__(
        self,
        *,
        issuer: str,
        bank: str,
        person: Mapping[str, str],
        language: str = "ru",
        bank_log: Path | None = None,
        documents: Mapping[str, str] | None = None,
        tell: Tell = print,
    ) -> None:
        self.issuer = issuer
        self.bank = bank
        self.person = person
        self.words = WORDS[language]
        self.language = language
        self.tell = tell
        self._bank_log = bank_log
        self._bank_log_read = bank_log.stat().st_size if bank_log and bank_log.exists() else 0
        self._documents = documents or {}
        self._number = 0
        self.browser = Browser(language=language, seen=self._seen)

    def walk(self) -> None:
        """Do every step.

        Raises:
            Mismatch: At the first thing that is not as it should be.
        """
        try:
            self.discover()
            self.deny()
            application = self.sign_in_and_allow()
            self.read_attributes(application)
            self.read_documents(application)
            self.look_into_the_account()
            self.withdraw()
            self.read_again()
            self.see_the_refusal_and_verify_the_log()
        finally:
            self.browser.close()
        self.tell("")
        self.tell("The journey is complete: every check held.")

    # Steps

    def discover(self) -> None:
        """Ask the provider what it is."""
        self.step("What a relying party knows: the issuer's metadata")
        with httpx2.Client() as http:
            response = http.get(f"{self.issuer}/.well-known/openid-configuration")
        metadata = response.json()
        self.expect(metadata["issuer"] == self.issuer, "the issuer speaks of itself")
        self.expect(metadata["subject_types_supported"] == ["pairwise"], "sub is always pairwise")
        self.expect("pushed_authorization_request_endpoint" in metadata, "requests can be pushed")

    def go_to_consent(self) -> Page:
        """Go from the bank to the consent page, signing in where asked."""
        home = self.browser.open(f"{self.bank}/")
        page = self.browser.send(home, home.form_to("/sign-in"))
        self.show_bank()
        if any("current-password" in form.by_autocomplete for form in page.forms):
            self.expect(self.words["bank"] in page.text, "the sign-in page says who asks")
            person = self.person
            page = self.browser.sign_in(page, person["username"], person["password"])
        self.expect(page.url.startswith(self.issuer), "the consent page is Civitas's")
        return page

    def deny(self) -> None:
        """Say no first: it must work as well as yes."""
        self.step("The person signs in, sees what is asked, and says no")
        page = self.go_to_consent()
        self.check_consent_page(page)
        page = self.browser.decide(page, "deny")
        self.expect(page.url.startswith(f"{self.bank}/callback"), "the bank has the person back")
        self.expect("access_denied" in page.text, "the bank is told that it was denied")
        page = self.browser.open(f"{self.bank}/application")
        self.expect(page.status == HTTPStatus.UNAUTHORIZED, "the bank can read nothing")

    def check_consent_page(self, page: Page) -> None:
        """Compare the consent page with what the bank asked for."""
        self.expect(self.words["bank"] in page.text, "the consent page says who asks")
        items = [ITEMS[name] for name in ITEMS if name in DISCLOSURE["items"]]
        missing = [item.name for item in items if item.label.of(self.language) not in page.text]
        self.expect(not missing, f"each of the {len(items)} items is on the page", missing)

    def sign_in_and_allow(self) -> Page:
        """Say yes; return the bank's page with the data."""
        self.step("The person comes again, and allows it")
        page = self.go_to_consent()
        page = self.browser.decide(page, "allow")
        self.show_bank()
        self.expect(page.url == f"{self.bank}/application", "the bank has the person back")
        self.expect(page.status == HTTPStatus.OK, "the bank has read the data")
        return page

    def read_attributes(self, application: Page) -> None:
        """Check that the bank shows signed attributes with their sources."""
        self.step("What the bank received: attributes, signed, each with its source and date")
        self.expect(self.words["verified"] in application.text, "the bank verified the signature")
        for name in DISCLOSURE["items"]:
            if not ITEMS[name].is_document:
                shown = f'data-item="{name}"' in application.response.text
                self.expect(shown, f"{name} arrived")

    def read_documents(self, application: Page) -> None:
        """Download every document through the bank and compare it with the original."""
        self.step("Documents from the vault, streamed through the bank")
        links = [link for link in application.links if "/documents/" in link.href]
        self.expect(
            len(links) >= _OFFERED_DOCUMENTS, "a CT scan and a certificate are offered", len(links)
        )
        kinds = set()
        for link in links:
            response = self.browser.download(self.bank + link.href)
            kind = response.headers["content-type"].partition(";")[0]
            kinds.add(kind)
            digest = hashlib.sha256(response.content).hexdigest()
            self.expect(
                response.status_code == HTTPStatus.OK, f"{kind}: {len(response.content)} bytes"
            )
            if kind in self._documents:
                self.expect(digest == self._documents[kind], f"{kind}: the very same bytes")
        self.show_bank()
        self.expect({"application/dicom", "application/pdf"} <= kinds, "a DICOM and a PDF", kinds)

    def look_into_the_account(self) -> None:
        """See the data, the documents, the consent and the reads in the portal."""
        self.step("The person's own account: data, documents, consent, and who looked")
        page = self.browser.open(f"{self.issuer}/account")
        self.expect(page.status == HTTPStatus.OK and "Волкова" in page.text, "the data is there")
        page = self.browser.open(f"{self.issuer}/account/documents")
        self.expect("CT" in page.text or "КТ" in page.text, "the documents are there")
        page = self.browser.open(f"{self.issuer}/account/consents")
        self.expect(_mentions_of_bank(page) > 0, "the consent is there")
        page = self.browser.open(f"{self.issuer}/account/log")
        self.expect(_mentions_of_bank(page) >= _BANK_READS, "the bank's reads are in the log")

    def withdraw(self) -> None:
        """Take the consent back."""
        self.step("The person withdraws")
        page = self.browser.open(f"{self.issuer}/account/consents")
        page = self.browser.open(self.issuer + page.link_to("/withdraw").href)
        page = self.browser.send(page, page.form_to("/withdraw"))
        self.expect("withdrawn=" in page.url, "the consent is withdrawn")

    def read_again(self) -> None:
        """The bank's very next read is refused."""
        self.step("The bank reads again")
        page = self.browser.open(f"{self.bank}/application")
        self.show_bank()
        self.expect(
            page.status == HTTPStatus.FORBIDDEN, "the very next read is refused", page.status
        )
        self.expect("consent_withdrawn" in page.text, "and the bank is told why")

    def see_the_refusal_and_verify_the_log(self) -> None:
        """Find the refused read in the log, download its proof, verify it offline."""
        self.step("The log shows the refused attempt, and proves that it is in the log")
        proof_link = None
        give_up_at = time.monotonic() + _PROOF_SECONDS
        while proof_link is None and time.monotonic() < give_up_at:
            page = self.browser.open(f"{self.issuer}/account/log")
            card = _refused_card(page.response.text)
            self.expect(card is not None, "the refused read is in the log", is_quiet=True)
            found = re.search(r'href="(/account/log/[^"]+/proof)"', card or "")
            proof_link = found[1] if found else None
            time.sleep(_POLL_SECONDS if proof_link is None else 0)
        self.expect(proof_link is not None, "the log is signed, and the entry has a proof")
        assert proof_link is not None
        proof = self.browser.download(self.issuer + proof_link)
        keys = self.browser.download(f"{self.issuer}/log/key")
        self.tell("")
        with tempfile.TemporaryDirectory() as folder:
            file, key_file = Path(folder) / "proof.json", Path(folder) / "log-key.txt"
            file.write_bytes(proof.content)
            key_file.write_bytes(keys.content)
            verified = subprocess.run(  # noqa: S603  # our own example
                [sys.executable, VERIFY_PROOF, file, "--key", key_file],
                capture_output=True,
                text=True,
                check=False,
            )
        self.tell(_indented(verified.stdout + verified.stderr))
        self.expect(verified.returncode == 0, "the proof verifies offline, by nobody's word")
        self.expect("consent" in verified.stdout, "and the entry says what was refused and why")

    # Telling

    def step(self, title: str) -> None:
        """Begin a step."""
        self._number += 1
        self.tell("")
        self.tell(f"{self._number}. {title}")
        self.tell("")

    def expect(
        self, holds: object, what: str, got: object = None, *, is_quiet: bool = False
    ) -> None:
        """Say that something holds.

        Raises:
            Mismatch: It does not.
        """
        if not holds:
            raise Mismatch(f"not so: {what}" + (f" (got {got!r})" if got is not None else ""))
        if not is_quiet:
            self.tell(f"  ✓ {what}")

    def show_bank(self) -> None:
        """Print what the bank exchanged with Civitas since the last time."""
        if self._bank_log is None:
            return
        with self._bank_log.open(errors="replace") as log:
            log.seek(self._bank_log_read)
            for line in log:
                self.tell(f"  {line.rstrip()}")
            self._bank_log_read = log.tell()

    def _seen(self, response: httpx2.Response) -> None:
        for line in describe("browser", response):
            self.tell(f"  {line}")


def _mentions_of_bank(page: Page) -> int:
    """Count the bank's name, in whichever language it was entered."""
    return sum(page.text.count(words["bank"]) for words in WORDS.values())


def _refused_card(html: str) -> str | None:
    """Return the first card of the log that is marked as refused."""
    for card in re.findall(r"<article.*?</article>", html, re.DOTALL):
        if "civitas-card--refused" in card:
            return str(card)
    return None


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def main() -> int:
    """Walk against a fresh instance; return the exit code."""
    from app.demo.documents import digests  # noqa: PLC0415
    from app.demo.instance import fresh_instance  # noqa: PLC0415

    print("Starting a fresh instance …", flush=True)  # noqa: T201
    with fresh_instance({"BANK_SHOWS_EXCHANGES": "1"}) as instance:
        journey = Journey(
            issuer=instance.issuer,
            bank=instance.bank,
            person=instance.people[0],
            bank_log=instance.folder / "log" / "bank.log",
            documents=digests(),
        )
        try:
            journey.walk()
        except Mismatch as error:
            print(f"  ✗ {error}", file=sys.stderr)  # noqa: T201
            return 1
    return 0
