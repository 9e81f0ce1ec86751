"""python -m eval {--rag|--no-rag|retrieval|compare|vote|report|fit-gate|leakage} ...

  python -m eval --rag [--exam KIND:PATH] [--index DIR] [--arms closed,retrieved,...] [--limit N] [--json]
  python -m eval --no-rag [...]                      the closed-book arm alone
  python -m eval retrieval --beir DIR [--split test] [--index DIR] [--mode MODE] [--tune] [--json]
  python -m eval compare RUN_A RUN_B [--json]        python -m eval report RUN
  python -m eval vote RUN RUN ... (--dev RUN RUN ... | --against RUN) [--arm ARM] [--json]
  python -m eval fit-gate [...]                      python -m eval leakage [--exam KIND:PATH] [--index DIR]

Example: python -m eval --rag --limit 50
"""

from __future__ import annotations

import argparse
import sys

from configs.errors import run_command
from eval.compare_cli import main_compare, main_report
from eval.gate_fit import main_fit_gate
from eval.leakage_command import main_leakage
from eval.rag import main_rag
from eval.retrieval_command import main_retrieval
from eval.tune import main_tune
from eval.vote_command import main_vote

_COMMANDS = {
    "retrieval": main_retrieval,
    "compare": main_compare,
    "vote": main_vote,
    "report": main_report,
    "fit-gate": main_fit_gate,
    "leakage": main_leakage,
}


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    if "--rag" in arguments or "--no-rag" in arguments:
        return main_rag(arguments)
    if arguments[:1] == ["retrieval"] and "--tune" in arguments:
        return main_tune([argument for argument in arguments[1:] if argument != "--tune"])
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m eval", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.parse_args(arguments)
    return 2


if __name__ == "__main__":
    sys.exit(run_command(main))
