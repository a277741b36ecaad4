"""No test waits for something by sleeping for a while: it looks again and again whether that has come about.

A sleep may lie in a loop that looks at something else than the clock: in the condition of a `while`, or by leaving
the loop. Any other one must stand in `MEANT`, with what it is if it is no wait. Only the Python of the tests is
read: the commands of their tasks may take as long as they like.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "jobmon_conformance", "examples/plugins/pbs/tests")
MODULES = ("time", "asyncio")
CLOCKS = ("monotonic", "perf_counter", "time")

MOMENTS = "kills at another moment each time, and waits for nothing"
WORK = "stands for the work of simulated workers, or lets a figure gather"
MEANT = {
    ("tests/fakes/scheduler/fake.py", "call"): "a command that takes its time, as the test has said",
    ("tests/faults/proxy.py", "pass_on"): "is the fault: an answer that is late",
    ("tests/integration/local/test_restart.py", "test_many_deaths_of_executor_and_distributor"): MOMENTS,
    (
        "tests/integration/server/test_embedded.py",
        "test_what_was_confirmed_survives_any_number_of_kills_and_is_there_once",
    ): MOMENTS,
    ("tests/bench/simulated_workers.py", "live"): WORK,
    ("tests/bench/workers_bench.py", "_alive"): WORK,
    ("tests/bench/workers_bench.py", "_ask"): WORK,
    ("tests/bench/workers_bench.py", "_live"): WORK,
    ("tests/bench/workers_bench.py", "measure"): WORK,
}

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.While | ast.For | ast.AsyncFor


class Sleep(NamedTuple):
    """A call, and the function that it lies in."""

    function: str
    line: int


def fixed_sleeps(text: str) -> list[Sleep]:
    """The sleeps of a module that lie in no loop that looks at something."""
    tree = ast.parse(text)
    return list(_fixed(tree, frozenset(_sleepers(tree)), "", None))


def _sleepers(tree: ast.Module) -> Iterator[str]:
    """What sleeping is called in this module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{one.asname or one.name}.sleep" for one in node.names if one.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            yield from (one.asname or one.name for one in node.names if one.name == "sleep")


def _fixed(parent: ast.AST, sleepers: frozenset[str], function: str, loop: Loop | None) -> Iterator[Sleep]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Function):
            yield from _fixed(node, sleepers, getattr(node, "name", function), None)
            continue
        if isinstance(node, ast.Call) and ast.unparse(node.func) in sleepers and not (loop and _looks(loop)):
            yield Sleep(function, node.lineno)
        yield from _fixed(node, sleepers, function, node if isinstance(node, Loop) else loop)


def _looks(loop: Loop) -> bool:
    """Whether something else than the time decides how often it goes round."""
    return isinstance(loop, ast.While) and _asks(loop.test) or any(map(_leaves, loop.body))


def _leaves(node: ast.AST, inner: bool = False) -> bool:
    """Whether this part of a loop may end it, though not because it is late. `inner`: a loop in the loop."""
    if isinstance(node, ast.Return | ast.Raise) or (isinstance(node, ast.Break) and not inner):
        return True
    if isinstance(node, Function):
        return False
    parts = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and not _asks(node.test):
        parts = list(node.orelse)
    return any(_leaves(part, inner or isinstance(node, Loop)) for part in parts)


def _asks(test: ast.expr) -> bool:
    """Whether a condition is about something else than the time."""
    match test:
        case ast.BoolOp():
            return any(map(_asks, test.values))
        case ast.UnaryOp():
            return _asks(test.operand)
        case ast.Constant():
            return False
        case ast.Compare():
            calls = [node for node in ast.walk(test) if isinstance(node, ast.Call)]
            return not any(ast.unparse(call.func).rpartition(".")[2] in CLOCKS for call in calls)
    return True


FIXED = [
    "import time\ndef f():\n    time.sleep(1)",
    "import time as t\ndef f():\n    t.sleep(1)",
    "from time import sleep as nap\ndef f():\n    nap(1)",
    "import asyncio\nasync def f():\n    await asyncio.sleep(1)",
    "import time\ndef f():\n    for _ in range(9):\n        time.sleep(1)",
    "import time\ndef f():\n    while True:\n        time.sleep(1)",
    "import time\ndef f():\n    while time.monotonic() < end:\n        time.sleep(1)",
    "import time\ndef f():\n    while True:\n        if time.monotonic() > end: break\n        time.sleep(1)",
    "import time\ndef f():\n    while ready():\n        for _ in some:\n            time.sleep(1)",
    "import time\ndef f():\n    while True:\n        for one in some:\n            break\n        time.sleep(1)",
    "import time\nwhile ready():\n    def f():\n        time.sleep(1)",
]
LOOKING = [
    "import time\ndef f():\n    while not ready():\n        time.sleep(1)",
    "import time\ndef f():\n    while time.monotonic() < end and one.status is None:\n        time.sleep(1)",
    "import time\ndef f():\n    while True:\n        if ready(): return\n        time.sleep(1)",
    "import time\ndef f():\n    for _ in range(9):\n        try:\n            return get()\n"
    "        except OSError:\n            time.sleep(1)",
    "def f(clock):\n    clock.sleep(1)",
]


@pytest.mark.parametrize("text", FIXED)
def test_a_sleep_for_a_while_is_found(text: str) -> None:
    (found,) = fixed_sleeps(text)

    assert found == Sleep("f", text.count("\n") + 1)


@pytest.mark.parametrize("text", LOOKING)
def test_a_pause_between_two_looks_is_none(text: str) -> None:
    assert fixed_sleeps(text) == []


def test_no_test_waits_by_sleeping_for_a_while(record_property: Callable[[str, object], None]) -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    found = Counter(
        (str(path.relative_to(ROOT)), sleep.function) for path in paths for sleep in fixed_sleeps(path.read_text())
    )
    unmeant = found - Counter(MEANT.keys())
    modules = sum(path.name.startswith("test_") for path in paths)
    record_property(
        "G13",
        f"{unmeant.total()} fixed sleeps in {modules} test modules and their {len(paths) - modules} other files; "
        f"{len(MEANT)} sleeps that are no waits are named with what they are",
    )

    assert modules > 100
    assert not unmeant, "these wait for nothing that can be seen: wait for a condition"
    assert not MEANT.keys() - found.keys(), "these sleep no more: strike them off"
