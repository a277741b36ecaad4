"""A drmaa without a Grid Engine: the names of PyPI's drmaa 0.7.9 that matter; a fake cluster answers.

A fake cluster copies this package and writes the path of its socket into the file `address` beside it. Every verb
is a call on that socket, as the fake's executables make them: so it is logged there, and may meet a fault.
"""

import json
import os
import signal as signals
import socket
import sys
import time
from collections import namedtuple
from pathlib import Path

__version__ = "0.7.9"
JobInfo = namedtuple(
    "JobInfo", "jobId hasExited hasSignal terminatedSignal hasCoreDump wasAborted exitStatus resourceUsage"
)
Version = namedtuple("Version", "major minor")


class DrmaaException(Exception):
    pass


def _error(name):
    return type(name, (DrmaaException,), {"__module__": __name__})


AlreadyActiveSessionException = _error("AlreadyActiveSessionException")
AuthorizationException = _error("AuthorizationException")
ConflictingAttributeValuesException = _error("ConflictingAttributeValuesException")
DefaultContactStringException = _error("DefaultContactStringException")
DeniedByDrmException = _error("DeniedByDrmException")
DrmCommunicationException = _error("DrmCommunicationException")
DrmsExitException = _error("DrmsExitException")
DrmsInitException = _error("DrmsInitException")
ExitTimeoutException = _error("ExitTimeoutException")
HoldInconsistentStateException = _error("HoldInconsistentStateException")
IllegalStateException = _error("IllegalStateException")
InternalException = _error("InternalException")
InvalidArgumentException = _error("InvalidArgumentException")
InvalidAttributeFormatException = _error("InvalidAttributeFormatException")
InvalidAttributeValueException = _error("InvalidAttributeValueException")
InvalidContactStringException = _error("InvalidContactStringException")
InvalidJobException = _error("InvalidJobException")
InvalidJobTemplateException = _error("InvalidJobTemplateException")
NoActiveSessionException = _error("NoActiveSessionException")
NoDefaultContactStringSelectedException = _error("NoDefaultContactStringSelectedException")
OutOfMemoryException = _error("OutOfMemoryException")
ReleaseInconsistentStateException = _error("ReleaseInconsistentStateException")
ResumeInconsistentStateException = _error("ResumeInconsistentStateException")
SuspendInconsistentStateException = _error("SuspendInconsistentStateException")
TryLaterException = _error("TryLaterException")
UnsupportedAttributeException = _error("UnsupportedAttributeException")

_BY_CODE = [
    InternalException,
    DrmCommunicationException,
    AuthorizationException,
    InvalidArgumentException,
    NoActiveSessionException,
    OutOfMemoryException,
    InvalidContactStringException,
    DefaultContactStringException,
    NoDefaultContactStringSelectedException,
    DrmsInitException,
    AlreadyActiveSessionException,
    DrmsExitException,
    InvalidAttributeFormatException,
    InvalidAttributeValueException,
    ConflictingAttributeValuesException,
    TryLaterException,
    DeniedByDrmException,
    InvalidJobException,
    ResumeInconsistentStateException,
    SuspendInconsistentStateException,
    HoldInconsistentStateException,
    ReleaseInconsistentStateException,
    ExitTimeoutException,
    Exception,
    StopIteration,
]


def _failed(code, text):
    return _BY_CODE[code - 1](f"code {code}: {text}")


class JobState:
    UNDETERMINED = "undetermined"
    QUEUED_ACTIVE = "queued_active"
    SYSTEM_ON_HOLD = "system_on_hold"
    USER_ON_HOLD = "user_on_hold"
    USER_SYSTEM_ON_HOLD = "user_system_on_hold"
    RUNNING = "running"
    SYSTEM_SUSPENDED = "system_suspended"
    USER_SUSPENDED = "user_suspended"
    USER_SYSTEM_SUSPENDED = "user_system_suspended"
    DONE = "done"
    FAILED = "failed"


class JobControlAction:
    SUSPEND = "suspend"
    RESUME = "resume"
    HOLD = "hold"
    RELEASE = "release"
    TERMINATE = "terminate"


class JobSubmissionState:
    HOLD_STATE = "drmaa_hold"
    ACTIVE_STATE = "drmaa_active"


class _Active:
    contact = ""


def _ask(verb, **asked):
    """What the cluster says; raises the exception of its code."""
    if verb != "initialize" and not _Active.contact:
        raise _failed(5, "No active session")
    asked["session"] = _Active.contact
    words = [verb, json.dumps(asked)]
    variables = [f"{name}={value}" for name, value in os.environ.items()]
    body = "\0".join([os.getcwd(), *words, *variables]).encode("utf-8", "surrogateescape")
    out, err = b"", b""
    with socket.socket(socket.AF_UNIX) as peer:
        try:
            peer.connect(Path(__file__).with_name("address").read_text())
        except OSError:
            raise _failed(2, "the fake Grid Engine is gone") from None
        peer.sendall(b"%d %d\n" % (len(words), len(body)) + body)
        with peer.makefile("rb") as stream:
            while (head := stream.readline().split()) and head[0] != b"x":
                content = stream.read(int(head[1]))
                out, err = (out + content, err) if head[0] == b"o" else (out, err + content)
    if not head:
        raise _failed(2, "the fake Grid Engine is gone")
    if int(head[1]):
        raise _failed(int(head[1]), err.decode())
    return json.loads(out or b"null")


class JobTemplate:
    HOME_DIRECTORY = "$drmaa_hd_ph$"
    WORKING_DIRECTORY = "$drmaa_wd_ph$"
    PARAMETRIC_INDEX = "$drmaa_incr_ph$"
    _not_in_grid_engine = (
        "deadlineTime",
        "hardWallclockTimeLimit",
        "softWallclockTimeLimit",
        "hardRunDurationLimit",
        "softRunDurationLimit",
    )

    def __init__(self, **attributes):
        if not _Active.contact:
            raise _failed(5, "No active session")
        for name, value in attributes.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        if name in self._not_in_grid_engine:
            raise _failed(4, "")
        super().__setattr__(name, value)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.delete()
        return False

    def delete(self):
        pass


class Session:
    TIMEOUT_WAIT_FOREVER = -1
    TIMEOUT_NO_WAIT = 0
    JOB_IDS_SESSION_ANY = b"DRMAA_JOB_IDS_SESSION_ANY"
    JOB_IDS_SESSION_ALL = b"DRMAA_JOB_IDS_SESSION_ALL"
    drmsInfo = "SGE 8.1.9"
    drmaaImplementation = "SGE 8.1.9"
    version = Version(1, 0)

    def __init__(self, contactString=None):
        self.contactString = contactString

    def __enter__(self):
        self.initialize(self.contactString)
        return self

    def __exit__(self, *_):
        self.exit()
        return False

    @property
    def contact(self):
        return _Active.contact

    @staticmethod
    def initialize(contactString=None):
        if _Active.contact:
            raise _failed(11, "Initialization failed due to existing DRMAA session.")
        _Active.contact = contactString or _ask("initialize", pid=os.getpid())

    @staticmethod
    def exit():
        if not _Active.contact:
            raise _failed(5, "")
        try:
            _ask("exit")
        finally:
            _Active.contact = ""

    @staticmethod
    def createJobTemplate():
        return JobTemplate()

    @staticmethod
    def deleteJobTemplate(jobTemplate):
        jobTemplate.delete()

    @staticmethod
    def runJob(jobTemplate):
        return _ask("runJob", template=vars(jobTemplate))

    @staticmethod
    def runBulkJobs(jobTemplate, beginIndex, endIndex, step):
        return _ask("runBulkJobs", template=vars(jobTemplate), first=beginIndex, last=endIndex, step=step)

    @staticmethod
    def control(jobId, operation):
        _ask("control", job=jobId, operation=operation)

    @staticmethod
    def jobStatus(jobId):
        return _ask("jobStatus", job=jobId)

    @staticmethod
    def wait(jobId, timeout=-1):
        deadline = time.monotonic() + timeout if timeout >= 0 else float("inf")
        while True:
            try:
                aborted, status, signal, usage = _ask("wait", job=jobId)
            except ExitTimeoutException:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
                continue
            name = signals.Signals(signal).name if signal else ""
            return JobInfo(jobId, not aborted and not signal, bool(signal), name, False, aborted, status, usage)

    @classmethod
    def synchronize(cls, jobIds, timeout=-1, dispose=False):
        for job in jobIds:
            cls.wait(job, timeout)


if not Path(__file__).with_name("address").exists():
    print("this drmaa has no fake cluster behind it", file=sys.stderr)
