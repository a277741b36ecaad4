from collections.abc import Callable

import pytest

from jobmon.client.task_template import TaskTemplate
from jobmon.client.tool import Tool
from jobmon.client.workflow import Workflow


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    """A tool whose server is never asked; asking would fail, because nothing listens there."""
    monkeypatch.setenv("JOBMON__HTTP__SERVICE_URL", "http://127.0.0.1:9")
    return Tool("tests")


@pytest.fixture
def workflow(tool: Tool) -> Workflow:
    return tool.create_workflow(name="wf", workflow_args="v1", default_cluster_name="dummy")


@pytest.fixture
def fit(tool: Tool) -> TaskTemplate:
    return tool.get_task_template(
        "fit", "{python} fit.py {country!q} {year} {data}", ["country", "year"], ["data"], ["python"]
    )


@pytest.fixture
def step(tool: Tool) -> Callable[..., object]:
    """`step("a")`: a task called a, `step("b", a)`: one that waits for it."""
    template = tool.get_task_template("step", "echo {x}", ["x"])
    return lambda x, *upstreams: template.create_task(name=x, x=x, upstream_tasks=list(upstreams))
