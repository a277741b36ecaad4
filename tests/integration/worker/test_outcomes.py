"""Commands of all kinds, run by a real worker: their output, their end, what is reported of it."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.work_peer import INSTANCE, WorkPeer
from jobmon.core.paths import output_file
from jobmon.core.resources import Resources

RunWorker = Callable[..., tuple[int, str]]


def stdout_of(peer: WorkPeer) -> bytes:
    return Path(output_file(peer.stdout_dir, "fit", "o", INSTANCE)).read_bytes()


def stderr_of(peer: WorkPeer) -> bytes:
    return Path(output_file(peer.stderr_dir, "fit", "e", INSTANCE)).read_bytes()


def test_a_command_that_ends_well_is_done(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = "echo out; echo err >&2"
    peer.heartbeat_seconds = 60

    ended = run_worker()
    outcome = peer.outcome()

    assert ended == (0, "")
    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("D", "", 0)
    assert (outcome.instance_id, outcome.token, outcome.message) == (INSTANCE, "attempt-secret", "")
    assert (stdout_of(peer), stderr_of(peer)) == (b"out\n", b"err\n")
    assert {request.runner for request in peer.requests} == {peer.requests[0].runner}
    assert {request.node for request in peer.requests} == {"n01"}
    assert [(request.sequence, kind) for request, kind in zip(peer.requests, peer.kinds(), strict=True)] == [
        (1, "claims"),
        (2, "outcomes"),
    ]


def test_the_claim_comes_before_the_command_starts(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = "date +%s.%N"

    run_worker()

    assert peer.kinds()[0] == "claims"
    assert (peer.requests[0].claims[0].start, peer.requests[0].claims[0].count) == (3, 1)


def test_the_users_environment_and_the_ids_reach_the_command(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = 'echo "$PYTHONPATH|$GREETING|$(env | grep ^JOBMON_T | sort | xargs) $JOBMON_WORKFLOW_ID"'

    run_worker(environment={"PYTHONPATH": "/nowhere", "GREETING": "grüß dich"})

    ids = "JOBMON_TASK_ID=5 JOBMON_TASK_INSTANCE_ID=4711 1"
    assert stdout_of(peer).decode() == f"/nowhere|grüß dich|{ids}\n"


def test_usage_is_measured(peer: WorkPeer, run_worker: RunWorker) -> None:
    allocate = "x = b'1' * 90_000_000; import time; t = time.process_time()"
    burn = "while time.process_time() - t < 0.3: pass"
    peer.command = f'{sys.executable} -c "{allocate}\n{burn}"; sleep 0.2'

    began = time.monotonic()
    run_worker()
    seconds = time.monotonic() - began
    outcome = peer.outcome()

    assert outcome.peak_memory_bytes is not None
    assert 90e6 < outcome.peak_memory_bytes < 200e6
    assert outcome.cpu_seconds is not None
    assert 0.3 < outcome.cpu_seconds < max(2, seconds)
    assert outcome.wall_seconds is not None
    assert 0.5 < outcome.wall_seconds < seconds


def test_a_failed_command_keeps_its_exit_code_and_tells_the_end_of_its_stderr(
    peer: WorkPeer, run_worker: RunWorker
) -> None:
    peer.command = "echo 'Error: no such column' >&2; exit 3"

    code, _ = run_worker()
    outcome = peer.outcome()

    assert code == 3
    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("E", "user", 3)
    path = output_file(peer.stderr_dir, "fit", "e", INSTANCE)
    first = f"The command failed with exit code 3 on node n01; standard error: {path}"
    assert outcome.message == f"{first}\nError: no such column"


@pytest.mark.promise("F43")
@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("no-such-program --x", 127, "command not found"), ("/etc/passwd", 126, "could not execute")],
)
def test_what_the_shell_cannot_run_is_said_in_words(
    peer: WorkPeer, run_worker: RunWorker, command: str, code: int, words: str
) -> None:
    peer.command = command

    ended, _ = run_worker()
    outcome = peer.outcome()

    assert (ended, outcome.status, outcome.failure_class, outcome.exit_code) == (code, "E", "user", code)
    assert words in outcome.message
    assert command.split()[0] in outcome.message


@pytest.mark.promise("F43")
def test_a_missing_shell_is_the_nodes_fault(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.resources = Resources(options={"shell": "no-such-shell"})

    code, _ = run_worker()
    outcome = peer.outcome()

    assert code == 198
    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("X", "infrastructure", None)
    assert "could not be started (No such file or directory: no-such-shell)" in outcome.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_command_killed_by_a_signal_is_told_by_its_name(
    peer: WorkPeer, run_worker: RunWorker, number: signal.Signals
) -> None:
    peer.command = f"kill -{number.value} $$"

    code, _ = run_worker()
    outcome = peer.outcome()

    assert code == 128 + number
    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("E", "user", 128 + number)
    assert f"killed by signal {number.value}, {number.name}" in outcome.message


@pytest.mark.promise("F40")
@pytest.mark.parametrize(
    ("printf", "raw", "text"),
    [
        (r"\303\251\342\202", b"\xc3\xa9\xe2\x82", "é\\xe2\\x82"),
        (r"caf\351", b"caf\xe9", "caf\\xe9"),
        (r"a\000b", b"a\0b", "ab"),
        (r"\033[31mred", b"\x1b[31mred", "\x1b[31mred"),
    ],
)
def test_any_bytes_are_kept_as_they_are_and_told_as_text(
    peer: WorkPeer, run_worker: RunWorker, printf: str, raw: bytes, text: str
) -> None:
    peer.command = f"printf '{printf}' | tee /dev/stderr; exit 1"

    run_worker()

    assert (stdout_of(peer), stderr_of(peer)) == (raw, raw)
    assert peer.outcome().message.endswith(f"\n{text}")


@pytest.mark.promise("F40")
def test_a_character_that_the_cut_of_the_tail_splits_is_left_out(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = "printf 'x\\342\\202\\254yz' >&2; exit 1"

    run_worker("--tail-bytes=4")

    assert peer.outcome().message.endswith("\n[the last 4 of 6 bytes]\nyz")


@pytest.mark.promise("F72")
@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("""printf '%s' 'single' "dou\\"ble" $(echo sub) `echo tick`""", 'singledou"blesubtick'),
        ("printf '%s' \"a\nb\"\nprintf c", "a\nbc"),
        ("printf '%s' '$HOME ${x} *; & | > 漢字 \t'", "$HOME ${x} *; & | > 漢字 \t"),
        (f"printf '%s' '{'x' * 100_000}'", "x" * 100_000),
        (f"printf '%s' '{'y' * 300_000}'", "y" * 300_000),
        ("[[ abc =~ b ]] && printf bash", "bash"),
    ],
    ids=["quotes", "newlines", "specials", "100 kB", "300 kB", "bash"],
)
def test_a_command_reaches_the_shell_as_it_was_written(
    peer: WorkPeer, run_worker: RunWorker, command: str, output: str
) -> None:
    peer.command = command

    ended = run_worker()

    assert ended == (0, "")
    assert stdout_of(peer).decode() == output
    assert peer.outcome().status == "D"
    assert [*peer.folder.glob("spool/*")] == []


@pytest.mark.promise("F72")
@pytest.mark.parametrize("length", [10, 200_000])
def test_a_command_with_nul_can_never_start(peer: WorkPeer, run_worker: RunWorker, length: int) -> None:
    peer.command = "echo " + "x" * length + "\0"

    code, _ = run_worker()
    outcome = peer.outcome()

    assert code == 198
    assert (outcome.status, outcome.failure_class) == ("F", "fatal")
    assert "null byte" in outcome.message


@pytest.mark.promise("F39")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("megabytes", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_endless_output_without_a_newline_costs_the_worker_no_memory(
    peer: WorkPeer, run_worker: RunWorker, start_worker: Callable[..., object], megabytes: int
) -> None:
    peer.command = f"head -c {megabytes}M /dev/zero | tr '\\0' x | tee /dev/stderr; exit 1"
    peaks: list[int] = []
    worker = start_worker()
    status = Path(f"/proc/{worker.pid}/status")  # type: ignore[attr-defined]
    peer.on_outcome = lambda: peaks.append(
        next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    )

    worker.communicate(timeout=800)  # type: ignore[attr-defined]
    message = peer.outcome().message

    path = Path(output_file(peer.stdout_dir, "fit", "o", INSTANCE))
    assert path.stat().st_size == megabytes << 20
    assert peaks[0] * 1024 < 60_000_000
    assert message.endswith(f"\n[the last 65536 of {megabytes << 20} bytes]\n{'x' * 65536}")
    path.unlink()
    Path(output_file(peer.stderr_dir, "fit", "e", INSTANCE)).unlink()


@pytest.mark.promise("F41")
def test_an_unwritable_log_folder_is_replaced_and_the_command_runs(peer: WorkPeer, run_worker: RunWorker) -> None:
    (peer.folder / "file").write_text("")
    peer.stdout_dir = peer.stderr_dir = str(peer.folder / "file" / "logs")
    peer.command = "echo on; exit 0"

    code, _ = run_worker()
    outcome = peer.outcome()

    assert (code, outcome.status) == (0, "D")
    place = peer.folder / "spool" / f"fit.o{INSTANCE}"
    assert place.read_bytes() == b"on\n"
    wanted = f"{peer.stdout_dir}/fit.o{INSTANCE}"
    warning = f"cannot write {wanted} (Not a directory): this output is in {place} instead"
    assert outcome.message.splitlines()[0] == warning


@pytest.mark.promise("F41")
def test_without_any_folder_for_logs_the_command_still_runs(peer: WorkPeer, run_worker: RunWorker) -> None:
    (peer.folder / "file").write_text("")
    peer.stdout_dir = peer.stderr_dir = str(peer.folder / "file" / "logs")
    peer.command = f"echo on; echo ran > {peer.folder}/witness; exit 4"

    code, _ = run_worker(f"--spool-dir={peer.folder}/file/spool")
    outcome = peer.outcome()

    assert (code, outcome.status, outcome.failure_class) == (4, "E", "user")
    assert (peer.folder / "witness").read_text() == "ran\n"
    assert outcome.message.count("is in /dev/null instead") == 2


@pytest.mark.promise("F41")
def test_a_full_disk_under_the_logs_does_not_end_the_command(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = f"echo lost > /dev/full; echo lost too >/dev/full; echo ran > {peer.folder}/witness"

    code, _ = run_worker()

    assert code == 0
    assert (peer.folder / "witness").exists()


def test_shell_and_working_folder_are_the_users_choice(peer: WorkPeer, run_worker: RunWorker) -> None:
    folder = peer.folder / "work here"
    folder.mkdir()
    peer.resources = Resources(options={"shell": "/bin/sh", "working_dir": str(folder)})
    peer.command = 'echo "${BASH_VERSION:-no bash}"; pwd'

    run_worker()

    assert stdout_of(peer).decode() in (f"no bash\n{folder}\n", f"{os.environ.get('BASH_VERSION')}\n{folder}\n")


@pytest.mark.parametrize("own_choice", [False, True])
def test_a_command_runs_where_its_workflow_was_started_unless_its_user_chose_a_folder(
    peer: WorkPeer, run_worker: RunWorker, own_choice: bool
) -> None:
    usual, chosen = peer.folder / "usual place", peer.folder / "chosen place"
    usual.mkdir()
    chosen.mkdir()
    peer.resources = Resources(options={"working_dir": str(chosen)} if own_choice else {})
    peer.command = "pwd"

    run_worker(f"--working-dir={usual}")

    assert stdout_of(peer).decode() == f"{chosen if own_choice else usual}\n"


def test_a_working_folder_that_is_not_on_the_node_is_the_nodes_fault(
    peer: WorkPeer, run_worker: RunWorker
) -> None:
    missing = peer.folder / "missing"

    code, _ = run_worker(f"--working-dir={missing}")
    outcome = peer.outcome()

    assert code == 198
    assert (outcome.status, outcome.failure_class) == ("X", "infrastructure")
    assert f"could not be started (No such file or directory: {missing})" in outcome.message


def test_the_environment_is_that_of_the_login_node_under_that_of_the_job(
    peer: WorkPeer, run_worker: RunWorker
) -> None:
    login = peer.folder / "environment"
    login.write_bytes(b"PATH=/login/bin:/usr/bin:/bin\0GREETING=gr\xfc\xdf\ndich\0SLURM_JOB_NAME=login\0")
    peer.command = 'printf "%s|" "$PATH" "$GREETING" "$SLURM_JOB_NAME" "$JOBMON_TASK_ID"'

    ended = run_worker(f"--environment={login}", environment={"SLURM_JOB_NAME": "job", "JOBMON_TASK_ID": "77"})

    assert ended == (0, "")
    assert stdout_of(peer) == b"/login/bin:/usr/bin:/bin|gr\xfc\xdf\ndich|job|5|"


def test_an_environment_that_cannot_be_read_is_the_nodes_fault(peer: WorkPeer, run_worker: RunWorker) -> None:
    code, _ = run_worker(f"--environment={peer.folder}/missing")
    outcome = peer.outcome()

    assert code == 198
    assert (outcome.status, outcome.failure_class) == ("X", "infrastructure")
    assert f"{peer.folder}/missing" in outcome.message


@pytest.mark.promise("F68")
def test_it_runs_as_an_installed_module_too(peer: WorkPeer, run_worker: RunWorker) -> None:
    peer.command = "echo out"

    ended = run_worker(argv=[sys.executable, "-m", "jobmon.distributor.worker"])

    assert ended == (0, "")
    assert stdout_of(peer) == b"out\n"


@pytest.mark.promise("F68")
@pytest.mark.parametrize(("command", "code"), [("echo out", 0), ("echo out; exit 3", 3)])
def test_its_file_alone_is_enough(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str], tmp_path: Path, command: str, code: int
) -> None:
    copy = tmp_path / "other" / "any_name.pyc"
    copy.parent.mkdir()
    shutil.copy(worker_argv[-1], copy)
    for module in ("json", "_json", "ast", "threading", "jobmon"):
        (copy.parent / f"{module}.py").write_text("raise SystemExit('the wrong module')")
    peer.command = command

    ended = run_worker(argv=[*worker_argv[:-1], str(copy)], environment={"PYTHONPATH": str(copy.parent)})

    assert ended == (code, "")
    assert stdout_of(peer) == b"out\n"
    assert peer.outcome().exit_code == code


def test_closed_standard_descriptors_harm_nothing(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str]
) -> None:
    peer.command = "echo out; echo err >&2; cat"
    close_and_run = ["bash", "-c", 'exec "$@" 0<&- 1>&-', "bash", *worker_argv]

    ended = run_worker(argv=close_and_run)

    assert ended == (0, "")
    assert (stdout_of(peer), stderr_of(peer)) == (b"out\n", b"err\n")


def test_the_index_is_taken_from_the_batch_systems_variable(peer: WorkPeer, run_worker: RunWorker) -> None:
    ended = run_worker(
        "--index=", "--index-env=SGE_TASK_ID", "--index-offset=-1", environment={"SGE_TASK_ID": "4"}
    )

    assert ended == (0, "")
    assert peer.requests[0].claims[0].start == 3


def test_a_bad_command_line_or_environment_has_its_own_exit_code(peer: WorkPeer, run_worker: RunWorker) -> None:
    bad_line, told = run_worker("--index=three")
    bad_environment, also_told = run_worker("--index=", "--index-env=NO_SUCH_VARIABLE")

    assert (bad_line, bad_environment) == (199, 198)
    assert told == "jobmon worker: --index is 'three'; it must be a whole number\n"
    assert "the variable NO_SUCH_VARIABLE should hold the array index; it is ''" in also_told
    assert peer.requests == []


@pytest.mark.promise("F32")
def test_a_command_that_meets_a_limit_of_its_address_space_ran_out_of_memory(
    peer: WorkPeer, run_worker: RunWorker, worker_argv: list[str]
) -> None:
    peer.command = f"{sys.executable} -c 'bytearray(8 * 2**30)'"

    run_worker(argv=["sh", "-c", 'ulimit -v 4194304; exec "$@"', "limited", *worker_argv])
    outcome = peer.outcome()

    assert (outcome.status, outcome.failure_class, outcome.exit_code) == ("Z", "resource", 1)
    assert "limited to 4096 MiB" in outcome.message
