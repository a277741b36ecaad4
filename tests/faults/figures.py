"""The figures that tests record, as a table at the end of a run and as a file for the documentation.

A test that measures one of docs/goals.toml says so by `record_property("G9", "18 of 18 bugs found")`. What several
tests count together they record under the names of `COUNTED`.
"""

import datetime
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import textwrap
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

GOALS = Path(__file__).parents[2] / "docs" / "goals.toml"
COUNTED = (
    *("kills", "attempts", "losses", "doubles", "unknown submits", "resolved"),
    *("bugs put in", "bugs found", "database faults", "calls of the API"),
)
NUMBER = re.compile(r"G\d+")
MEASURE_COLUMNS, FIGURE_COLUMNS = 34, 70


class Figure(NamedTuple):
    """What one test measured."""

    number: str
    text: str
    test: str
    good: bool


def figures(reports: Iterable[object]) -> tuple[list[Figure], Counter[str]]:
    """All figures in the order of their numbers, and the sums of what was counted."""
    found, sums = [], Counter[str]()
    for report in reports:
        if not isinstance(report, pytest.TestReport) or report.when != "call" or report.outcome == "rerun":
            continue
        for name, value in report.user_properties:
            if name in COUNTED:
                sums[name] += int(str(value))
            elif NUMBER.fullmatch(name):
                found.append(Figure(name, str(value), report.nodeid, report.passed))
    return sorted(set(found), key=lambda figure: (int(figure.number[1:]), figure.test)), sums


def table(found: list[Figure], sums: Counter[str]) -> list[str]:
    """Lines for a terminal."""
    goals = tomllib.loads(GOALS.read_text())
    lines = []
    for number, (measure, goal) in goals.items():
        left = textwrap.wrap(measure, MEASURE_COLUMNS)
        right = textwrap.wrap(f"goal: {goal}", FIGURE_COLUMNS)
        for figure in (figure for figure in found if figure.number == number):
            right += textwrap.wrap(figure.text if figure.good else f"FAILED: {figure.text}", FIGURE_COLUMNS)
            right += [f"  {_short(figure.test)}"]
        if not any(figure.number == number for figure in found):
            right += ["not measured by these tests"]
        for row in range(max(len(left), len(right))):
            head = number if row == 0 else ""
            lines.append(f"{head:4} {_at(left, row):{MEASURE_COLUMNS}}  {_at(right, row)}".rstrip())
    if sums:
        lines += ["", ", ".join(f"{name}: {sums[name]:,}" for name in COUNTED if name in sums)]
    return lines


def keep(file: Path, found: list[Figure]) -> None:
    """Write what was measured well into the file; what this run has not measured stays."""
    kept = tomllib.loads(file.read_text()) if file.exists() else {}
    about = {"date": datetime.date.today().isoformat(), "machine": machine()}
    measured: defaultdict[str, list[Figure]] = defaultdict(list)
    for figure in found:
        measured[figure.number].append(figure)
    for number, several in measured.items():
        if all(figure.good for figure in several):
            texts = [figure.text for figure in several]
            tests = list(dict.fromkeys(figure.test.partition("[")[0] for figure in several))
            kept[number] = {**about, "measured": texts, "tests": tests}
    file.write_text(_toml(kept))


def machine() -> str:
    """What the figures depend on; no names."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    parts = [
        f"{len(os.sched_getaffinity(0))} cores",
        f"{gigabytes:.0f} GB",
        f"Linux {platform.release().split('-')[0]}",
        f"Python {platform.python_version()}",
        f"SQLite {sqlite3.sqlite_version}",
        _version("MariaDB", "mariadbd"),
        _version("PostgreSQL", *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin/postgres")))[-1:]),
    ]
    return ", ".join(part for part in parts if part)


def _version(name: str, *programs: str) -> str:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    for program in filter(None, (shutil.which(program, path=path) for program in programs)):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if number := re.search(r"\d+\.\d+(\.\d+)?", said):
            return f"{name} {number[0]}"
    return ""


def _toml(rows: dict[str, dict[str, object]]) -> str:
    """JSON's strings and lists are TOML's too."""
    lines = ["# What the tests measured: `nox -s faults -- --cycles 300 --figures docs/faults.toml` writes it."]
    for number in sorted(rows, key=lambda number: int(number[1:])):
        lines += ["", f"[{number}]"]
        lines += [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in rows[number].items()]
    return "\n".join(lines) + "\n"


def _short(test: str) -> str:
    return test.removeprefix("tests/").removeprefix("faults/")


def _at(lines: list[str], row: int) -> str:
    return lines[row] if row < len(lines) else ""
