"""The benches run and print what they promise; nothing is said about their figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parents[1] / "bench" / "run.py"
LINES = {  # bench: (sizes, shapes)
    "bind": ((20, 40), ["fan-out", "fan-out", "map-map-reduce", "map-map-reduce", "all-to-all"]),
    "run-dummy": ((20,), ["independent"]),
    "run-true": ((6,), ["fan-in"]),
    "chain": ((3,), ["levels", "from-nothing"]),
    "resume": ((10,), ["one-left"]),
    "requests": ((10,), ["dummy", "true"]),
    "worker-start": ((1,), [""]),
}
KEYS = ["bench", "shape", "size", "value", "unit", "floor", "ratio", "repeats"]


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_each_bench_prints_a_line_for_each_case(name: str) -> None:
    sizes, shapes = LINES[name]
    words = [name, "--repeat", "1", "--sizes", *map(str, sizes)]
    ended = subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(line["bench"], line["shape"]) for line in lines] == [(name, shape) for shape in shapes]
    assert all(list(line)[: len(KEYS)] == KEYS for line in lines)
    assert all(line["value"] > 0 and line["floor"] > 0 and line["repeats"] == [line["value"]] for line in lines)


def test_an_unknown_bench_is_refused_with_the_names_there_are() -> None:
    ended = subprocess.run([sys.executable, str(RUN), "fly"], capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert all(name in ended.stderr for name in LINES)
