"""python -m rag {search|explain|ask} ...

  python -m rag search "질문" [--index DIR] [--top-k N] [--mode MODE] [--source NAME] [--licence NAME] [--json]
  python -m rag ask "질문" [--choice TEXT ...] [--index DIR] [--no-rag] [--json]
  python -m rag explain "질문" PASSAGE_ID [--index DIR] [--json]

Example: python -m rag search "대동법은 언제 처음 실시되었는가?" --top-k 3
"""

from __future__ import annotations

import argparse
import sys

from configs.errors import run_command
from rag.ask import main_ask
from rag.search import main_explain, main_search

_COMMANDS = {"search": main_search, "explain": main_explain, "ask": main_ask}


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m rag", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.parse_args(arguments)
    return 2


if __name__ == "__main__":
    sys.exit(run_command(main))
