"""python -m finetune encoder ...

  python -m finetune encoder --data DIR [--out DIR] [--report]    the embedded encoder of dense retrieval

Example: python -m finetune encoder --data data --out models/encoder
"""

from __future__ import annotations

import argparse
import sys

from configs.errors import run_command
from finetune.encoder import main_encoder

_COMMANDS = {"encoder": main_encoder}


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in _COMMANDS:
        return _COMMANDS[arguments[0]](arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m finetune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.parse_args(arguments)
    return 2


if __name__ == "__main__":
    sys.exit(run_command(main))
