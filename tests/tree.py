"""The tree of the README, a line per file from the files' own docstrings: `python tests/tree.py` writes it anew."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("configs", "corpora", "index_build", "rag", "finetune", "eval", "benchmarks")
READMES = ("README.md", "README.ko.md")
BEGIN, END = "<!-- tree: python tests/tree.py -->", "<!-- end of tree -->"
_WIDTH = 122


def purpose(path: Path) -> str:
    """The first line of a Python file's docstring, shortened to fit a line of the tree."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    line = docstring.partition("\n")[0].strip()
    return line if len(line) <= _WIDTH - 32 else line[: _WIDTH - 33].rsplit(" ", 1)[0] + " …"


def tree() -> str:
    """The block that stands in the README between its marks."""
    lines: list[str] = []
    for package in PACKAGES:
        folder = ROOT / package
        lines.append(f"{package}/")
        for path in sorted(folder.rglob("*.py")):
            name = str(path.relative_to(folder))
            if path.name == "__init__.py" and not purpose(path):
                continue
            lines.append(f"  {name:<30}{purpose(path)}".rstrip())
    lines.append(
        "tests/                          sentences that must hold; limits.py and tree.py check the project's form"
    )
    lines.append("docs/                           figures, decisions, log")
    return "\n".join([BEGIN, "```", *lines, "```", END])


def replaced(text: str) -> str:
    """A README with the present tree between its marks."""
    before, _, rest = text.partition(BEGIN)
    return before + tree() + rest.partition(END)[2]


if __name__ == "__main__":
    for name in READMES:
        path = ROOT / name
        path.write_text(replaced(path.read_text(encoding="utf-8")), encoding="utf-8")
