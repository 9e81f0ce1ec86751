"""Files under 300 lines, functions under 50: `python tests/limits.py` names every offender and exits 1."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("configs", "corpora", "index_build", "rag", "finetune", "eval", "benchmarks", "tests")
FILE_LINES, FUNCTION_LINES = 300, 50


def offenders(path: Path) -> Iterator[str]:
    """What is too long in one Python file."""
    text = path.read_text(encoding="utf-8")
    where = path.relative_to(ROOT)
    if len(text.splitlines()) >= FILE_LINES:
        yield f"{where}: {len(text.splitlines())} lines (limit {FILE_LINES})"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{where}:{node.lineno} {node.name}: {lines} lines (limit {FUNCTION_LINES})"


def main() -> int:
    """Check every Python file of the project."""
    found = [
        line for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) for line in offenders(path)
    ]
    print("\n".join(found) or "limits: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
