"""Browsers from which somebody has signed in before. No I/O.

Wrong passwords are counted by name, so anybody could lock a person out by typing their name. A
browser from which the right password came once has a proof of it, and is counted by itself: what
strangers do to the name does not stop it, and what it does is limited all the same.

The proof is a random name of the browser and a keyed digest over it and the sign-in name: nothing
is stored, and it tells nobody whose it is. A browser keeps those of the last few people.

Source:
    OWASP, Slow Down Online Guessing Attacks with Device Cookies.
"""

from typing import Final, Protocol

from kernel.secret import b64url, equal, random_b64url

MOST_PEOPLE = 4
"""Of one browser: a family."""

PEOPLE: Final = "known_browser"
"""Index of the proofs of people who signed in to their account."""
OFFICIALS: Final = "known_browser.desk"
"""Index of the proofs of officials who signed in to the desk."""

_NAME_BYTES = 16
_NAME_LENGTH = 22  # characters
_PROOF_LENGTH = _NAME_LENGTH + 43


class _Digests(Protocol):
    def blind_index(self, name: str, value: str) -> bytes:
        """Return a keyed digest."""
        ...


def find_browser(
    keyring: _Digests, presented: str | None, username: str, *, index: str = PEOPLE
) -> str | None:
    """Return the name of a browser from which somebody has signed in.

    Args:
        keyring: Made the proofs.
        presented: What the browser sent; nothing about it is known to be true.
        username: Of whom, in its canonical form.
        index: Of the digests: a proof counts only where it was made.
    """
    for proof in _proofs(presented):
        browser = proof[:_NAME_LENGTH]
        if equal(_prove(keyring, index, browser, username).encode(), proof.encode()):
            return browser
    return None


def remember(
    keyring: _Digests, presented: str | None, username: str, *, index: str = PEOPLE
) -> str:
    """Return what a browser is to keep after somebody has signed in from it.

    Args:
        keyring: Makes the proof.
        presented: What it kept so far.
        username: Who has signed in, in the canonical form.
        index: Of the digests, as for `find_browser`.
    """
    known = find_browser(keyring, presented, username, index=index)
    proof = _prove(keyring, index, known or random_b64url(_NAME_BYTES), username)
    others = [each for each in _proofs(presented) if each != proof]
    return ".".join([proof, *others][:MOST_PEOPLE])


def _proofs(presented: str | None) -> list[str]:
    found = (presented or "").split(".", MOST_PEOPLE)[:MOST_PEOPLE]
    return [each for each in found if len(each) == _PROOF_LENGTH and each.isascii()]


def _prove(keyring: _Digests, index: str, browser: str, username: str) -> str:
    return browser + b64url(keyring.blind_index(index, f"{browser} {username}"))
