"""What `qconf -sq` and `-sp` write, as a real Grid Engine 8.1.9 wrote it, and anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon_drmaa import queues
from jobmon_drmaa.queues import Environment, Queue, environment_for

GIB = 2**30
QUEUE = {
    "qname": "all.q",
    "hostlist": "@allhosts node9",
    "seq_no": "0",
    "load_thresholds": "np_load_avg=1.75",
    "qtype": "BATCH INTERACTIVE",
    "pe_list": "make smp",
    "slots": "4",
    "s_rt": "INFINITY",
    "h_rt": "INFINITY",
    "h_vmem": "INFINITY",
}
PE = """pe_name            smp
slots              999
user_lists         NONE
allocation_rule    $pe_slots
control_slaves     TRUE
"""


def described(**changes: str) -> str:
    return "".join(f"{name:<21} {value}\n" for name, value in {**QUEUE, **changes}.items())


def read(**changes: str) -> Queue:
    (queue,) = queues.queues(described(**changes), "h_vmem")
    return queue


def test_a_queue_without_limits_has_none():
    assert read() == Queue("all.q", None, None, 4, ["make", "smp"], 0)


def test_limits_are_the_most_that_one_node_gives():
    queue = read(
        slots="1,[node1=8],[@big=32]",
        h_rt="24:00:00,[node1=48:00:00],[@big=300]",
        h_vmem="2G,[@big=4.5G]",
        pe_list="smp,[@big=mpi smp]",
        seq_no="3,[@big=1]",
    )

    assert queue == Queue("all.q", 172_800, 144 * GIB, 32, ["smp", "mpi"], 1)


def test_one_node_without_a_limit_is_no_limit():
    assert read(h_rt="1:0:0,[node1=INFINITY]").max_seconds is None


def test_without_a_parallel_environment_there_is_one_core():
    queue = read(pe_list="NONE")

    assert (queue.max_cores, queue.environments) == (1, [])


def test_queues_that_run_no_batch_jobs_are_left_out():
    output = (
        described(qname="late.q", seq_no="9")
        + described(qname="login.q", qtype="INTERACTIVE")
        + described(qname="empty.q", hostlist="NONE")
        + described(qname="first.q", seq_no="1")
    )

    assert [queue.name for queue in queues.queues(output, "h_vmem")] == ["first.q", "late.q"]


def test_lines_may_go_on():
    output = described(hostlist="node1 \\\n                      node2")

    assert [queue.name for queue in queues.queues(output, "h_vmem")] == ["all.q"]


def test_environments_are_read():
    mpi = PE.replace("smp", "mpi").replace("$pe_slots", "$round_robin")

    assert queues.environments(PE + mpi) == [
        Environment("smp", "$pe_slots", 999),
        Environment("mpi", "$round_robin", 999),
    ]


@pytest.mark.parametrize(("cores", "found"), [(2, "tiny"), (3, "smp"), (1000, "")])
def test_an_environment_keeps_to_one_node_and_is_large_enough(cores, found):
    every = [
        Environment("mpi", "$round_robin", 999),
        Environment("elsewhere", "$pe_slots", 999),
        Environment("tiny", "$pe_slots", 2),
        Environment("smp", "$pe_slots", 999),
    ]

    assert environment_for(cores, every, [Queue("a", environments=["mpi", "tiny"]), read()]) in (found, "")
    assert environment_for(cores, every, [Queue("a", environments=["mpi", "tiny", "smp"])]) == found


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("0:5:0", 300),
        ("300", 300),
        ("24:00:00", 86_400),
        (":30:", None),
        ("::30", 30),
        ("INFINITY", None),
        ("", None),
    ],
)
def test_times(word, seconds):
    assert queues.seconds(word) == seconds


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("2G", 2 * GIB),
        ("1.5G", 1.5 * GIB),
        ("5k", 5000),
        ("512", 512),
        ("INFINITY", None),
        ("NONE", None),
        ("G", None),
    ],
)
def test_sizes(word, size):
    assert queues.size_bytes(word) == size


WORDS = st.text() | st.text("0123456789:.,[]=@ KMGINFTY\\\n")


@given(WORDS | st.dictionaries(st.sampled_from(sorted(QUEUE)), WORDS).map(lambda changes: described(**changes)))
def test_anything_is_read(output):
    for queue in queues.queues(output, "h_vmem"):
        assert queue.name
        assert queue.max_cores is None or queue.max_cores >= 1
    queues.environments(output)
    queues.seconds(output)
    queues.size_bytes(output)
