"""python -m rag [search|why|miss|ask ...]: questions to an index; without a command, the retrieval-debug REPL.

  python -m rag [--index DIR] [--exam KIND:PATH] [--run DIR]
  python -m rag search "질문" [--index DIR] [--top-k N] [--mode MODE] [--source NAME] [--licence NAME] [--json]
  python -m rag why "질문" PASSAGE_ID [--index DIR] [--json]              (also: explain)
  python -m rag miss "질문" PASSAGE_ID|TEXT [--index DIR] [--json]
  python -m rag ask "질문" [--choice TEXT ...] [--index DIR] [--no-rag] [--json]

Example: python -m rag search "대동법은 언제 처음 실시되었는가?" --top-k 3
"""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches

from configs.errors import UserError, run_command
from rag.ask import main_ask
from rag.search import main_search
from rag.why import main_miss, main_why

_COMMANDS = {"search": main_search, "why": main_why, "explain": main_why, "miss": main_miss, "ask": main_ask}


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names; without one, to the REPL."""
    arguments = sys.argv[1:] if argv is None else argv
    first = arguments[0] if arguments else ""
    if first in _COMMANDS:
        return _COMMANDS[first](arguments[1:])
    if first in ("-h", "--help"):
        parser = argparse.ArgumentParser(
            prog="python -m rag", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        parser.parse_args(arguments)
    if first and not first.startswith("-"):
        near = get_close_matches(first, _COMMANDS, n=1)
        hint = (
            f"did you mean {near[0]}?" if near else f"expected one of {', '.join(_COMMANDS)}, or nothing for the REPL"
        )
        raise UserError(f"unknown command {first!r}; {hint}")
    from rag.repl.terminal import main_repl  # a search does without the session's modules

    return main_repl(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
