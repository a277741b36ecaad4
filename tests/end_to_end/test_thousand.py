"""A workflow of 1,000 tasks of which 10 fail on their first attempt and 3 for ever, until the cause is mended."""

import json
from pathlib import Path

import pytest

from jobmon_conformance.home import Home

THOUSAND = str(Path(__file__).with_name("thousand.py"))
FATAL = {"7", "77", "177"}
SECONDS = 900.0


@pytest.mark.slow
@pytest.mark.timeout(2 * SECONDS + 300)
@pytest.mark.promise("I13")
def test_a_thousand_tasks_end_in_error_for_three_and_a_resume_runs_these_three_only(home: Home) -> None:
    script = home.start(THOUSAND)
    code = script.end(SECONDS)
    (workflow_id,) = home.column("SELECT id FROM workflow")
    words = ("workflow_tasks", "-w", str(workflow_id), "-s", "FATAL")
    shown, columns = home.jobmon(*words), json.loads(home.jobmon(*words, "-o", "json"))
    starts = home.witness.starts()

    assert (code, script.out.split()[-1]) == (0, "E"), script.err
    assert home.task_counts() == {"D": 997, "F": 3}
    assert {name.rpartition("-")[2] for name in columns["TASK_NAME"].values()} == FATAL
    assert {error.partition(": ")[2] for error in columns["ERROR"].values()} == {"the cause is not mended"}
    assert shown.count("the cause is not mended") == 3
    assert sorted(starts.values()) == [1] * 987 + [2] * 10 + [3] * 3
    home.check()

    (home.folder / "mended").touch()
    before = home.witness.count()
    again = home.start(THOUSAND, "--resume", "cold")

    assert (again.end(SECONDS), again.out.split()) == (0, [str(workflow_id), "D"]), again.err
    assert home.task_counts() == {"D": 1000}
    later = home.witness.lines()[before:]
    assert sorted(line.word for line in later) == ["end"] * 3 + ["start"] * 3
    home.check()
    home.witness.check()
