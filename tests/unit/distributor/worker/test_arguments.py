"""The worker's command line."""

import os

import pytest

from jobmon.distributor.worker.arguments import Arguments, BadArgument, BadEnvironment

USUAL = ["--batch-id", "7", "--url=http://h", "--token-file", "t", "--spool-dir=/s"]


def test_both_forms_of_an_option_are_read() -> None:
    arguments = Arguments([*USUAL, "--index", "0", "--start-wait=1.5"], {})

    assert (arguments.batch_id, arguments.index, arguments.start_wait_seconds) == (7, 0, 1.5)
    assert arguments.token_file == f"{os.getcwd()}/t"
    assert arguments.node == os.uname().nodename
    assert (arguments.working_dir, arguments.environment_file) == ("", "")


def test_where_and_with_what_commands_run_is_told() -> None:
    arguments = Arguments([*USUAL, "--index=0", "--working-dir=/data/a b", "--environment", "/state/env"], {})

    assert (arguments.working_dir, arguments.environment_file) == ("/data/a b", "/state/env")


def test_the_index_may_come_from_the_environment() -> None:
    words = [*USUAL, "--index-env=SGE_TASK_ID", "--index-offset=-1"]

    assert Arguments(words, {b"SGE_TASK_ID": b"12"}).index == 11
    with pytest.raises(BadEnvironment, match="'undefined'"):
        Arguments(words, {b"SGE_TASK_ID": b"undefined"})


def test_the_batch_systems_own_id_of_the_job_comes_from_the_variable_that_is_named() -> None:
    words = [*USUAL, "--index=0", "--job-env=OWN_JOB"]

    assert Arguments(words, {b"OWN_JOB": b"12"}).job == "12"
    assert Arguments(words, {}).job == ""
    assert Arguments([*USUAL, "--index=0"], {b"OWN_JOB": b"12"}).job == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "--batch-id is missing"),
        (USUAL, "--index-env is missing"),
        ([*USUAL, "--index=1", "--colour=blue"], "unknown argument '--colour=blue'"),
        ([*USUAL, "--index=1", "blue"], "unknown argument 'blue'"),
        ([*USUAL, "--index"], "--index-env is missing"),
        ([*USUAL, "--index=1", "--start-wait=long"], "--start-wait is 'long'"),
        ([*USUAL, "--index=1", "--server-file=/f"], "either --url or --server-file"),
        ([*USUAL, "--index=1", "--url="], "either --url or --server-file"),
    ],
)
def test_a_bad_command_line_says_what_is_wrong(words: list[str], reason: str) -> None:
    with pytest.raises(BadArgument, match=reason):
        Arguments(words, {})
