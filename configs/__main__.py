"""python -m configs [--show [FILE]] [--set KEY=VALUE]: check every YAML, or print the resolved settings.

Example: python -m configs --show configs/wiki.yaml --set rag.top_k=20
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from configs import load
from configs.errors import run_command

FOLDER = Path(__file__).resolve().parent


def main(argv: list[str] | None = None) -> int:
    """Check all settings files (no arguments) or print the settings in effect as YAML."""
    parser = argparse.ArgumentParser(
        prog="python -m configs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--show", nargs="?", const="", metavar="FILE", help="print the resolved settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    if args.show is None and not args.overrides:
        for path in sorted(FOLDER.glob("**/*.yaml")):
            load(path)
            print(f"ok  {path.relative_to(FOLDER.parent)}")
        return 0
    settings = load(Path(args.show) if args.show else None, args.overrides)
    print(yaml.safe_dump(settings.model_dump(mode="json"), allow_unicode=True, sort_keys=False), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
