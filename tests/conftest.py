"""Set-up of every test process, and the figures that tests measure."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from faults import figures


def pytest_addoption(parser: pytest.Parser) -> None:
    """How much the fault tests shall do, and where their figures go."""
    group = parser.getgroup("jobmon faults")
    group.addoption("--cycles", type=int, metavar="N", help="kill parts of running workflows N times in all")
    group.addoption("--long", action="store_true", help="the long form of every test that has one: hours")
    group.addoption("--figures", type=Path, metavar="FILE", help="keep the figures there: docs/faults.toml")


TOLD_LINES = 60  # of each

# A busy machine is no reason to fail: what hangs is ended by pytest-timeout.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_configure(config: pytest.Config) -> None:
    """Say that it shall be long before any test is imported, and hear the signals of a terminal.

    A shell starts what it puts into the background with some of them ignored, and whatever the tests start would
    inherit that.
    """
    if config.getoption("long"):
        os.environ["JOBMON_TEST_LONG"] = "1"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Why first tries failed; the table of what was measured, where it was asked for."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first try of {report.nodeid}")
        terminalreporter.line("\n".join(report.longreprtext.splitlines()[-TOLD_LINES:]))
    asked = config.getoption("cycles") or config.getoption("figures") or os.environ.get("JOBMON_TEST_LONG")
    found, sums = figures.figures(report for several in terminalreporter.stats.values() for report in several)
    if not asked or not found:
        return
    terminalreporter.section("what was measured")
    for line in figures.table(found, sums):
        terminalreporter.line(line)
    if file := config.getoption("figures"):
        figures.keep(file, found)
        terminalreporter.line(f"kept in {file}; `python docs/build.py` puts it into docs/reliability.md")
