"""The module `drmaa` of the fake Grid Engine, in a process that finds it on its path."""

import os
import subprocess
import sys

import pytest

from fakes.drmaa import faults

HEAD = """
import drmaa, time
session = drmaa.Session()
session.initialize()
template = session.createJobTemplate()
template.remoteCommand, template.args, template.outputPath = "/bin/sh", ["-c", "sleep 1000"], ":/dev/null"
template.jobName, template.joinFiles, template.workingDirectory = "fit", True, "/"

def tried(act):
    try:
        print(act())
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def python(sge):
    """What a text prints that goes well."""

    def python(text):
        done = subprocess.run(
            [sys.executable, "-c", HEAD + text],
            env=os.environ | sge.environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return python


def test_a_session_submits_asks_and_ends_jobs(sge, python):
    told = python("""
print(session.runBulkJobs(template, 1, 2, 1), session.runJob(template))
tried(lambda: session.jobStatus("1.2"))
tried(lambda: session.wait("1.1", 0.1))
tried(lambda: session.control("1.1", drmaa.JobControlAction.TERMINATE))
tried(lambda: session.wait("1.1", 120)[1:7])
tried(lambda: session.jobStatus("1.1"))
tried(lambda: session.jobStatus("9.1"))
session.exit()
tried(lambda: session.exit())
""")

    assert told == [
        "['1.1', '1.2'] 2",
        "running",
        "ExitTimeoutException code 23: time-out condition",
        "None",
        "(False, False, '', False, True, 137)",
        "failed",
        "InvalidJobException code 18: The job specified by the 'jobid' does not exist.",
        "NoActiveSessionException code 5: ",
    ]


def test_there_is_one_session_of_a_process(python):
    told = python("tried(lambda: drmaa.Session().initialize())")

    assert told == ["AlreadyActiveSessionException code 11: Initialization failed due to existing DRMAA session."]


def test_an_answer_that_is_lost_leaves_the_job_there(sge, python):
    sge.fault("runBulkJobs", faults.timed_out(taken=True))
    (told,) = python("tried(lambda: session.runBulkJobs(template, 1, 2, 1))")

    assert told.startswith("DrmCommunicationException code 2: failed receiving gdi request")
    assert [job.name for job in sge.jobs] == ["fit"]


def test_what_is_lost_or_refused_or_meets_no_qmaster_is_not_there(sge, python):
    sge.fault("runBulkJobs", faults.denied("job rejected: no"))
    sge.fault("runBulkJobs", faults.qmaster_down(), after=0)
    told = python("for _ in range(2): tried(lambda: session.runBulkJobs(template, 1, 2, 1))")

    assert told[0] == "DeniedByDrmException code 17: job rejected: no"
    assert told[1].startswith("DrmCommunicationException code 2: unable to send message to qmaster")
    assert sge.jobs == []


def test_a_cluster_that_is_gone_is_no_cluster(sge, python):
    told = python(
        "import pathlib; pathlib.Path(drmaa.__file__).with_name('address').write_text('/no/where')\n"
        "tried(lambda: session.runJob(template))"
    )

    assert told == ["DrmCommunicationException code 2: the fake Grid Engine is gone"]
