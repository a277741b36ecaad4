"""Runs benches: `nox -s bench -- NAME [NAME ...] [--sizes N ...] [--repeat 3] [--set SECTION__KEY=VALUE ...]`.

Standard output carries one JSON line for each case (see `figures.Figure`), everything else goes to standard
error. Each repeat has a folder and a server of its own, and its floor is measured right beside it, so that the
ratio says more than either number on a machine that does other things too.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # this folder must not be searched for modules, but its parent, as in the tests
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from bench import figures
from bench.sandbox import SETTINGS, adopt_orphans, inside

NAMES = (
    "bind",
    "run-dummy",
    "run-true",
    "chain",
    "resume",
    "requests",
    "worker-start",
    "slurm",
    "workers",
    "databases",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line names."""
    options = _parser().parse_args(argv)
    adopt_orphans()
    SETTINGS.update(f"JOBMON__{setting}".split("=", 1) for setting in options.set)
    for name in options.names:
        module = importlib.import_module(f"bench.{name.replace('-', '_')}_bench")
        for case in module.cases(options.sizes or module.SIZES):
            samples = []
            for turn in range(options.repeat):
                print(f"{name} {case.shape} {case.size}: {turn + 1} of {options.repeat}", file=sys.stderr)
                samples.append(module.measure(case))
            unit = module.UNIT if isinstance(module.UNIT, str) else module.UNIT[case.shape]
            print(figures.line(name, case, unit, samples), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Print one JSON line for each case of each bench.")
    parser.add_argument("names", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help="instead of the sizes of each bench")
    parser.add_argument("--set", nargs="+", default=[], metavar="SECTION__KEY=VALUE", help="settings to run under")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="how often; medians are printed")
    return parser


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
    else:
        main()
