"""C2SP signed-note and tlog-checkpoint: published vectors, and every way a note can be wrong."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from audit.checkpoint import (
    Checkpoint,
    VerifierKey,
    check_key_name,
    parse_checkpoint,
    parse_verifier_key,
    sign_note,
    unverified_origin,
    verify_checkpoint,
    verify_note,
)
from audit.errors import ProofRefused
from audit.merkle import EMPTY_ROOT

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "specs" / "rfc6962_signed_note.json").read_text("utf-8")
)
TEXT: str = VECTORS["text"]
PETER, ENOCH = (parse_verifier_key(each["verifier_key"]) for each in VECTORS["signers"])
PETER_LINE, ENOCH_LINE = (each["signature_line"] for each in VECTORS["signers"])
NOTE = f"{TEXT}\n{PETER_LINE}\n"

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey(
    name="civitas.example/log",
    public_key=PRIVATE_KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
)
HEAD = Checkpoint(origin=KEY.name, tree_size=0, root_hash=EMPTY_ROOT)


def signed(text: str) -> str:
    return sign_note(text.encode(), key=KEY, sign=PRIVATE_KEY.sign)


WRONG_NOTES = {
    "another word": NOTE.replace("answer", "Answer"),
    "a space more": NOTE.replace("problem is.\n\n", "problem is. \n\n"),
    "no blank line": NOTE.replace("\n\n", "\n"),
    "no newline at the end": NOTE[:-1],
    "a blank line at the end": NOTE + "\n",
    "a hyphen for the dash": NOTE.replace("— ", "- "),
    "a plus in the name": NOTE.replace("— PeterNeumann ", "— Peter+Neumann "),
    "no name": NOTE.replace("— PeterNeumann ", "—  "),
    "not base64": NOTE.replace("x08go", "x08g*"),
    "only a key ID": f"{TEXT}\n— PeterNeumann x08goA==\n",
    "no signature": f"{TEXT}\n— PeterNeumann\n",
    "a tab": NOTE.replace("cryptography", "crypto\tgraphy"),
    "CRLF": NOTE.replace("\n", "\r\n"),
    "twice": NOTE + NOTE,
    "text only": TEXT,
    "nothing": "",
    "two newlines": "\n\n",
    "too long": "x" * (1 << 18),
}


class TestPublishedNote:
    @pytest.mark.spec("C2SP-signed-note-signatures")
    @pytest.mark.parametrize("keys", [[PETER], [ENOCH, PETER]], ids=["its key", "among others"])
    def test_verifies(self, keys: list[VerifierKey]) -> None:
        assert verify_note(NOTE, keys) == TEXT.encode()

    def test_verifies_with_two_signatures(self) -> None:
        note = f"{NOTE}{ENOCH_LINE}\n"

        assert verify_note(note, [ENOCH]) == TEXT.encode()
        assert verify_note(note, [PETER, ENOCH]) == TEXT.encode()

    def test_is_signed_the_same_by_us(self) -> None:
        seed = base64.b64decode(VECTORS["signers"][0]["published_test_seed_base64"])[1:]
        private_key = Ed25519PrivateKey.from_private_bytes(seed)

        assert sign_note(TEXT.encode(), key=PETER, sign=private_key.sign) == NOTE

    @pytest.mark.parametrize(
        "text",
        [
            *(each["verifier_key"] for each in VECTORS["signers"]),
            *VECTORS["other_verifier_keys"],
        ],
    )
    def test_verifier_keys_read_back(self, text: str) -> None:
        assert str(parse_verifier_key(text)) == text


class TestRefusedNotes:
    @pytest.mark.spec("C2SP-signed-note-signatures")
    def test_no_known_key(self) -> None:
        with pytest.raises(ProofRefused):
            verify_note(NOTE, [ENOCH])
        with pytest.raises(ProofRefused):
            verify_note(NOTE, [])

    def test_key_of_the_same_name_is_another_key(self) -> None:
        other = VerifierKey(name="PeterNeumann", public_key=ENOCH.public_key)

        with pytest.raises(ProofRefused):
            verify_note(NOTE, [other])

    def test_one_wrong_signature_of_a_known_key_refuses_the_note(self) -> None:
        wrong = ENOCH_LINE.replace("rwz+eBzm", "rwz+eBzn")

        with pytest.raises(ProofRefused):
            verify_note(f"{NOTE}{wrong}\n", [PETER, ENOCH])

    @pytest.mark.parametrize("note", WRONG_NOTES.values(), ids=WRONG_NOTES)
    def test_malformed_or_changed(self, note: str) -> None:
        with pytest.raises(ProofRefused):
            verify_note(note, [PETER])

    @pytest.mark.spec("C2SP-signed-note-signatures")
    @pytest.mark.parametrize(
        "line",
        [
            "- other AAAAAAAAAA==",
            "— other",
            "— other ",
            "— other AAAAAA==",
            "— oth+er AAAAAAAAAA==",
            "— other AAAA*AAAAAA==",
        ],
    )
    def test_malformed_line_beside_a_good_signature(self, line: str) -> None:
        assert verify_note(f"{NOTE}— other AAAAAAAAAA==\n", [PETER]) == TEXT.encode()
        with pytest.raises(ProofRefused):
            verify_note(f"{NOTE}{line}\n", [PETER])

    @pytest.mark.parametrize(
        "text",
        ["a\tb\n", "a\rb\n", "a\x00b\n", "a\x1fb\n", "x" * (1 << 17) + "\n"],
        ids=["tab", "carriage return", "nought", "separator", "too long"],
    )
    def test_text_that_is_none_though_it_is_signed(self, text: str) -> None:
        with pytest.raises(ProofRefused):
            verify_note(signed(text), [KEY])

    def test_key_that_is_none_verifies_nothing(self) -> None:
        short = VerifierKey(name=KEY.name, public_key=b"short")
        note = sign_note(b"text\n", key=short, sign=PRIVATE_KEY.sign)

        with pytest.raises(ProofRefused):
            verify_note(note, [short])

    def test_key_may_have_a_plus_in_its_base64(self) -> None:
        key = VerifierKey(name="log", public_key=b"\xfb" * 32)

        assert "+" in str(key).removeprefix(f"log+{key.key_id.hex()}+")
        assert parse_verifier_key(str(key)) == key

    def test_lone_surrogates_are_not_utf8(self) -> None:
        with pytest.raises(ProofRefused):
            verify_note(NOTE.replace("answer", "\ud800"), [PETER])

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "name",
            "name+00000000",
            str(KEY).replace("civitas", "civita"),
            str(KEY) + "AA",
            "na me+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            f"{KEY.name}+{KEY.key_id.hex()}+" + base64.b64encode(b"\x04" + KEY.public_key).decode(),
            f"{KEY.name}+{KEY.key_id.hex()}+not base64",
            str(VerifierKey(name="a b", public_key=KEY.public_key)),
            str(VerifierKey(name=KEY.name, public_key=KEY.public_key + b"x")),
            str(VerifierKey(name=KEY.name, public_key=KEY.public_key[:-1])),
        ],
    )
    def test_malformed_verifier_keys(self, text: str) -> None:
        with pytest.raises(ProofRefused):
            parse_verifier_key(text)

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "a\x01b"], ids=ascii)
    def test_names_that_cannot_sign(self, name: str) -> None:
        with pytest.raises(ValueError, match="origin"):
            check_key_name(name)

    def test_text_without_newline_is_not_signed(self) -> None:
        with pytest.raises(ValueError, match="newline"):
            sign_note(b"text", key=KEY, sign=PRIVATE_KEY.sign)


class TestCheckpoint:
    @pytest.mark.spec("C2SP-tlog-checkpoint-note-text")
    def test_example_of_the_specification_reads_back(self) -> None:
        text = (
            b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        )

        checkpoint = parse_checkpoint(text)

        assert checkpoint.origin == "example.com/behind-the-sofa"
        assert checkpoint.tree_size == 20852163
        assert checkpoint.text() == text

    def test_extension_lines_are_kept(self) -> None:
        text = HEAD.text() + b"extension\n"

        assert parse_checkpoint(text).text() == text

    def test_first_line_says_which_keys_to_look_for(self) -> None:
        assert unverified_origin(signed(HEAD.text().decode())) == KEY.name

    def test_signed_checkpoint_verifies(self) -> None:
        note = signed(HEAD.text().decode())

        assert verify_checkpoint(note, [KEY], origin=KEY.name) == HEAD

    @pytest.mark.spec("C2SP-tlog-checkpoint-note-text")
    @pytest.mark.parametrize(
        "text",
        [
            "origin\n1\n",
            "origin\n1\n\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "\n1\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n01\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n-1\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n+1\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n٣\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n10000000000000000000\n" + base64.b64encode(EMPTY_ROOT).decode() + "\n",
            "origin\n1\n" + base64.b64encode(EMPTY_ROOT[:-1]).decode() + "\n",
            "origin\n1\n" + base64.urlsafe_b64encode(b"\xff" * 32).decode() + "\n",
            "origin\n1\n" + base64.b64encode(EMPTY_ROOT).decode().rstrip("=") + "\n",
            "origin\n1\nnot base64\n",
            "origin\n1\n" + base64.b64encode(EMPTY_ROOT).decode().replace("U=", "V=") + "\n",
            "",
        ],
    )
    def test_other_texts_are_not_checkpoints(self, text: str) -> None:
        with pytest.raises(ProofRefused):
            parse_checkpoint(text.encode())

    def test_checkpoint_of_another_log_by_the_same_key(self) -> None:
        other = Checkpoint(origin="other.example/log", tree_size=0, root_hash=EMPTY_ROOT)

        with pytest.raises(ProofRefused):
            verify_checkpoint(signed(other.text().decode()), [KEY], origin=KEY.name)
