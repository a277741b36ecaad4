"""Memory and runtime are limits on the local cluster too: after too little of them comes an attempt with more."""

import sys
from pathlib import Path

import pytest

from end_to_end.graphs import holds, template, workflow_of
from jobmon.client.api import Tool, task_status
from jobmon.client.task import Task
from jobmon.core import routes, wire
from jobmon.core.exceptions import CallableReturnedInvalidObject, InvalidResources
from jobmon_conformance.home import Home
from jobmon_conformance.work import EATS_200_MIB, MIB

ONCE = "[ -e {name} ] || {{ touch {name}; exec sleep 1000; }}; sleep 3"  # the first attempt ends by a limit only

PLUGIN = """
from functools import partial
from jobmon.core.cluster import ClusterKind
from jobmon.core.resources import QueueLimits
from jobmon.distributor.local.cluster import LocalCluster

def queues(options):
    return [QueueLimits(name="short.q", max_runtime_seconds=2), QueueLimits(name="long.q", max_runtime_seconds=99)]

queued = ClusterKind(name="queued", queues=queues, connect=partial(LocalCluster, kind="multiprocess"))
"""


@pytest.fixture
def queued(here: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """This machine as a cluster with a short and a long queue, brought by an installed plugin."""
    folder = here.folder / "plugins"
    metadata = folder / "queued_cluster-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: queued-cluster\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[jobmon.clusters]\nqueued = queued_cluster:queued\n")
    (folder / "queued_cluster.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", f"{folder}:{here.environment['PYTHONPATH']}")
    return here


def attempts(task: Task) -> list[wire.Attempt]:
    """All attempts at a task as the server tells of them."""
    query = wire.TaskDetailQuery(task_id=[task.task_id])
    return task.workflow.server.call(routes.TASK_DETAILS, query).tasks[0].attempts


@pytest.mark.promise("F32")
def test_too_little_memory_is_a_resource_error_and_the_next_attempt_gets_more(here: Home) -> None:
    (here.folder / "tries").mkdir()
    step = template(tool := Tool("memory"), command=EATS_200_MIB)
    task = step.create_task(number=1, compute_resources={"memory": "50M"}, resource_scales={"memory": 9})
    status = workflow_of(tool, [task]).run()
    first, second = attempts(task)
    rows = task_status(task.task_id)

    assert status == "D"
    assert (first.status, first.failure_class, second.status) == ("Z", "resource", "D")
    assert second.requested.memory_bytes == 10 * first.requested.memory_bytes
    assert 50 * MIB * 0.9 < first.requested.memory_bytes <= 50 * MIB
    assert second.peak_memory_bytes > 200 * MIB
    assert "memory limit" in first.errors[0].description
    assert [row["STATUS"] for row in rows] == ["RESOURCE_ERROR", "DONE"]
    assert all(" / " in row["MEMORY"] and "-" not in row["MEMORY"] for row in rows), rows
    assert sorted(line.word for line in here.witness.lines()) in (
        ["end", "start", "start"],
        ["end", "fail", "start", "start"],  # the shell outlived the command that was killed
    )
    here.check()


@pytest.mark.promise("F34")
def test_too_little_time_is_a_resource_error_and_numbers_callables_and_iterators_give_more(here: Home) -> None:
    step = template(tool := Tool("runtime"), command=ONCE.format(name="once-$JOBMON_TASK_ID"))
    scales = [49, lambda seconds: seconds * 60, iter([70, 80])]
    tasks = [
        step.create_task(number=i, compute_resources={"runtime": "1s"}, resource_scales={"runtime": scale})
        for i, scale in enumerate(scales)
    ]
    status = workflow_of(tool, tasks).run()

    assert status == "D"
    asked = [[attempt.requested.runtime_seconds for attempt in attempts(task)] for task in tasks]
    assert asked == [[1, 50], [1, 60], [1, 70]]
    for task in tasks:
        first, second = attempts(task)
        assert (first.status, second.status) == ("Z", "D")
        assert "runtime limit of 1 s" in first.errors[0].description
        assert first.wall_seconds >= 1 and second.wall_seconds >= 2
    holds(here)


def test_an_ordinary_failure_does_not_scale(here: Home) -> None:
    step = template(tool := Tool("user"), command="exit 1")
    task = step.create_task(number=1, compute_resources={"runtime": 60, "memory": "1G"}, max_attempts=2)
    workflow_of(tool, [task]).run()

    assert [(one.status, one.requested.runtime_seconds) for one in attempts(task)] == [("E", 60)] * 2
    holds(here)


def test_what_does_not_fit_its_queue_any_more_goes_to_a_fallback_queue(queued: Home) -> None:
    step = template(tool := Tool("fallback"), command=ONCE.format(name="once"))
    task = step.create_task(
        number=1,
        cluster_name="queued",
        compute_resources={"queue": "short.q", "runtime": 1},
        resource_scales={"runtime": 59},
        fallback_queues=["long.q"],
    )

    assert workflow_of(tool, [task]).run() == "D"
    asked = [(one.requested.queue, one.requested.runtime_seconds) for one in attempts(task)]
    assert asked == [("short.q", 1), ("long.q", 60)]
    holds(queued)


def test_without_a_fallback_it_gets_the_most_that_its_queue_has(queued: Home) -> None:
    step = template(tool := Tool("coerce"), command="sleep 1000")
    task = step.create_task(
        number=1,
        cluster_name="queued",
        compute_resources={"queue": "short.q", "runtime": 1},
        resource_scales={"runtime": 5},
        max_attempts=2,
    )

    assert workflow_of(tool, [task]).run() == "E"
    asked = [(one.requested.queue, one.requested.runtime_seconds) for one in attempts(task)]
    assert asked == [("short.q", 1), ("short.q", 2)]
    assert task.final_status == "F"
    holds(queued)


def test_impossible_resources_are_named_by_validate(queued: Home) -> None:
    step = template(tool := Tool("strict"))
    resources = {"queue": "short.q", "runtime": "1h"}
    task = step.create_task(number=1, cluster_name="queued", compute_resources=resources)
    workflow = workflow_of(tool, [task])

    (problem,) = workflow.validate()
    assert "short.q" in problem and "runtime" in problem
    assert workflow.validate(strict=False) == []
    with pytest.raises(InvalidResources, match=r"short\.q"):
        workflow.validate(raise_on_error=True)
    assert queued.column("SELECT id FROM workflow") == []


def test_resources_of_a_callable_are_computed_when_the_task_is_ready(here: Home) -> None:
    step = template(tool := Tool("callable"))
    lines_at_call = []

    def resources() -> dict:
        lines_at_call.append(here.witness.count())
        return {"memory": "300M", "runtime": "2m", "cores": 2}

    first = step.create_task(number=1)
    second = step.create_task(number=2, upstream_tasks=[first], compute_resources_callable=resources)

    assert workflow_of(tool, [first, second]).run() == "D"
    assert lines_at_call == [2]
    (attempt,) = attempts(second)
    asked = attempt.requested
    assert (asked.runtime_seconds, asked.cores) == (120, 2)
    assert asked.memory_bytes in (300 * 10**6, 300 * MIB)
    holds(here)


@pytest.mark.parametrize("wrong", [["2G"], {"memory": "much"}, None])
def test_a_callable_that_returns_something_else_ends_the_run_with_an_error_that_says_so(
    here: Home, wrong: object
) -> None:
    step = template(tool := Tool("wrong"))
    task = step.create_task(number=1, compute_resources_callable=lambda: wrong)
    workflow = workflow_of(tool, [task, step.create_task(number=2)])

    with pytest.raises(CallableReturnedInvalidObject, match="compute_resources_callable"):
        workflow.run()
    here.wait_for(lambda: here.run_status() in "SE", "the end of the run")
    assert task.task_id not in here.witness.starts()
    holds(here)


def test_usage_is_measured_and_summed_up_by_template(here: Home) -> None:
    step = template(tool := Tool("usage"), command="sleep 1")
    tasks = step.create_tasks(number=[1, 2, 3], compute_resources={"memory": "500M"})
    workflow = workflow_of(tool, tasks)
    status = workflow.run()
    usage = step.resource_usage(workflows=[workflow.workflow_id], ci=0.95)
    own = tasks[0].resource_usage()

    assert status == "D"
    assert usage["num_tasks"] == 3
    assert 0.1 <= usage["min_runtime"] <= usage["median_runtime"] <= usage["max_runtime"]
    assert usage["ci_runtime"][0] <= usage["mean_runtime"] <= usage["ci_runtime"][1]
    assert int(usage["min_mem"].removesuffix("B")) > 0
    assert (own["num_attempts"], own["runtime"] >= 0.1, own["memory"] > 0) == (1, True, True)
    assert own["nodename"]


def test_attributes_of_workflow_and_tasks_are_kept_from_before_and_from_within(here: Home) -> None:
    labels = f"{sys.executable} -c \"from jobmon.client.api import add_task_attributes as a; a({{'inside': 7}})\""
    step = template(tool := Tool("labels"), command=labels)
    task = step.create_task(number=1, task_attributes={"sex": "both", "year": 1990})
    task.add_attribute("added", 1)
    workflow = workflow_of(tool, [task], workflow_attributes=["release"])
    status = workflow.run()
    workflow.add_attributes({"round": 2})

    assert status == "D"
    of_task = dict(here.query("SELECT name, value FROM task_attribute WHERE task_id = ?", task.task_id))
    assert of_task == {"sex": "both", "year": "1990", "added": "1", "inside": "7"}
    assert dict(here.query("SELECT name, value FROM workflow_attribute")) == {"release": None, "round": "2"}
    holds(here)


GENERATED = '''
from pathlib import Path

from jobmon.client.task_generator import task_generator
from jobmon.client.tool import Tool

@task_generator(tool_name="generated", naming_args=["year"])
def write(year: int, words: list[str], out: str) -> None:
    """Write what it was given."""
    Path(out, str(year)).write_text(repr((year, words)))

if __name__ == "__main__":
    workflow = Tool("generated").create_workflow(default_cluster_name="local")
    given = {"words": ["a b", "it's $HOME", "x;y"], "out": str(Path.cwd()), "compute_resources": {}}
    workflow.add_tasks(write.create_task(year=year, **given) for year in (1990, 2000))
    print(workflow.run())
'''


def test_a_function_becomes_a_template_with_task_generator(home: Home) -> None:
    (home.folder / "generated.py").write_text(GENERATED)
    script = home.start("generated.py", PYTHONPATH=f"{home.folder}:{home.environment['PYTHONPATH']}")

    assert (script.end(), script.out.split()[-1:]) == (0, ["D"]), script.err
    for year in (1990, 2000):
        assert Path(home.folder, str(year)).read_text() == repr((year, ["a b", "it's $HOME", "x;y"]))
    home.check(witness=False)
