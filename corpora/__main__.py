"""python -m corpora {stats|health} ...

  python -m corpora stats [sample] [--json]
  python -m corpora health FILE ...

Example: python -m corpora stats sample
"""

from __future__ import annotations

import argparse
import sys

from configs.errors import run_command
from corpora.stats import main_stats

_COMMANDS = ("stats", "health")


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m corpora", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=_COMMANDS)
    if parser.parse_args(arguments[:1]).command == "stats":
        return main_stats(arguments[1:])
    from corpora.pdf.health import main_health  # reads PDFs with libraries that the other command need not load

    return main_health(arguments[1:])


if __name__ == "__main__":
    sys.exit(run_command(main))
