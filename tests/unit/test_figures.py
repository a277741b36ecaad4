"""What tests measure comes into the table of a run and into the file of the documentation."""

import tomllib
from pathlib import Path

import pytest

from faults import figures


def report(test: str, outcome: str = "passed", **properties: object) -> pytest.TestReport:
    named = [(name.replace("_", " "), value) for name, value in properties.items()]
    where = (test, 1, test)
    return pytest.TestReport(test, where, {}, outcome, None, "call", user_properties=named)  # type: ignore[arg-type]


ONE = report("tests/faults/test_a.py::test_one[x]", G2="0 of 10 attempts", kills=3, resolved=1)
TWO = report("tests/faults/test_a.py::test_one[y]", G2="0 of 20 attempts", kills=4)
BAD = report("tests/faults/test_b.py::test_two", "failed", G1="1 of 2 lost", kills=1)
AGAIN = report("tests/faults/test_b.py::test_two", "rerun", G1="2 of 2 lost", kills=1)
PLAIN = report("tests/faults/test_c.py::test_three", colour="blue")


def test_the_table_has_every_goal_with_what_was_measured_and_the_sums() -> None:
    text = "\n".join(figures.table(*figures.figures([PLAIN, TWO, ONE, BAD, AGAIN, object()])))

    assert text.index("FAILED: 1 of 2 lost") < text.index("0 of 10 attempts") < text.index("0 of 20 attempts")
    assert "2 of 2" not in text and "blue" not in text
    assert all(number in text for number in ("G1 ", "G9 ", "G16"))
    assert text.endswith("kills: 8, resolved: 1")


def test_figures_are_kept_until_they_are_measured_again_and_only_good_ones(tmp_path: Path) -> None:
    file = tmp_path / "faults.toml"
    figures.keep(file, figures.figures([report("tests/t.py::test_old", G16='0 of "9" routes')])[0])
    figures.keep(file, figures.figures([ONE, TWO, BAD])[0])
    kept = tomllib.loads(file.read_text())

    assert list(kept) == ["G2", "G16"]
    assert kept["G2"]["measured"] == ["0 of 10 attempts", "0 of 20 attempts"]
    assert kept["G2"]["tests"] == ["tests/faults/test_a.py::test_one"]
    assert kept["G16"]["measured"] == ['0 of "9" routes']
    assert "cores" in kept["G16"]["machine"]
