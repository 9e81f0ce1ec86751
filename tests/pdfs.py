"""Small Korean PDFs written by hand for tests: lines of text at places, a picture, nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT = 400, 600


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text with its left end on a base line."""

    x: float
    y: float
    text: str
    size: float = 10.0
    angle: float = 0.0  # in degrees, against the clock

    @property
    def matrix(self) -> str:
        """What turns and moves it."""
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        return f"{cos:.4f} {sin:.4f} {-sin:.4f} {cos:.4f} {self.x} {self.y}"


def write_pdf(path: Path, pages: Sequence[Sequence[Text]], *, picture: bool = False, unicode: bool = True) -> Path:
    """A PDF of some pages; `unicode=False` leaves out the map from codes to characters."""
    codes = sorted({ord(char) for page in pages for line in page for char in line.text})
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(pages), b" ".join(b"%d 0 R" % (7 + 2 * n) for n in range(len(pages)))),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /Batang /Encoding /Identity-H /DescendantFonts [4 0 R]"
        + (b" /ToUnicode 5 0 R >>" if unicode else b" >>"),
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Batang /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity)"
        b" /Supplement 0 >> /FontDescriptor 6 0 R /DW 1000 >>",
        _stream(_to_unicode(codes)),
        b"<< /Type /FontDescriptor /FontName /Batang /Flags 4 /FontBBox [0 -120 1000 880] /ItalicAngle 0 /Ascent 880"
        b" /Descent -120 /CapHeight 700 /StemV 80 >>",
    ]
    for number, page in enumerate(pages):
        content = "\n".join(
            f"BT /F1 {line.size} Tf {line.matrix} Tm <{line.text.encode('utf-16-be').hex()}> Tj ET" for line in page
        ).encode()
        if picture:
            content += b"\nq 300 0 0 400 50 100 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x80 EI Q"
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        box = b"/MediaBox [0 0 %d %d]" % (WIDTH, HEIGHT)
        objects.append(b"<< /Type /Page /Parent 2 0 R %s %s /Contents %d 0 R >>" % (box, resources, 8 + 2 * number))
        objects.append(_stream(content))
    path.write_bytes(assembled(objects))
    return path


def assembled(objects: Sequence[bytes]) -> bytes:
    """A PDF file of numbered objects, from 1; the first is the catalogue."""
    body = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(body)


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _to_unicode(codes: Sequence[int]) -> bytes:
    rows = b"".join(b"1 beginbfchar <%04x> <%04x> endbfchar\n" % (code, code) for code in codes)
    return (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <ffff> endcodespacerange\n" + rows + b"endcmap end end"
    )


def lines(*texts: str, x: float = 50, top: float = 540, size: float = 10, pitch: float = 16) -> list[Text]:
    """Texts below each other."""
    return [Text(x, top - n * pitch, text, size) for n, text in enumerate(texts)]


def paragraph(text: str, *, width: int = 30, x: float = 50, top: float = 540) -> list[Text]:
    """A text set flush on both sides, broken anywhere: every character is one em wide."""
    rows: list[str] = []
    while text:
        row, text = text[:width], text[width:]
        rows.append(row.rstrip())
        text = text.lstrip()
    return lines(*rows, x=x, top=top)
