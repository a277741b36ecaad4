"""A drmaa without a Grid Engine, for one test at a time.

`$SGE_ROOT/drmaa.json` says what it does, and is read at each call; all keys are optional:

    initialize, submit   {"error": [NAME, WORDS]} | {"freeze": true} | {"exit": WORDS} | {"print": WORDS}
    states               job -> what jobStatus says; any other job is not known

What it is told it writes to `$SGE_ROOT/calls`, a line of JSON each.
"""

import json
import os
import signal
import sys
from pathlib import Path

ROOT = Path(os.environ["SGE_ROOT"])
ATTRIBUTES = ["remoteCommand", "args", "jobName", "workingDirectory"]
ATTRIBUTES += ["outputPath", "joinFiles", "blockEmail", "nativeSpecification"]


class DrmaaException(Exception):
    pass


class DeniedByDrmException(DrmaaException):
    pass


class TryLaterException(DrmaaException):
    pass


class DrmCommunicationException(DrmaaException):
    pass


class InternalException(DrmaaException):
    pass


class InvalidJobException(DrmaaException):
    pass


class JobState:
    DONE = "done"
    FAILED = "failed"


class JobTemplate:
    pass


def _told(call):
    path = ROOT / "drmaa.json"
    return json.loads(path.read_text()).get(call, {}) if path.exists() else {}


def _note(call, **what):
    with (ROOT / "calls").open("a") as calls:
        calls.write(json.dumps({"call": call, "pid": os.getpid(), **what}) + "\n")


def _happens(call):
    fault = _told(call)
    if "print" in fault:
        os.write(1, fault["print"].encode())
    if "freeze" in fault:
        signal.pause()
    if "exit" in fault:
        print(fault["exit"], file=sys.stderr, flush=True)
        os._exit(1)
    if "error" in fault:
        name, words = fault["error"]
        raise {**globals(), "Exception": Exception}[name](words)


class Session:
    drmaaImplementation = "SGE 8.1.9"
    drmsInfo = "fake"

    @staticmethod
    def initialize():
        _note("initialize", library=os.environ.get("DRMAA_LIBRARY_PATH", ""))
        _happens("initialize")

    @staticmethod
    def exit():
        _note("exit")

    @staticmethod
    def createJobTemplate():
        return JobTemplate()

    @staticmethod
    def deleteJobTemplate(template):
        _note("delete")

    @staticmethod
    def runBulkJobs(template, begin, end, step):
        _note("submit", range=[begin, end, step], **{name: getattr(template, name) for name in ATTRIBUTES})
        _happens("submit")
        return [f"4711.{index}" for index in range(begin, end + 1, step)]

    @staticmethod
    def jobStatus(job):
        try:
            return _told("states")[job]
        except KeyError:
            raise InvalidJobException("code 18: The job specified by the 'jobid' does not exist.") from None
