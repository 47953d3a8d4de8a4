"""What every page of the desk says in the same way: the name of a case, and coloured words."""

from dataclasses import dataclass

from kernel.languages import Language
from population_register.api import CaseKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A word with a colour; the word alone says it."""

    text: str
    colour: str


def case_address(case: CaseKey) -> str:
    """Return where a case is shown."""
    return f"/desk/cases/{case.one}/{case.other}"


def case_number(case: CaseKey) -> str:
    """Return a short name of a case, for people to talk about it."""
    return f"{str(case.one)[-6:]}-{str(case.other)[-6:]}".upper()


def tag(words: tuple[str, str], language: Language) -> Tag:
    """Translate a word that has a colour."""
    return Tag(text=language.text(words[0]), colour=words[1])
