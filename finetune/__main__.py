"""python -m finetune {examples|sft|dpo|mine|augment|merge|encoder|reader} ...

  python -m finetune examples    questions, with passages or without -> training examples
  python -m finetune sft         examples -> a LoRA adapter
  python -m finetune dpo         a reader's own mistakes -> preferences -> a LoRA adapter
  python -m finetune mine        an evaluation's wrong items -> clusters -> items to write reasoning for
  python -m finetune augment     more questions from those there are, checked before they are kept
  python -m finetune merge       adapter and base -> one model
  python -m finetune encoder     the embedded encoder of dense retrieval, from nothing
  python -m finetune reader      the embedded reader, from nothing

Example: python -m finetune encoder --data data --out models/encoder
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

from configs.errors import run_command

_COMMANDS = {  # imported when called: each needs other, slow libraries
    "augment": ("finetune.augment", "main_augment"),
    "dpo": ("finetune.dpo", "main_dpo"),
    "encoder": ("finetune.encoder", "main_encoder"),
    "examples": ("finetune.examples_command", "main_examples"),
    "merge": ("finetune.merge", "main_merge"),
    "mine": ("finetune.mine", "main_mine"),
    "reader": ("finetune.reader", "main_reader"),
    "sft": ("finetune.sft", "main_sft"),
}


def main(argv: list[str] | None = None) -> int:
    """Dispatch to the command that the first argument names."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] in _COMMANDS:
        module, function = _COMMANDS[arguments[0]]
        command: Callable[[list[str]], int] = getattr(import_module(module), function)
        return command(arguments[1:])
    parser = argparse.ArgumentParser(
        prog="python -m finetune", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.parse_args(arguments)
    return 2


if __name__ == "__main__":
    sys.exit(run_command(main))
