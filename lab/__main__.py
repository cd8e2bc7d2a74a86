"""The command line: ``python -m lab record | extract | check | card | smoke``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.errors import LabError, NotPermittedError

__all__ = ["main"]

# The code by which test harnesses know that something could not be tried.
NOT_PERMITTED = 77
_ROOT = Path(__file__).parents[1]
_DATA = _ROOT / "src" / "unseen" / "data"


def main(argv: list[str] | None = None) -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="The traffic lab: see docs/lab.md.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="record a session between virtual hosts (root, Linux)")
    recording.add_argument("--seconds", type=float, default=480.0)
    recording.add_argument("--seed", type=int, default=1)
    recording.add_argument("--out", type=Path, required=True, help="a directory that does not exist yet")
    extraction = commands.add_parser("extract", help="flows and labels of a recording, as Parquet")
    extraction.add_argument("--run", type=Path, required=True, help="the recording's directory")
    extraction.add_argument("--out", type=Path, required=True, help="the Parquet file")
    checking = commands.add_parser("check", help="whether a recording is sound, and its benchmark hard enough")
    checking.add_argument("--run", type=Path, required=True)
    checking.add_argument("--flows", type=Path, required=True)
    checking.add_argument("--other", type=Path, help="the flows of another recording: adds the known-families figure")
    card = commands.add_parser("card", help="write the figures of the two embedded recordings into docs/lab.md")
    card.add_argument("--first", type=Path, default=_DATA / "lab.parquet")
    card.add_argument("--second", type=Path, default=_DATA / "lab_b.parquet")
    card.add_argument("--page", type=Path, default=_ROOT / "docs" / "lab.md")
    smoke = commands.add_parser("smoke", help="a miniature of twenty seconds; exit code 77: not permitted here")
    smoke.add_argument("--out", type=Path, help="keep the miniature's capture in this new directory")
    args = parser.parse_args(argv)
    try:
        return _run(args)
    except NotPermittedError as problem:
        sys.stderr.write(f"not permitted: {problem}\n")
        return NOT_PERMITTED
    except LabError as problem:
        sys.stderr.write(f"error: {problem}\n")
        return 1


def _run(args: argparse.Namespace) -> int:
    # Each command imports its own needs: the smoke has nothing but the standard library.
    if args.command == "record":
        from lab.isolation import inside
        from lab.record import record, record_inside

        (record_inside if inside() else record)(args.seconds, args.seed, args.out)
    elif args.command == "extract":
        from lab.extract import extract

        sys.stdout.write(extract(args.run, args.out) + "\n")
    elif args.command == "check":
        from lab.check import check

        report = check(args.run, args.flows, args.other)
        sys.stdout.write(report.text() + "\n")
        return 0 if report.sound else 1
    elif args.command == "card":
        from lab.card import figures, render, replace_card

        table = render(figures(args.first, args.second), figures(args.second, args.first))
        replace_card(args.page, table)
        sys.stdout.write(table)
    else:
        from lab.isolation import inside
        from lab.smoke import smoke, smoke_inside

        if inside():
            smoke_inside(args.out)
        else:
            sys.stdout.write(smoke(args.out) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
