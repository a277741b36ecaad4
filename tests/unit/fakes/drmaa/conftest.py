"""A fake Grid Engine whose jobs are shell texts."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.drmaa import FakeGridEngine

Submit = Callable[..., int]
Run = Callable[[str], str]


@pytest.fixture
def sge(tmp_path: Path) -> Iterator[FakeGridEngine]:
    with FakeGridEngine(tmp_path / "sge") as sge:
        yield sge


@pytest.fixture
def submit(sge: FakeGridEngine, tmp_path: Path) -> Submit:
    """The number of a job that runs this text; `options` are of qsub."""

    def submit(text: str, tasks: int = 1, options: str = "", **attributes: object) -> int:
        template = {
            "remoteCommand": "/bin/sh", "args": ["-c", text], "jobName": "fit", "workingDirectory": str(tmp_path),
            "outputPath": f":{tmp_path}/$JOB_ID.$TASK_ID", "joinFiles": True, "nativeSpecification": options,
        }  # fmt: skip
        asked = {"session": "one", "template": {**template, **attributes}, "first": 1, "last": tasks, "step": 1}
        code, out, err = sge.call(["runBulkJobs", json.dumps(asked)])
        assert code == 0, err
        return int(json.loads(out)[0].partition(".")[0])

    return submit


@pytest.fixture
def run(sge: FakeGridEngine) -> Run:
    """What a command prints that goes well."""

    def run(line: str) -> str:
        code, out, err = sge.call(line.split())
        assert (code, err) == (0, "")
        return out

    return run
