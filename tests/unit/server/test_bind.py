"""Bind: the table of identity, chunks that come again, are missing or are wrong, binds that were cut off."""

from collections.abc import Sequence

import msgspec
import pytest
from sqlalchemy.engine import Connection

from jobmon.core import wire
from jobmon.core.exceptions import (
    Conflict,
    InvalidRequest,
    InvalidToolVersionError,
    NotFound,
    RunInProgress,
    WorkflowAlreadyComplete,
    WorkflowAlreadyExists,
)
from jobmon.core.resources import QueueLimits, Resources
from jobmon.server import tables
from jobmon.server.db import Database
from jobmon.server.store import bind, runs, tools
from jobmon_conformance import invariants

AT = 1000.0


def request(**parts: object) -> wire.BindRequest:
    """A workflow of three tasks: the first two have nothing before them, the third waits for both."""
    fields = {
        "request_id": "b1", "tool_name": "tool", "name": "study", "args": "a", "args_hash": "a", "description": "",
        "owner": "ann", "attributes": {"k": "v"}, "run_dir": "/runs",
        "templates": [
            wire.Template(name="fit", command_template="x", node_args=[], task_args=[], op_args=[], key="key")
        ],
        "arrays": [wire.Array(template=0, name="fit", max_concurrently_running=5)],
        "resources": [wire.TaskResources(cluster="local", requested=Resources())],
        "task_count": 3, "gate_count": 2, "identity_hash": "i", "order_hash": "o", "spec_hash": "s",
    }  # fmt: skip
    return wire.BindRequest(**(fields | parts))  # type: ignore[arg-type]


def chunk(bound: wire.BindAnswer, index: int, **parts: object) -> wire.ChunkRequest:
    """Chunk 0 has tasks 0 and 1 and both gates, chunk 1 has task 2."""
    positions = [0, 1] if index == 0 else [2]
    n = len(positions)
    fields = {
        "index": index, "last": index == 1, "first": positions[0],
        "array": bound.array_ids * n, "gate": [0] * n if index == 0 else [1], "resources": bound.resources_ids * n,
        "max_attempts": [3] * n, "name": [f"t{i}" for i in positions], "command": [f"run {i}" for i in positions],
        "node_args": ["{}"] * n, "node_hash": "".join(f"{i:032x}" for i in positions),
        "gate_first": 0, "gate_remaining": [0, 2] if index == 0 else [],
        "member_task": positions if index == 0 else [], "member_gate": [1, 1] if index == 0 else [],
    }  # fmt: skip
    return wire.ChunkRequest(**(fields | parts))  # type: ignore[arg-type]


class Client:
    """Binds on a database, each request in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def announce(self, at: float = AT, **parts: object) -> wire.BindAnswer:
        return self.database.write(lambda c: bind.announce(c, request(**parts), at))

    def send(self, bound: wire.BindAnswer, index: int, at: float = AT, **parts: object) -> None:
        self.database.write(lambda c: bind.add_chunk(c, bound.workflow_id, chunk(bound, index, **parts), at))

    def bind(self, **parts: object) -> wire.BindAnswer:
        bound = self.announce(**parts)
        self.send(bound, 0)
        self.send(bound, 1)
        return bound

    def start(self, workflow_id: int) -> wire.StartRunAnswer:
        wanted = wire.StartRunRequest(request_id="r1", user="ann", host="login1", pid=7, version="4")
        return self.database.write(lambda c: runs.start(c, workflow_id, wanted, AT))

    def column(self, query: str) -> list:
        return self.database.read(lambda c: [row[0] for row in c.exec_driver_sql(query)])

    def set(self, query: str) -> None:
        self.database.write(lambda c: c.exec_driver_sql(query))


@pytest.fixture
def client(database: Database) -> Client:
    return Client(database)


def counts(connection: Connection) -> dict[str, int]:
    query = "SELECT COUNT(*) FROM {}"
    return {name: connection.exec_driver_sql(query.format(name)).scalar_one() for name in tables.metadata.tables}


def test_a_new_workflow_is_stored_under_the_ids_that_were_announced(client: Client) -> None:
    bound = client.bind()

    assert (bound.send, bound.next_chunk, bound.same_order, bound.done_count) == ("all", 0, True, 0)
    assert client.column("SELECT id FROM task ORDER BY id") == [bound.first_task_id + i for i in range(3)]
    assert client.column("SELECT gate_id FROM task ORDER BY id") == [bound.first_gate_id + i for i in (0, 0, 1)]
    assert client.column("SELECT command FROM task_spec ORDER BY task_id") == ["run 0", "run 1", "run 2"]
    assert client.column("SELECT state FROM gate ORDER BY id") == ["O", "S"]
    assert client.column("SELECT task_id FROM gate_member ORDER BY task_id") == [
        bound.first_task_id,
        bound.first_task_id + 1,
    ]
    assert client.column("SELECT total FROM task_array") == [3]
    assert client.column("SELECT bound_at FROM workflow") == [AT]
    client.database.read(invariants.check)


def test_members_of_a_wide_gate_may_come_in_a_chunk_without_tasks(client: Client) -> None:
    bound = client.announce()
    nothing = ("array", "gate", "resources", "max_attempts", "name", "command", "node_args")
    client.send(bound, 0)
    client.send(bound, 1, last=False)
    client.send(bound, 2, last=True, first=3, node_hash="", **{name: [] for name in nothing})

    assert client.column("SELECT total FROM task_array") == [3]
    assert client.column("SELECT bound_at FROM workflow") == [AT]


def test_two_workflows_get_blocks_of_ids_that_do_not_touch(client: Client) -> None:
    one = client.announce()
    other = client.announce(request_id="b2", args_hash="other")
    client.send(other, 0)
    client.send(one, 0)
    client.send(one, 1)
    client.send(other, 1)

    assert other.first_task_id == one.first_task_id + 3
    assert other.first_gate_id == one.first_gate_id + 2
    assert client.column("SELECT workflow_id FROM task ORDER BY id") == [1] * 3 + [2] * 3
    client.database.read(invariants.check)


@pytest.mark.promise("F08")
def test_the_id_of_an_earlier_request_is_refused_to_another_one(client: Client) -> None:
    bound = client.bind()
    client.start(bound.workflow_id)
    other = client.bind(request_id="b2", args_hash="other")
    before = client.database.read(counts)

    with pytest.raises(InvalidRequest, match=f"request_id 'b1' is that of .* workflow {bound.workflow_id}; each"):
        client.announce(request_id="b1", args_hash="third")
    with pytest.raises(InvalidRequest, match="request_id 'r1' is that of .* workflow_run 1; each"):
        client.start(other.workflow_id)
    assert client.database.read(counts) == before


def test_the_id_of_a_request_for_a_version_is_refused_to_another_tool(database: Database) -> None:
    asked = [("one", True), ("one", True), ("other", False)]
    made = [database.write(lambda c, a=a: tools.find_or_make_tool(c, *a, "t1" if a[1] else "")) for a in asked]

    assert made[0] == made[1] != made[2]
    for name in ("other", "new"):
        with pytest.raises(InvalidRequest, match="request_id 't1' is that of .* tool_version 1; each"):
            database.write(lambda c, name=name: tools.find_or_make_tool(c, name, True, "t1"))
    assert database.read(lambda c: c.exec_driver_sql("SELECT name FROM tool ORDER BY id").scalars().all()) == [
        "one",
        "other",
    ]


# What happens when the same workflow_args are bound again: the rows of the table in the reference, section 1.5.


def test_other_tasks_under_the_same_args_are_refused(client: Client) -> None:
    client.bind()

    for resume in (False, True):
        with pytest.raises(WorkflowAlreadyExists, match=r"other tasks or dependencies \(3 tasks there, 9 here\)"):
            client.announce(request_id="b2", identity_hash="other", task_count=9, resume=resume)


@pytest.mark.promise("F62")
def test_a_workflow_whose_script_ended_before_it_began_a_run_is_gone_on_with(client: Client) -> None:
    bound = client.bind()
    again = client.announce(request_id="b2")

    assert (again.workflow_id, again.send) == (bound.workflow_id, "none")


def test_the_same_workflow_again_without_resume_is_refused(client: Client) -> None:
    bound = client.bind()
    client.start(bound.workflow_id)
    client.set("UPDATE workflow_run SET status = 'E'")

    with pytest.raises(WorkflowAlreadyExists, match=r"resume=True"):
        client.announce(request_id="b2")


@pytest.mark.promise("F65")
def test_the_same_workflow_again_while_it_is_run_says_who_runs_it(client: Client) -> None:
    bound = client.bind()
    client.start(bound.workflow_id)

    with pytest.raises(RunInProgress, match=r"by ann@login1 \(pid 7\)"):
        client.announce(request_id="b2")
    assert client.announce(request_id="b2", resume=True).send == "none"


def test_a_workflow_that_is_done_is_refused_with_and_without_resume(client: Client) -> None:
    client.bind()
    client.set("UPDATE workflow SET status = 'D'")

    for resume in (False, True):
        with pytest.raises(WorkflowAlreadyComplete, match="done already"):
            client.announce(request_id="b2", resume=resume)


def test_the_same_workflow_with_resume_sends_nothing(client: Client) -> None:
    bound = client.bind()
    client.set("UPDATE task_array SET done = 2")
    before = client.database.read(counts)

    again = client.announce(request_id="b2", resume=True)

    assert again == msgspec.structs.replace(bound, send="none", done_count=2)
    assert client.database.read(counts) == before


def test_without_a_match_resume_makes_a_new_workflow(client: Client) -> None:
    assert client.announce(resume=True).send == "all"


def test_the_same_args_under_another_tool_version_are_another_workflow(client: Client) -> None:
    bound = client.bind()
    client.set("INSERT INTO tool_version (tool_id) VALUES (1)")

    newer = client.announce(request_id="b2")
    older = client.announce(request_id="b3", tool_version_id=1, resume=True)

    assert newer.workflow_id != bound.workflow_id
    assert older.workflow_id == bound.workflow_id
    with pytest.raises(InvalidToolVersionError, match=r"no version 9; its versions are \[1, 2\]"):
        client.announce(request_id="b4", tool_version_id=9)


def test_a_workflow_without_tasks_is_refused_and_nothing_is_stored(client: Client) -> None:
    for nothing in ({"task_count": 0}, {"gate_count": 0}):
        with pytest.raises(InvalidRequest, match="at least one task and one gate"):
            client.announce(**nothing)
    assert client.column("SELECT COUNT(*) FROM workflow") == [0]


# Messages that come again, out of order, or wrong.


@pytest.mark.promise("F08")
def test_a_repeated_announcement_of_a_bound_workflow_is_the_same_answer_and_sends_nothing(client: Client) -> None:
    bound = client.bind()

    assert client.announce() == msgspec.structs.replace(bound, send="none")


@pytest.mark.promise("F08")
def test_a_repeated_chunk_changes_nothing(client: Client) -> None:
    bound = client.announce()
    for index in (0, 0, 1, 0, 1):
        client.send(bound, index)
    before = client.database.read(counts)
    client.send(bound, 1, command=["something else"])

    assert client.database.read(counts) == before
    assert client.column("SELECT command FROM task_spec ORDER BY task_id") == ["run 0", "run 1", "run 2"]
    client.database.read(invariants.check)


def test_a_chunk_too_early_is_a_conflict(client: Client) -> None:
    bound = client.announce()

    with pytest.raises(Conflict, match="chunk 1 of workflow 1 came before chunk 0"):
        client.send(bound, 1)


def test_a_last_chunk_that_leaves_tasks_or_gates_out_is_a_conflict_and_is_not_kept(
    client: Client,
) -> None:
    bound = client.announce()
    with pytest.raises(Conflict, match="3 rows of task were announced, 2 came"):
        client.send(bound, 0, last=True)
    with pytest.raises(Conflict, match="2 rows of gate were announced, 1 came"):
        client.send(bound, 0, gate_remaining=[0], member_task=[], member_gate=[])
        client.send(bound, 1)

    assert client.column("SELECT bound_at FROM workflow") == [None]
    assert client.column("SELECT next_chunk FROM workflow") == [1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"array": [1]},
        {"gate": [0]},
        {"resources": [1, 1, 1]},
        {"max_attempts": []},
        {"name": ["a"]},
        {"command": ["a"]},
        {"node_args": ["{}"]},
        {"node_hash": "0" * 32},
        {"node_hash": "0" * 65},
        {"member_gate": [1]},
        {"attribute_task": [0]},
        {"attribute_task": [0], "attribute_name": ["k"]},
    ],
)
def test_columns_of_different_lengths_are_refused(client: Client, wrong: dict) -> None:
    bound = client.announce()

    with pytest.raises(InvalidRequest, match="columns of chunk 0 have different lengths"):
        client.send(bound, 0, **wrong)
    assert client.column("SELECT COUNT(*) FROM task") == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": -1},
        {"first": 2},
        {"gate": [0, 2]},
        {"gate": [-1, 0]},
        {"gate_first": 1},
        {"gate_first": -1},
        {"member_task": [0, 3]},
        {"member_gate": [1, 2]},
        {"member_gate": [1, -1]},
        {"attribute_task": [3], "attribute_name": ["k"], "attribute_value": ["v"]},
        {"deferred": [2]},
    ],
)
def test_a_chunk_may_not_reach_out_of_the_block_of_its_workflow(client: Client, wrong: dict) -> None:
    bound = client.announce()
    client.announce(request_id="b2", args_hash="other")

    with pytest.raises(InvalidRequest, match="chunk 0"):
        client.send(bound, 0, **wrong)
    assert client.column("SELECT COUNT(*) FROM task") == [0]


@pytest.mark.parametrize("wrong", [{"array": [1, 77]}, {"resources": [2, 1]}])
def test_arrays_and_resources_of_another_workflow_are_refused(client: Client, wrong: dict) -> None:
    bound = client.announce()
    client.announce(request_id="b2", args_hash="other")

    with pytest.raises(InvalidRequest, match="workflow 1 has no (task_array|resources) with id (77|2)"):
        client.send(bound, 0, **wrong)


def test_a_chunk_of_a_workflow_that_does_not_exist_is_not_found(client: Client) -> None:
    bound = msgspec.structs.replace(client.announce(), workflow_id=99)

    with pytest.raises(NotFound, match="no workflow 99"):
        client.send(bound, 0)


# Binds that were cut off.


@pytest.mark.promise("F62")
def test_a_bind_that_was_cut_off_goes_on_at_its_next_chunk(client: Client) -> None:
    first = client.announce()
    client.send(first, 0)

    again = client.announce(request_id="b2", at=AT + 5)
    client.send(again, 1, at=AT + 5)

    assert (again.send, again.next_chunk, again.workflow_id) == ("all", 1, first.workflow_id)
    assert client.column("SELECT bound_at FROM workflow") == [AT + 5]
    client.database.read(invariants.check)


@pytest.mark.promise("F62")
@pytest.mark.parametrize("other", [{"identity_hash": "i2"}, {"order_hash": "o2"}, {"spec_hash": "s2"}])
def test_a_bind_that_was_cut_off_is_replaced_by_one_of_another_content(client: Client, other: dict) -> None:
    client.send(client.announce(), 0)

    fresh = client.bind(request_id="b2", **other)

    assert fresh.send == "all"
    assert client.column("SELECT id FROM workflow") == [fresh.workflow_id]
    assert client.column("SELECT COUNT(*) FROM task") == [3]
    assert client.column("SELECT COUNT(*) FROM workflow_attribute") == [1]
    client.database.read(invariants.check)


@pytest.mark.promise("F09")
def test_a_late_chunk_of_a_bind_that_was_replaced_does_not_get_into_the_new_one(client: Client) -> None:
    older = client.announce()
    newer = client.announce(request_id="b2", spec_hash="s2")

    with pytest.raises(NotFound):
        client.send(older, 0, command=["old", "old"])
    client.send(newer, 0)
    with pytest.raises(NotFound):
        client.send(older, 1, command=["old"])
    assert client.column("SELECT command FROM task_spec ORDER BY task_id") == ["run 0", "run 1"]


def test_resources_and_arrays_of_a_replaced_bind_are_not_taken_for_those_of_the_new_one(client: Client) -> None:
    older = client.announce()
    newer = client.announce(request_id="b2", spec_hash="s2")

    assert set(older.array_ids).isdisjoint(newer.array_ids)
    assert set(older.resources_ids).isdisjoint(newer.resources_ids)


# Names, commands and resources that changed.


def test_changed_specs_are_sent_again_and_done_tasks_keep_their_resources(client: Client) -> None:
    bound = client.bind()
    client.set("UPDATE task SET status = 'D' WHERE id = 1")
    larger = [wire.TaskResources(cluster="local", requested=Resources(cores=4))]

    again = client.announce(request_id="b2", spec_hash="s2", name="new name", resources=larger, resume=True)
    for index in (0, 1, 1):
        client.send(again, index, command=["new"] * (2 - index), max_attempts=[9] * (2 - index))

    assert (again.send, again.next_chunk) == ("specs", 0)
    assert again.resources_ids != bound.resources_ids
    assert client.column("SELECT command FROM task_spec ORDER BY task_id") == ["new"] * 3
    assert client.column("SELECT max_attempts FROM task ORDER BY id") == [3, 9, 9]
    assert client.column("SELECT resources_id FROM task ORDER BY id") == [
        *bound.resources_ids,
        *again.resources_ids * 2,
    ]
    assert client.column("SELECT name FROM workflow") == ["new name"]
    assert client.column("SELECT spec_hash FROM workflow") == ["s2"]
    assert client.announce(request_id="b3", spec_hash="s2", resume=True).send == "none"
    client.set("UPDATE task SET status = 'G'")
    client.database.read(invariants.check)


@pytest.mark.promise("F62")
def test_specs_that_were_cut_off_are_sent_again(client: Client) -> None:
    client.bind()
    again = client.announce(request_id="b2", spec_hash="s2", resume=True)
    client.send(again, 0, command=["new", "new"])

    third = client.announce(request_id="b3", spec_hash="s", resume=True)
    client.send(third, 0)
    client.send(third, 1)

    assert third.send == "specs"
    assert client.column("SELECT command FROM task_spec ORDER BY task_id") == ["run 0", "run 1", "run 2"]
    assert client.column("SELECT spec_hash FROM workflow") == ["s"]


@pytest.mark.promise("F09")
def test_a_repeated_announcement_of_changed_specs_does_not_begin_them_anew(client: Client) -> None:
    client.bind()
    again = client.announce(request_id="b2", spec_hash="s2", resume=True)
    client.send(again, 0)

    repeated = client.announce(request_id="b2", spec_hash="s2", resume=True)
    client.send(again, 1)

    assert (repeated.send, repeated.next_chunk) == ("specs", 1)
    assert client.column("SELECT spec_hash FROM workflow") == ["s2"]


def test_queue_limits_come_in_with_the_announcement_and_the_newest_count(client: Client) -> None:
    def queues(*names: str) -> dict[str, Sequence[QueueLimits]]:
        return {"local": [QueueLimits(name=name, max_cores=2) for name in names]}

    client.announce(queues=queues("a", "b"))
    client.announce(queues=queues("b", "c"))

    assert client.column("SELECT name FROM queue ORDER BY id") == ["b", "c"]
    assert client.column("SELECT name FROM cluster") == ["local"]


@pytest.mark.parametrize("template", [1, -1, -33416777476240, 2**70])
def test_an_array_of_a_template_that_is_not_there_is_refused(client: Client, template: int) -> None:
    with pytest.raises(InvalidRequest, match=f"array 'fit' names template {template}; the workflow has 1"):
        client.announce(arrays=[wire.Array(template=template, name="fit")])


def test_two_arrays_of_one_name_are_refused(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="two arrays of the workflow are called 'fit'"):
        client.announce(arrays=[wire.Array(template=0, name="fit")] * 2)
