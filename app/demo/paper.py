"""Pages of a PDF: text in Cyrillic, lines, boxes. What a certificate needs, and no more.

pyHanko writes the file, because it is there to sign it. Two fonts, subset to what a Russian form
has, lie beside this module with their measures, so that nothing is looked up on the machine.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.writer import PageObject, PdfFileWriter

FontName: TypeAlias = Literal["text", "bold"]
Align: TypeAlias = Literal["left", "center", "right"]
Colour: TypeAlias = tuple[float, float, float]

A4_WIDTH: Final = 595.28
A4_HEIGHT: Final = 841.89
BLACK: Final[Colour] = (0, 0, 0)
GREY: Final[Colour] = (0.45, 0.45, 0.45)

_FONTS: Final = Path(__file__).parent / "data" / "fonts"
_SYMBOLIC: Final = 4  # ISO 32000-2, table 121: glyphs outside of the standard Latin set


@dataclass(frozen=True, slots=True)
class Font:
    """A font and its measures."""

    name: FontName
    program: bytes
    measures: dict[str, Any]

    @classmethod
    @cache
    def load(cls, name: FontName) -> "Font":
        """Read one of the fonts that lie beside this module."""
        measures = json.loads((_FONTS / f"{name}.json").read_text(encoding="utf-8"))
        return cls(name, (_FONTS / f"{name}.ttf").read_bytes(), measures)

    def width(self, text: str, size: float) -> float:
        """Return how wide a line is, in points.

        Raises:
            KeyError: A character is not in the font's subset.
        """
        units: int = sum(self.measures["glyphs"][character][1] for character in text)
        return units * size / int(self.measures["units_per_em"])

    def encode(self, text: str) -> str:
        """Return the glyphs of a line in hexadecimal, as a content stream shows them."""
        return "".join(f"{self.measures['glyphs'][character][0]:04x}" for character in text)


class Page:
    """One A4 page that is drawn on from the top; lengths are points, `y` grows downwards."""

    def __init__(self) -> None:
        self._operators: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        line: str,
        *,
        size: float = 9,
        font: FontName = "text",
        align: Align = "left",
        colour: Colour = BLACK,
    ) -> None:
        """Write a line whose base is at `y`; `x` is its left end, middle or right end."""
        face = Font.load(font)
        width = face.width(line, size)
        left = x - {"left": 0.0, "center": width / 2, "right": width}[align]
        self._operators.append(
            f"{_colour(colour)} rg BT /{font} {size:.2f} Tf {left:.2f} {A4_HEIGHT - y:.2f} Td "
            f"<{face.encode(line)}> Tj ET"
        )

    def line(
        self, x1: float, y1: float, x2: float, y2: float, *, width: float = 0.6,
        colour: Colour = BLACK,
    ) -> None:  # fmt: skip
        """Draw a straight line."""
        self._operators.append(
            f"{_colour(colour)} RG {width:.2f} w {x1:.2f} {A4_HEIGHT - y1:.2f} m "
            f"{x2:.2f} {A4_HEIGHT - y2:.2f} l S"
        )

    def box(
        self, x: float, y: float, width: float, height: float, *, line: float = 0.6,
        colour: Colour = BLACK,
    ) -> None:  # fmt: skip
        """Draw a rectangle whose upper left corner is at `x`, `y`."""
        self._operators.append(
            f"{_colour(colour)} RG {line:.2f} w {x:.2f} {A4_HEIGHT - y - height:.2f} "
            f"{width:.2f} {height:.2f} re S"
        )

    def content(self) -> bytes:
        """Return the page's content stream."""
        return "\n".join(self._operators).encode("ascii")


def write_pdf(pages: Iterable[Page], *, title: str) -> bytes:
    """Return a PDF of these pages, not signed."""
    writer = PdfFileWriter()
    fonts = generic.DictionaryObject(
        {_name(font): writer.add_object(_font_object(writer, font)) for font in ("text", "bold")}
    )
    for page in pages:
        contents = writer.add_object(_stream(page.content()))
        resources = generic.DictionaryObject({_name("Font"): fonts})
        writer.insert_page(PageObject(contents, (0, 0, A4_WIDTH, A4_HEIGHT), resources))
    info = generic.DictionaryObject({_name("Title"): generic.TextStringObject(title)})
    writer.set_info(writer.add_object(info))
    writer.root[_name("Lang")] = generic.TextStringObject("ru-RU")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _font_object(writer: PdfFileWriter, name: FontName) -> generic.DictionaryObject:
    """Embed a TrueType font whose glyphs are addressed by number (ISO 32000-2, 9.7.4)."""
    font = Font.load(name)
    measures = font.measures
    scale = 1000 / measures["units_per_em"]
    base_name = _name("CIVDEM+" + measures["name"])
    program = _stream(font.program)
    program[_name("Length1")] = generic.NumberObject(len(font.program))
    descriptor = {
        "Type": _name("FontDescriptor"),
        "FontName": base_name,
        "Flags": generic.NumberObject(_SYMBOLIC),
        "FontBBox": _numbers(round(each * scale) for each in measures["bounds"]),
        "ItalicAngle": generic.NumberObject(0),
        "Ascent": generic.NumberObject(round(measures["ascent"] * scale)),
        "Descent": generic.NumberObject(round(measures["descent"] * scale)),
        "CapHeight": generic.NumberObject(round(measures["ascent"] * scale)),
        "StemV": generic.NumberObject(80),
        "FontFile2": writer.add_object(program),
    }
    widths = {glyph: round(width * scale) for glyph, width in measures["glyphs"].values()}
    descendant = {
        "Type": _name("Font"),
        "Subtype": _name("CIDFontType2"),
        "BaseFont": base_name,
        "CIDSystemInfo": _dictionary(
            {
                "Registry": generic.TextStringObject("Adobe"),
                "Ordering": generic.TextStringObject("Identity"),
                "Supplement": generic.NumberObject(0),
            }
        ),
        "FontDescriptor": writer.add_object(_dictionary(descriptor)),
        "CIDToGIDMap": _name("Identity"),
        "W": generic.ArrayObject(
            part
            for glyph, width in sorted(widths.items())
            for part in (generic.NumberObject(glyph), _numbers([width]))
        ),
    }
    return _dictionary(
        {
            "Type": _name("Font"),
            "Subtype": _name("Type0"),
            "BaseFont": base_name,
            "Encoding": _name("Identity-H"),
            "DescendantFonts": generic.ArrayObject([writer.add_object(_dictionary(descendant))]),
            "ToUnicode": writer.add_object(_stream(_to_unicode(measures["glyphs"]))),
        }
    )


def _to_unicode(glyphs: dict[str, list[int]]) -> bytes:
    """Return the map from glyphs to characters: what is copied from the page is text."""
    # A space and a no-break space are one glyph: the later of the two wins, so the plain one last.
    character_of = {glyph: each for each, (glyph, _) in sorted(glyphs.items(), reverse=True)}
    pairs = [f"<{glyph:04x}> <{ord(each):04x}>" for glyph, each in sorted(character_of.items())]
    blocks = [pairs[start : start + 100] for start in range(0, len(pairs), 100)]
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CMapName /Civitas def /CMapType 2 def",
        "1 begincodespacerange <0000> <ffff> endcodespacerange",
    ]
    for block in blocks:
        lines += [f"{len(block)} beginbfchar", *block, "endbfchar"]
    lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
    return "\n".join(lines).encode("ascii")


def _stream(data: bytes) -> generic.StreamObject:
    stream = generic.StreamObject(stream_data=data)
    stream.compress()
    return stream


def _dictionary(values: dict[str, Any]) -> generic.DictionaryObject:
    return generic.DictionaryObject({_name(key): value for key, value in values.items()})


def _numbers(values: Iterable[int]) -> generic.ArrayObject:
    return generic.ArrayObject(generic.NumberObject(value) for value in values)


def _name(text: str) -> generic.NameObject:
    return generic.pdf_name("/" + text)


def _colour(colour: Colour) -> str:
    return " ".join(f"{part:.3f}" for part in colour)
