"""How people and clerks write: mistakes, missing and wrong values, other ways of the same."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import iuliia

Row = dict[str, str]

WORDS = json.loads((Path(__file__).parent / "english.json").read_text("utf-8"))
_NICKNAMES: dict[str, str] = WORDS["nicknames"]

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SCANNED = (("rn", "m"), ("l", "1"), ("o", "0"), ("cl", "d"), ("vv", "w"), ("e", "c"), ("h", "b"),
            ("и", "н"), ("о", "0"), ("з", "3"), ("ш", "щ"), ("б", "6"))  # fmt: skip
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
ERAS = (iuliia.MVD_310, iuliia.GOST_52535, iuliia.ICAO_DOC_9303)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How badly a source writes.

    Attributes:
        errors: Of cells with letters or digits, how many have a slip.
        missing: Of cells, how many are empty.
        nicknames: Of given names, how many are a short form.
        swapped_names: Of rows, how many have given and family name in each other's place.
        swapped_days: Of dates that allow it, how many have day and month swapped.
        shared: Of numbers, how many are somebody else's.
        filled: Of numbers, how many are a default.
        free_dates: Whether dates are in free form.
        initials: Of given names, how many are an initial only.
    """

    errors: float = 0.05
    missing: float = 0.1
    nicknames: float = 0.05
    swapped_names: float = 0.02
    swapped_days: float = 0.02
    shared: float = 0.03
    filled: float = 0.0
    free_dates: bool = False
    initials: float = 0.0


class Writer:
    """Writes cells with errors of fingers, scanners and habits."""

    def __init__(self, dice: random.Random, noise: Noise) -> None:
        self._dice = dice
        self.noise = noise

    def slipped(self, text: str) -> str:
        """Return a text, now and then with an error of a keyboard or a scanner."""
        dice = self._dice
        while text and dice.random() < self.noise.errors:
            place = dice.randrange(len(text))
            letter = text[place]
            match dice.randrange(5):
                case 0:
                    text = text[:place] + text[place + 1 :]
                case 1:
                    text = text[:place] + letter + text[place:]
                case 2:
                    text = text[:place] + self._near(letter) + text[place + 1 :]
                case 3 if place + 1 < len(text):
                    text = text[:place] + text[place + 1] + letter + text[place + 2 :]
                case _:
                    said, seen = dice.choice(_SCANNED)
                    text = text.replace(said, seen, 1)
        return text

    def _near(self, letter: str) -> str:
        if letter.isdigit():
            return str((int(letter) + self._dice.choice((1, 9))) % 10)
        for line in _KEYBOARD:
            at = line.find(letter.casefold())
            if at >= 0:
                return line[max(0, min(len(line) - 1, at + self._dice.choice((-1, 1))))]
        return letter

    def kept(self, row: Row, never_empty: Sequence[str]) -> Row:
        """Return the row with cells left out."""
        return {
            name: cell if name in never_empty or self._dice.random() >= self.noise.missing else ""
            for name, cell in row.items()
        }

    def day(self, born: date) -> str:
        """Return a date as it was written."""
        dice = self._dice
        if born.day <= 12 and dice.random() < self.noise.swapped_days:
            born = date(born.year, born.day, born.month)
        if dice.random() < self.noise.errors / 2:
            born = date(born.year + dice.choice((-10, -1, 1, 10)), born.month, min(born.day, 28))
        if not self.noise.free_dates:
            return self.slipped(born.isoformat())
        return dice.choice(
            (
                f"{born.day:02d}.{born.month:02d}.{born.year}",
                f"{born.day} {_MONTHS[born.month - 1]} {born.year}",
                f"{_MONTHS[born.month - 1]} {born.day}, {born.year}",
                born.isoformat(),
                f"{born.day:02d}/{born.month:02d}/{born.year}",
            )
        )

    def number(self, own: str, others: Callable[[], str]) -> str:
        """Return a number: the own one, somebody else's, or what the form's default was."""
        dice = self._dice
        if dice.random() < self.noise.filled:
            return dice.choice(("0", "1", "9")) * len(own)
        return self.slipped(others() if dice.random() < self.noise.shared else own)

    def given(self, name: str) -> str:
        """Return a given name as it was said."""
        if self._dice.random() < self.noise.nicknames:
            name = _NICKNAMES.get(name, name)
        if self._dice.random() < self.noise.initials:
            return name[:1]
        return self.slipped(name)
