"""The ruled lines of a page: strokes and thin or filled rectangles, for tables."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

_MOST_OBJECTS = 6000  # a page with more is a drawing; asking for all of them takes longer than its text
_MOST_SEGMENTS = 400
_THIN = 2.5  # points
_SHORTEST = 8.0


@dataclass(frozen=True, slots=True)
class Rule:
    """A horizontal (y0 == y1) or vertical (x0 == x1) line."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def is_horizontal(self) -> bool:
        """Whether it runs from left to right."""
        return self.y0 == self.y1


def read_rules(page: pdfium.PdfPage) -> list[Rule]:
    """The rules of a page as it is shown; none for a rotated page or one with too many objects."""
    count = pdfium_c.FPDFPage_CountObjects(page.raw)
    if count > _MOST_OBJECTS or page.get_rotation() != 0:
        return []
    rules: list[Rule] = []
    for index in range(count):
        found = pdfium_c.FPDFPage_GetObject(page.raw, index)
        if pdfium_c.FPDFPageObj_GetType(found) == pdfium_c.FPDF_PAGEOBJ_PATH:
            rules += _path_rules(found)
    return rules


def _path_rules(path: ctypes.c_void_p) -> list[Rule]:
    edges = [ctypes.c_float() for _ in range(4)]
    if not pdfium_c.FPDFPageObj_GetBounds(path, *map(ctypes.byref, edges)):
        return []
    x0, y0, x1, y1 = (edge.value for edge in edges)
    wide, high = x1 - x0, y1 - y0
    if max(wide, high) < _SHORTEST:
        return []
    if high <= _THIN:
        return [Rule(x0, (y0 + y1) / 2, x1, (y0 + y1) / 2)]
    if wide <= _THIN:
        return [Rule((x0 + x1) / 2, y0, (x0 + x1) / 2, y1)]
    points = _points(path)
    if 4 <= len(points) <= 6 and _is_box(points):
        return [Rule(x0, y0, x1, y0), Rule(x0, y1, x1, y1), Rule(x0, y0, x0, y1), Rule(x1, y0, x1, y1)]
    rules = []
    for (ax, ay, _), (bx, by, is_move) in zip(points, points[1:], strict=False):
        if is_move:
            continue
        if abs(ay - by) < 0.5 and abs(ax - bx) >= _SHORTEST:
            rules.append(Rule(min(ax, bx), ay, max(ax, bx), ay))
        elif abs(ax - bx) < 0.5 and abs(ay - by) >= _SHORTEST:
            rules.append(Rule(ax, min(ay, by), ax, max(ay, by)))
    return rules


def _is_box(points: list[tuple[float, float, bool]]) -> bool:
    return len({round(x) for x, _, _ in points}) == 2 and len({round(y) for _, y, _ in points}) == 2


def _points(path: ctypes.c_void_p) -> list[tuple[float, float, bool]]:
    """(x, y, whether the pen was lifted before) in page coordinates; none for curves and long paths."""
    count = pdfium_c.FPDFPath_CountSegments(path)
    matrix = pdfium_c.FS_MATRIX()
    if not 2 <= count <= _MOST_SEGMENTS or not pdfium_c.FPDFPageObj_GetMatrix(path, ctypes.byref(matrix)):
        return []
    x, y = ctypes.c_float(), ctypes.c_float()
    points = []
    for index in range(count):
        segment = pdfium_c.FPDFPath_GetPathSegment(path, index)
        kind = pdfium_c.FPDFPathSegment_GetType(segment)
        if kind == pdfium_c.FPDF_SEGMENT_BEZIERTO:
            return []
        pdfium_c.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        points.append(
            (
                matrix.a * x.value + matrix.c * y.value + matrix.e,
                matrix.b * x.value + matrix.d * y.value + matrix.f,
                kind == pdfium_c.FPDF_SEGMENT_MOVETO,
            )
        )
    return points
