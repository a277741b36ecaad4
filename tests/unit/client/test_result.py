"""Which tasks failed, however many."""

from fakes.canned_server import CannedServer
from jobmon.client.result import make_result
from jobmon.core import routes
from jobmon.core.http import Address, Server
from jobmon.core.ids import WorkflowId
from jobmon.core.wire import Counts, TaskIdentities, WatchAnswer
from jobmon.core.wire.base import LONGEST_PAGE


def test_more_failed_tasks_than_fit_on_a_page_are_all_named() -> None:
    failed = LONGEST_PAGE + 1
    pages = [
        TaskIdentities(task_ids=list(range(1, LONGEST_PAGE + 1)), node_hashes=[], statuses=["F"] * LONGEST_PAGE),
        TaskIdentities(task_ids=[LONGEST_PAGE + 1, LONGEST_PAGE + 2], node_hashes=[], statuses=["F", "D"]),
        TaskIdentities(task_ids=[], node_hashes=[], statuses=[]),
    ]
    end = WatchAnswer(
        workflow_run_id=1, status="E", reason="", version="1", counts=Counts(total=failed + 1, fatal=failed),
        arrays=[], failures=[], failures_upto=0, notices=[], deferred=[], distributor_alive=True, distributor="",
        elapsed_seconds=1.0,
    )  # fmt: skip
    with CannedServer() as canned:
        canned.prepare(routes.IDENTITIES, *pages, workflow_id=3)

        result = make_result(Server(lambda: Address(canned.url, "t")), WorkflowId(3), end, 0)

    assert result.failed_task_ids == tuple(range(1, failed + 1))
    asked = canned.asked(routes.IDENTITIES, workflow_id=3)
    assert [int(sent["after"][0]) for sent in asked] == [0, 10_000, 10_002]
