"""Languages of the pages: which one to speak, its texts, and how it writes dates and sizes.

Texts are written in English in templates and code, and translated in `locale/ru/…/civitas.po`. The
catalogue is compiled in memory when the process starts, so that a clone needs no build step.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.core import get_global
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LOCALE_FOLDER = Path(__file__).parent / "locale"
DOMAIN = "civitas"

DEFAULT = "ru"
"""Spoken to whoever asks for no language that we have: the register is a Russian one."""

CODES = ("ru", "en")
_LONGEST_HEADER = 1000  # characters of `Accept-Language` or `ui_locales` that are looked at

MOSCOW = timezone(timedelta(hours=3), "MSK")
"""Times are shown as Moscow time, which has had this offset, without summer time, since 2014."""

_KIB = 1024
_YEAR_DAYS = 365


def _(message: str) -> str:
    """Mark a text for extraction; it is translated where it is shown."""
    return message


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the pages.

    Attributes:
        code: Primary subtag, as in `lang`.
        own_name: What speakers call it.
        translations: Texts by their English original.
    """

    code: str
    own_name: str
    translations: NullTranslations = field(repr=False, compare=False)

    def text(self, message: str) -> str:
        """Translate; an unknown text stays as it is."""
        return self.translations.gettext(message) if message else ""

    def day(self, day: date) -> str:
        """Write a date in full: «5 ноября 2026 г.», "5 November 2026"."""
        if self.code == "en":
            return format_date(day, "d MMMM y", locale="en_GB")
        return format_date(day, "long", locale=_locale(self.code))

    def instant(self, at: datetime) -> str:
        """Write an instant in Moscow time, to the minute.

        Args:
            at: Timezone-aware.
        """
        there = at.astimezone(MOSCOW)
        clock = format_time(there, "HH:mm", locale=_locale(self.code))
        zone = self.text(_("Moscow time"))
        return f"{self.day(there.date())}, {clock} ({zone})"

    def period(self, length: timedelta) -> str:
        """Write a length of whole days in the largest unit that fits: "5 years", «30 дней»."""
        ngettext = self.translations.ngettext
        if length.days >= _YEAR_DAYS and length.days % _YEAR_DAYS == 0:
            years = length.days // _YEAR_DAYS
            return ngettext("%(num)s year", "%(num)s years", years) % {"num": years}
        return ngettext("%(num)s day", "%(num)s days", length.days) % {"num": length.days}

    def territory(self, code: str) -> str:
        """Name a country; empty for one without a name.

        Args:
            code: ISO 3166-1, two or three letters.
        """
        aliases: Mapping[str, Sequence[str]] = get_global("territory_aliases")
        names: Mapping[str, str] = _locale(self.code).territories
        return names.get(aliases.get(code, [code])[0], "")

    def size(self, length: int) -> str:
        """Write a number of bytes so that it can be grasped: "38 KB", «300 МБ»."""
        if length < _KIB:
            bytes_word = self.translations.ngettext("byte", "bytes", length)
            return f"{length} {bytes_word}"
        amount = float(length)
        for unit in (_("KB"), _("MB"), _("GB")):
            amount /= _KIB
            if amount < _KIB or unit == "GB":
                pattern = "0" if amount >= 10 else "0.#"  # noqa: PLR2004  # two digits are enough
                number = format_decimal(amount, pattern, locale=_locale(self.code))
                return f"{number} {self.text(unit)}"
        raise AssertionError("the last unit always fits")


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


@cache
def language(code: str) -> Language:
    """Return a language of ours with its texts loaded.

    Raises:
        KeyError: It is not one of `CODES`.
    """
    own_name = {"ru": "Русский", "en": "English"}[code]
    source = LOCALE_FOLDER / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not source.is_file():
        return Language(code, own_name, NullTranslations())  # the originals are in this language
    with source.open("rb") as file:
        catalog = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Language(code, own_name, GNUTranslations(compiled))


def parse_ui_locales(ui_locales: str) -> Sequence[str]:
    """Return the language tags of `ui_locales`, the most wanted first.

    Source:
        OpenID Connect Core 1.0, 3.1.2.1: space-separated BCP 47 tags, in order of preference.
    """
    return ui_locales[:_LONGEST_HEADER].split()


def parse_accept_language(header: str) -> Sequence[str]:
    """Return the language ranges of `Accept-Language`, the most wanted first.

    A part that is malformed is left out; `q=0` means "not this one".

    Source:
        RFC 9110, 12.5.4.
    """
    weighted: list[tuple[float, int, str]] = []
    for position, part in enumerate(header[:_LONGEST_HEADER].split(",")):
        tag, _separator, parameter = part.strip().partition(";")
        name, _equals, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if tag.strip() and 0 < weight <= 1:
            weighted.append((-weight, position, tag.strip()))
    return [tag for _weight, _position, tag in sorted(weighted)]


def choose(*wishes: Iterable[str]) -> Language:
    """Return the first language of ours that is wished for.

    Args:
        wishes: Lists of language tags, the list that counts most first.
    """
    for wish in wishes:
        for tag in wish:
            code = tag.replace("_", "-").partition("-")[0].lower()
            if code in CODES:
                return language(code)
    return language(DEFAULT)
