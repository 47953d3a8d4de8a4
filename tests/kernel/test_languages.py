"""Languages of the pages: negotiation, texts, dates, sizes."""

import re
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

from kernel.languages import (
    CODES,
    LOCALE_FOLDER,
    choose,
    language,
    parse_accept_language,
    parse_ui_locales,
)

ROOT = Path(__file__).parents[2]


class TestChoose:
    @pytest.mark.spec("OIDCC-3.1.2.1")
    def test_first_spoken_tag_wins(self) -> None:
        chosen = choose(parse_ui_locales("de fr-CA en-GB ru"))

        assert chosen.code == "en"

    def test_earlier_list_beats_later_one(self) -> None:
        chosen = choose(["de"], ["en"], ["ru"])

        assert chosen.code == "en"

    def test_nothing_spoken_gives_the_default(self) -> None:
        chosen = choose(["de"], [], ["*"])

        assert chosen.code == "ru"

    @pytest.mark.parametrize("tag", ["../../etc/passwd", "", "ру", "r" * 100_000], ids=str)
    def test_strange_tags_are_passed_over(self, tag: str) -> None:
        assert choose([tag], ["en"]).code == "en"


class TestAcceptLanguage:
    @pytest.mark.spec("RFC9110-12.5.4")
    def test_weights_decide_and_order_breaks_ties(self) -> None:
        parsed = parse_accept_language("de;q=0.5, en;q=0.9, ru;q=0.9, fr")

        assert parsed == ["fr", "en", "ru", "de"]

    @pytest.mark.spec("RFC9110-12.5.4")
    def test_zero_means_not_this_one(self) -> None:
        assert parse_accept_language("ru;q=0, en") == ["en"]

    @pytest.mark.parametrize("header", ["", ",,;", "en;q=x", "en;q=nan", "en;q=7"])
    def test_malformed_parts_are_left_out(self, header: str) -> None:
        assert parse_accept_language(header) == []


class TestWords:
    def test_instant_is_written_in_moscow_time(self) -> None:
        at = datetime(2026, 11, 5, 21, 3, tzinfo=UTC)

        assert language("en").instant(at) == "6 November 2026, 00:03 (Moscow time)"
        assert language("ru").instant(at).startswith("6 ноября 2026")

    def test_day_is_written_in_full(self) -> None:
        assert language("en").day(date(1991, 7, 14)) == "14 July 1991"

    @pytest.mark.parametrize(
        ("length", "written"),
        [(0, "0 байт"), (1, "1 байт"), (1023, "1023 байта"), (1024, "1 КБ"), (1536, "1,5 КБ"),
         (300 << 20, "300 МБ"), (5 << 40, "5120 ГБ")],
    )  # fmt: skip
    def test_size_is_written_to_be_grasped(self, length: int, written: str) -> None:
        assert language("ru").size(length) == written

    @pytest.mark.parametrize(
        ("days", "written"),
        [(1, "1 день"), (3, "3 дня"), (11, "11 дней"), (365, "1 год"), (1825, "5 лет")],
    )
    def test_period_has_the_right_plural(self, days: int, written: str) -> None:
        assert language("ru").period(timedelta(days=days)) == written

    def test_country_is_named_by_three_letters(self) -> None:
        assert language("ru").territory("RUS") == "Россия"
        assert language("en").territory("XXX") == ""


def extracted() -> Catalog:
    """Return every text that is marked in the source."""
    with (LOCALE_FOLDER.parent / "locale" / "babel.cfg").open() as file:
        method_map, options_map = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    catalog = Catalog()
    for _file, _line, message, _comments, context in extract_from_dir(
        ROOT, method_map, options_map, directory_filter=_is_ours
    ):
        catalog.add(message, context=context)
    return catalog


def _is_ours(folder: str) -> bool:
    top = Path(folder).relative_to(ROOT).parts[:1]
    return not top or top[0] in {"kernel", "idp", "portal"}


class TestCatalogue:
    def test_every_text_is_translated_and_none_is_left_over(self) -> None:
        marked = {message.id for message in extracted() if message.id}

        for code in set(CODES) - {"en"}:
            source = (LOCALE_FOLDER / code / "LC_MESSAGES" / "civitas.po").read_bytes()
            catalog = read_po(BytesIO(source), locale=code)
            translated = {message.id for message in catalog if message.id and message.string}
            assert {m.id for m in catalog if m.fuzzy and m.id} == set()
            assert marked - translated == set()
            assert translated - marked == set()

    def test_placeholders_survive_translation(self) -> None:
        source = (LOCALE_FOLDER / "ru" / "LC_MESSAGES" / "civitas.po").read_bytes()

        for message in read_po(BytesIO(source), locale="ru"):
            if message.id:
                assert list(message.check()) == [], message.id

    def test_templates_translate_literals_only(self) -> None:
        """In a template `_` marks its result as HTML: a value would not be escaped."""
        templates = [
            template
            for package in ("kernel", "idp", "portal")
            for template in (ROOT / package / "templates").rglob("*.html")
        ]

        assert templates
        for template in templates:
            calls = re.findall(r"\b(?:_|gettext|ngettext)\((.)", template.read_text())
            assert set(calls) <= {'"', "'"}, template
            assert "| safe" not in template.read_text(), template
