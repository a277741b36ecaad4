"""What the commands write, as a real Slurm 22.05 wrote it, and anything else that may come out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.scheduler.shapes import Queued, Record
from jobmon_slurm import text
from jobmon_slurm.back_end import Partition

MIB = 2**20
LINE = st.text(st.characters(exclude_characters="\x1f\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", codec="utf-8"))
ANYTHING = st.text() | st.text("0123456789.-:;_[],|= \n\x1fKMGTP") | st.lists(LINE, min_size=7).map("\x1f".join)
PARSERS = (
    text.version,
    text.config,
    text.job_id,
    text.least,
    text.node_addresses,
    text.queue,
    text.history,
    text.seconds,
    text.size_bytes,
    lambda output: text.partitions(output, output),
)


def row(*fields: str) -> str:
    return text.SEPARATOR.join(fields)


@pytest.mark.promise("F57")
@pytest.mark.parametrize(
    ("output", "job_id"),
    [
        ("4711\n", "4711"),
        ("4711;cluster-1\n", "4711"),
        ("Welcome to our site!\nYour quota is 95 %\n4711", "4711"),
        ("sbatch: lua: job goes to long\n4711\n\n", "4711"),
        ("4711\r\n", "4711"),
        ("Your budget is now 500", ""),
        ("4711\nHave a nice day", ""),
        ("Arbeit 4711 eingereicht", ""),
        ("47 11", ""),
        ("-4711", ""),
        ("", ""),
    ],
)
def test_the_job_id_is_the_last_line_or_there_is_none(output, job_id):
    assert text.job_id(output) == job_id


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("60", 60),
        ("10:00", 600),
        ("01:02:03", 3723),
        ("2-00:00:00", 172_800),
        ("1-12:00:00", 129_600),
        ("00:00.499", 0),
        ("03:25.871", 206),
        ("UNLIMITED", None),
        ("INVALID", None),
        ("Partition_Limit", None),
        ("infinity", None),
        ("nan", None),
        ("1e999", None),
        ("-1", None),
        ("", None),
    ],
)
def test_durations_are_read_in_seconds(duration, seconds):
    assert text.seconds(duration) == seconds


@given(st.integers(0, 10**8))
def test_a_duration_is_read_as_slurm_writes_it(seconds):
    days, rest = divmod(seconds, 86_400)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"

    assert text.seconds(f"{days}-{clock}" if days else clock) == seconds


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("157152K", 157_152 * 1024),
        ("1.50M", 3 * 2**19),
        ("2G", 2**31),
        ("0", 0),
        ("", None),
        (".", None),
        ("1.2.3K", None),
        ("16?", None),
    ],
)
def test_sizes_are_read_in_bytes(size, expected):
    assert text.size_bytes(size) == expected


@pytest.mark.parametrize(
    ("output", "version"), [("slurm-wlm 22.05.8\n", "22.05.8"), ("slurm 25.11.2-1", "25.11.2"), ("slurm", "slurm")]
)
def test_the_version_is_the_number_in_its_line(output, version):
    assert text.version(output) == version


def test_the_configuration_is_read_by_name():
    shown = text.config(
        "Configuration data as of 2026-11-21T12:00:00\n"
        "AccountingStorageType   = accounting_storage/slurmdbd\n"
        "MaxArraySize            = 1001\n"
        "MessageTimeout          = 10 sec\n"
        "SchedulerParameters     = sched_interval=5,bf_interval=5\n"
        "\nSlurmctld(primary) at n1 is UP\n"
    )

    assert shown == {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "MaxArraySize": "1001",
        "MessageTimeout": "10 sec",
        "SchedulerParameters": "sched_interval=5,bf_interval=5",
    }


@pytest.mark.parametrize(("output", "least"), [("|\n200|1000\n|500\n", 200), ("|\n", None), ("", None)])
def test_the_least_of_the_users_limits_counts(output, least):
    assert text.least(output) == least


def test_partitions_have_the_most_that_one_of_their_nodes_gives_and_the_default_is_first():
    described = (
        "PartitionName=short AllowGroups=ALL Default=NO MaxNodes=UNLIMITED MaxTime=00:05:00 State=DOWN "
        "TotalCPUs=16 MaxCPUsPerNode=4 MaxMemPerNode=500\n"
        "PartitionName=main AllowGroups=ALL Default=YES MaxTime=UNLIMITED State=UP MaxMemPerNode=UNLIMITED\n"
        "PartitionName=empty Default=NO MaxTime=1-00:00:00 State=UP\n"
    )
    nodes = "main|4000|16\nmain|2000+|32\nshort|4000|16\n"

    assert text.partitions(described, nodes) == [
        Partition("main", default=True, max_memory_bytes=4000 * MIB, max_cores=32),
        Partition("short", up=False, max_seconds=300, max_memory_bytes=500 * MIB, max_cores=4),
        Partition("empty", max_seconds=86_400),
    ]


def test_nodes_are_known_by_their_host_names():
    output = (
        "NodeName=n1 Arch=x86_64 NodeAddr=127.0.0.1 NodeHostName=box Version=22.05.8\nNodeName=n2 NodeHostName=b2"
    )

    assert text.node_addresses(output) == ["box", "b2"]


def test_rows_of_the_queue_are_read_with_waiting_tasks_together():
    output = "\n".join(
        [
            "Welcome!",
            row(
                "7",
                "3-5,9",
                "jm-1",
                "PENDING",
                "ReqNodeNotAvail, UnavailableNodes:n[1-2]",
                "2026-11-21T12:00:00",
                "",
            ),
            row("7", "2", "jm-1", "RUNNING", "None", "2026-11-21T12:00:00", "n1"),
            row("8", "N/A", "by hand", "COMPLETED", "None", "2026-11-21T12:00:00", "n2"),
            row("9", "0-999,...", "cut off", "PENDING", "Priority", "", ""),
        ]
    )

    assert text.queue(output) == [
        Queued(
            "7",
            [3, 4, 5, 9],
            "jm-1",
            "PENDING",
            "ReqNodeNotAvail, UnavailableNodes:n[1-2]",
            "2026-11-21T12:00:00",
        ),
        Queued("7", [2], "jm-1", "RUNNING", "None", "2026-11-21T12:00:00", "n1"),
        Queued("8", (), "by hand", "COMPLETED", "None", "2026-11-21T12:00:00", "n2"),
        Queued("9", (), "cut off", "PENDING", "Priority"),
    ]


@pytest.mark.promise("F58")
@pytest.mark.parametrize("name", ["two\nlines", "unit\x1fseparator", "7\x1f0\x1fours", "two\x1f\nlines\u2028"])
def test_a_foreign_name_that_breaks_its_row_breaks_no_other(name):
    ours = row("7", "0", "jm-1", "RUNNING", "None", "", "n1")
    output = "\n".join([ours, row("8", "N/A", name, "RUNNING", "None", "", "n1"), ours])

    assert [one.name for one in text.queue(output)] == ["jm-1", "jm-1"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**8),
            st.sets(st.integers(0, 999), min_size=1),
            st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True),
            LINE.map(str.strip),
        )
    )
)
def test_rows_that_slurm_may_write_are_read_as_they_are(jobs):
    lines = [
        row(str(number), ",".join(map(str, sorted(indices))), name, "PENDING", reason, "", "")
        for number, indices, name, reason in jobs
    ]

    assert text.queue("\n".join(lines)) == [
        Queued(str(number), sorted(indices), name, "PENDING", reason) for number, indices, name, reason in jobs
    ]


def task(
    job: str,
    state: str,
    code: str = "0:0",
    submitted: str = "2026-11-21T12:00:00",
    memory: str = "",
    nodes: str = "n1",
) -> str:
    return row(job, "jm-1", "me", state, code, submitted, nodes, memory, "00:03.400", "12")


@pytest.mark.parametrize(
    ("state", "code", "read"),
    [
        ("FAILED", "77:0", ("FAILED", 77, 0)),
        ("FAILED", "0:9", ("FAILED", 0, 9)),
        ("FAILED", "0:53", ("FAILED", 0, 53)),
        ("OUT_OF_MEMORY", "0:125", ("OUT_OF_MEMORY", 0, 125)),
        ("TIMEOUT", "0:0", ("TIMEOUT", 0, 0)),
        ("CANCELLED by 1000", "0:0", ("CANCELLED", 0, 0)),
        ("NODE_FAIL", "1:0", ("NODE_FAIL", 1, 0)),
        ("CANCELLED+", "", ("CANCELLED", None, None)),
    ],
)
def test_records_say_how_a_task_ended(state, code, read):
    [record] = text.history(task("7_3", state, code))

    assert (record.state, record.exit_code, record.signal) == read
    assert (record.array_id, record.index, record.nodes) == ("7", 3, "n1")
    assert (record.cpu_seconds, record.wall_seconds, record.peak_memory_bytes) == (3, 12, None)


def test_the_peak_memory_is_that_of_the_largest_step():
    output = [
        task("7_3", "COMPLETED"),
        task("7_3.batch", "COMPLETED", memory="157152K"),
        task("7_3.extern", "COMPLETED", memory="88K"),
        task("7_4.batch", "COMPLETED", memory=""),
        task("7_4", "COMPLETED"),
    ]

    assert [one.peak_memory_bytes for one in text.history("\n".join(output))] == [157_152 * 1024, None]


@pytest.mark.promise("F36")
def test_of_a_task_that_was_requeued_the_newest_record_counts():
    output = [
        task("7_3", "RUNNING", submitted="2026-11-21T12:05:00"),
        task("7_3", "NODE_FAIL", submitted="2026-11-21T12:00:00"),
    ]

    assert [one.state for one in text.history("\n".join(output))] == ["RUNNING"]


def test_waiting_tasks_share_a_record_and_a_job_that_is_no_array_has_no_index():
    output = [
        task("7_[1-2,5%3]", "PENDING", nodes="None assigned"),
        task("8", "COMPLETED"),
        task("9_[0-9,...]", "PENDING"),
    ]
    read = text.history("\n".join(output))

    assert [(one.array_id, one.index) for one in read] == [("7", 1), ("7", 2), ("7", 5), ("8", None)]
    assert read[0] == Record(
        "7", 1, "jm-1", "me", "PENDING", 0, 0, "2026-11-21T12:00:00", cpu_seconds=3, wall_seconds=12
    )


@pytest.mark.promise("F57")
@given(ANYTHING)
def test_no_text_is_an_error_to_any_parser(output):
    for parse in PARSERS:
        parse(output)


@pytest.mark.promise("F57")
@pytest.mark.parametrize("number", ["9" * 5000, "1" * 400 + ".5", "\u0663", "\u00b2", "1e400"])
def test_no_number_is_too_strange_for_a_field(number):
    text.history(task(number, "FAILED", f"{number}:{number}", memory=number) + "\n" + row(*[number] * 10))
    text.queue(row(*[number] * 7))
    text.partitions(f"PartitionName=a MaxMemPerNode={number} MaxTime={number}", f"a|{number}|{number}")
    for parse in (text.seconds, text.size_bytes, text.least, text.job_id):
        parse(number)
