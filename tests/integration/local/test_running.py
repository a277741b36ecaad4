"""Commands on the real executor: what they are given, and what their outcome tells."""

import os
import signal
import time
from pathlib import Path

import pytest

from integration.local.conftest import Connect, executor_pid
from integration.local.peer import Peer, wait_for
from jobmon.core.paths import output_dirs, output_file
from jobmon.core.resources import Resources
from jobmon.core.wire import Batch


def output(batch: Batch, stream: str, index: int = 0) -> bytes:
    """What an attempt wrote."""
    folders = output_dirs(batch.run_dir, batch.workflow_id, batch.batch_id, batch.resources.options)
    folder = folders[stream == "e"]
    return Path(output_file(folder, "task", stream, batch.first_instance_id + index)).read_bytes()


def test_a_command_runs_and_its_outcome_comes_with_usage(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["echo out; echo err >&2; head -c 50000000 /dev/zero | tail -c 1 > /dev/null"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert (outcome.status, outcome.exit_code, outcome.message) == ("D", 0, "")
    assert outcome.peak_memory_bytes and outcome.cpu_seconds and outcome.wall_seconds
    assert (output(batch, "o"), output(batch, "e")) == (b"out\n", b"err\n")


def test_a_failure_says_what_where_and_the_last_words(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["echo the reason >&2; exit 3"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("E", "user", 3)
    first, last = outcome.message.splitlines()
    assert "exit code 3" in first and os.uname().nodename in first and "task.e1" in first
    assert last == "the reason"


def test_a_signal_is_named(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["kill -SEGV $$"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert (outcome.status, outcome.exit_code) == ("E", -signal.SIGSEGV)
    assert "SIGSEGV" in outcome.message


def test_a_missing_program_is_called_that(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["no-such-program-at-all"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert outcome.exit_code == 127
    assert "command not found" in outcome.message


def test_a_command_knows_who_it_is(peer: Peer, connect: Connect) -> None:
    names = ["TASK_INSTANCE_ID", "TASK_ID", "WORKFLOW_RUN_ID", "WORKFLOW_ID"]
    batch = peer.batch(["echo " + " ".join(f"$JOBMON_{name}" for name in names)])

    connect().submit(batch)
    peer.outcome(batch)

    assert output(batch, "o") == b"1 1001 70 7\n"


def test_commands_have_the_environment_and_folder_of_the_newest_distributor(
    peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = peer.batch(["pwd; echo $SAYS"])
    second = peer.batch(["pwd; echo $SAYS"])
    (tmp_path / "elsewhere").mkdir()

    monkeypatch.setenv("SAYS", "one")
    connect().submit(first)
    peer.outcome(first)
    monkeypatch.setenv("SAYS", "zw\udcf6i")  # not UTF-8
    monkeypatch.chdir(tmp_path / "elsewhere")
    connect().submit(second)
    peer.outcome(second)

    assert output(first, "o").endswith(b"\none\n")
    assert output(second, "o") == os.fsencode(f"{tmp_path}/elsewhere\n") + b"zw\xf6i\n"


@pytest.mark.promise("F40")
def test_output_is_kept_byte_by_byte(peer: Peer, connect: Connect) -> None:
    raw = b"caf\xe9 caf\xc3\xa9 \x00 \x1b[31m \xff\xfe no newline"
    printf = "printf '" + "".join(f"\\x{byte:02x}" for byte in raw) + "'"
    batch = peer.batch([f"{printf}; {printf} >&2; exit 1"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert (output(batch, "o"), output(batch, "e")) == (raw, raw)
    assert outcome.message.splitlines()[-1] == "caf\\xe9 café  \x1b[31m \\xff\\xfe no newline"


@pytest.mark.promise("F39")
def test_of_long_output_the_end_is_told(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["head -c 3000000 /dev/zero | tr '\\0' x >&2; echo END >&2; exit 1"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert outcome.message.endswith("xEND") and len(outcome.message) < 70_000
    assert len(output(batch, "e")) == 3_000_004


@pytest.mark.promise("F72")
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ('echo "it\'s" \'$(no)\' "$(echo yes)" `echo too` \\"', b"it's $(no) yes too \"\n"),
        ("echo one\necho two\n\n# the end", b"one\ntwo\n"),
        ("cat <<'EOF'\n$HOME \"'\\\nEOF", b"$HOME \"'\\\n"),
        ("echo käse 🧀", "käse 🧀\n".encode()),
        ("x='" + "y" * 100_000 + "'; echo ${#x}", b"100000\n"),
        ("x='" + "y" * 1_000_000 + "'; echo ${#x} $0 $#", None),
    ],
    ids=["quotes", "lines", "here-document", "unicode", "100 KB", "1 MB"],
)
def test_a_command_is_data(peer: Peer, connect: Connect, command: str, said: bytes | None) -> None:
    batch = peer.batch([command])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert outcome.status == "D", outcome.message
    assert output(batch, "o") == said or (said is None and output(batch, "o").startswith(b"1000000 "))


@pytest.mark.promise("F72")
def test_nul_in_a_command_is_refused_in_words(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["echo a\0b", "echo '" + "a\0" * 100_000 + "'"])

    connect().submit(batch)
    outcomes = peer.outcomes(batch)

    assert [outcome.status for outcome in outcomes] == ["E", "E"]
    assert all("NUL" in outcome.message for outcome in outcomes)


def test_shell_and_working_dir_are_as_asked(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    options = {"shell": "sh", "working_dir": str(tmp_path / "server")}
    batch = peer.batch(["pwd; readlink /proc/$$/exe"], Resources(options=options))
    after = peer.batch(["pwd"])

    cluster = connect()
    cluster.submit(batch)
    cluster.submit(after)
    peer.outcomes(after)

    peer.outcomes(batch)
    assert output(batch, "o").splitlines() == [
        os.fsencode(tmp_path / "server"),
        os.fsencode(os.path.realpath("/bin/sh")),
    ]
    assert output(after, "o") == os.fsencode(os.getcwd()) + b"\n"


@pytest.mark.promise("F43")
@pytest.mark.parametrize(
    ("options", "said"),
    [({"shell": "no-such-shell"}, "no-such-shell"), ({"working_dir": "/no/such/dir"}, "/no/such/dir")],
)
def test_what_cannot_start_says_why(
    peer: Peer, connect: Connect, options: dict[str, bool | int | float | str | list[str]], said: str
) -> None:
    batch = peer.batch(["true"], Resources(options=options))

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("E", "user", None)
    assert said in outcome.message and "No such file" in outcome.message


@pytest.mark.promise("F41")
@pytest.mark.parametrize("place", ["/proc/nothing/can/be/made/here", "{file}/below"])
def test_output_that_cannot_be_written_goes_elsewhere(
    peer: Peer, connect: Connect, tmp_path: Path, state_dir: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    folder = place.format(file=tmp_path / "file")
    batch = peer.batch(["echo said; exit 1", "echo said"], Resources(options={"stdout": folder}))

    connect().submit(batch)
    failed, done = peer.outcomes(batch)

    assert (failed.exit_code, done.exit_code) == (1, 0)
    assert folder in failed.message and folder in done.message
    assert [(state_dir / "output" / f"task.o{id}").read_text() for id in (1, 2)] == ["said\n", "said\n"]


def test_an_output_folder_that_vanished_is_made_again(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["rm -r $(dirname $(readlink /proc/$$/fd/1))", "echo here"])

    connect(parallelism=1).submit(batch)
    outcomes = peer.outcomes(batch)

    assert [outcome.status for outcome in outcomes] == ["D", "D"]
    assert output(batch, "o", 1) == b"here\n"


def test_commands_start_with_default_signals_and_no_open_files(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    files = f"ls /proc/$$/fd > {tmp_path}/files; tr '\\n' ' ' < {tmp_path}/files"  # a pipe would be one more
    batch = peer.batch([f"grep -E 'Sig(Ign|Blk)' /proc/self/status; {files}"])

    connect().submit(batch)
    peer.outcome(batch)

    ignored, blocked, files = sorted(output(batch, "o").decode().splitlines(), reverse=True)
    of_libc = 0b11 << 31  # signals 32 and 33, which nobody can set
    assert {int(line.split()[1], 16) & ~of_libc for line in (ignored, blocked)} == {0}
    assert set(files.split()) <= {"0", "1", "2", "255"}


@pytest.mark.promise("F31")
def test_what_a_command_leaves_behind_is_killed_before_its_outcome(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    witness = tmp_path / "pid"
    batch = peer.batch([f"sleep 1000 & echo $! > {witness}"])

    connect().submit(batch)
    outcome = peer.outcome(batch)

    assert outcome.status == "D"
    assert not Path(f"/proc/{int(witness.read_text())}").exists()


def test_what_a_command_leaves_behind_may_finish_its_last_lines(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    cluster, logs = connect(), [tmp_path / f"log{number}" for number in range(6)]
    for log in logs:  # another one where what is left behind was slower than it may be
        batch = peer.batch([f"exec > >(sleep 0.3; cat > {log}); echo the last line"])
        cluster.submit(batch)
        peer.outcome(batch)
        if log.exists() and log.read_text():
            break

    assert log.read_text() == "the last line\n"


def test_slots_are_never_exceeded_and_wide_tasks_do_not_starve(
    peer: Peer, connect: Connect, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    command = f"echo + >> {log}; until [ -e {tmp_path}/go ]; do sleep 0.02; done; echo - >> {log}"
    narrow = peer.batch([command] * 10)
    wide = peer.batch([f"echo wide >> {log}; {command}"], Resources(cores=99))
    rest = peer.batch([command] * 30)

    cluster = connect(parallelism=3)
    for batch in (narrow, wide, rest):
        cluster.submit(batch)
    wait_for(lambda: log.exists() and log.read_text().count("+") >= 3, "three at a time")
    (tmp_path / "go").touch()
    for batch in (narrow, wide, rest):
        assert {outcome.status for outcome in peer.outcomes(batch)} == {"D"}

    running, most, lines = 0, 0, log.read_text().split()
    for place, line in enumerate(lines):
        running += {"+": 1, "-": -1}.get(line, 0)
        most = max(most, running)
        assert line != "wide" or (running == 0 and lines[place : place + 3] == ["wide", "+", "-"])
    assert most == 3
    assert lines.index("wide") <= 2 * 10


def test_long_commands_are_not_claimed_before_they_can_start(peer: Peer, connect: Connect) -> None:
    batch = peer.batch(["sleep 1.2"] * 6)

    connect(parallelism=2).submit(batch)
    wait_for(lambda: peer.statuses()["D"] >= 2, "the first two")
    claimed = [sum(claim.count for claim in request.claims) for request in peer.requests]
    peer.outcomes(batch)

    assert max(claimed) == 2


def test_dummy_runs_nothing_and_everything_is_done(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([f"touch {tmp_path}/ran"] * 10_000)

    connect("dummy").submit(batch)
    outcomes = peer.outcomes(batch)

    assert {(outcome.status, outcome.exit_code) for outcome in outcomes} == {("D", 0)}
    assert len(peer.requests) < 30
    assert not (tmp_path / "ran").exists()


def test_sequential_runs_one_after_another(peer: Peer, connect: Connect, tmp_path: Path) -> None:
    batch = peer.batch([f"echo {i} >> {tmp_path}/log; sleep 0.01; echo {i} >> {tmp_path}/log" for i in range(5)])

    connect("sequential", parallelism=8).submit(batch)
    peer.outcomes(batch)

    assert (tmp_path / "log").read_text().split() == [str(i) for i in range(5) for _ in "ab"]


@pytest.mark.timeout(900)
def test_throughput_of_no_op_commands(peer: Peer, connect: Connect, capsys: pytest.CaptureFixture[str]) -> None:
    batch = peer.batch(["true"] * 5000)
    cluster = connect()
    own_seconds = cpu_seconds(executor_pid(cluster))
    began = time.monotonic()

    cluster.submit(batch)
    outcomes = peer.outcomes(batch, seconds=800)
    seconds = time.monotonic() - began
    own_seconds = cpu_seconds(executor_pid(cluster)) - own_seconds

    with capsys.disabled():
        rates = f"{5000 / seconds:.0f} tasks/s, {own_seconds / 5:.3f} ms CPU of the executor per task"
        print(f" [{rates}, {len(peer.requests)} requests]", end="")
    assert {outcome.status for outcome in outcomes} == {"D"}


def cpu_seconds(pid: int) -> float:
    """Of a process without its children."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
