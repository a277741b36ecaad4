"""A pyslurm without a Slurm: the names of pyslurm 25.11.2 and its defects, which are marked by DEFECT.

What its cluster holds stands in `pyslurm.json` beside the file that SLURM_CONF names, for the test to write and
this module to read at each call; all keys are optional:

    version      of this pyslurm
    jobs         a list of what slurm.h has in job_info_t: job_id, array_job_id, array_task_id, array_task_str, ...
    partitions   a list of names and limits; nodes likewise
    records      a list of what accounting has: job_id, state, ...
    faults       call -> {"errno": N, "words": "..."} | {"freeze": true} | {"exit": "what it prints"}; calls are
                 init, load_jobs, load_node, load_partitions, submit_batch_job, kill_job, db_jobs
    submitted    what `submit` was given; this module writes it
"""

import json
import os
import re
import signal
import sys
from pathlib import Path

NO_VAL = 0xFFFFFFFE
UNLIMITED = "UNLIMITED"
_STRERROR = {
    1800: "Unable to contact slurm controller (connect failure)",
    2000: "Invalid partition name specified",
    2014: "Requested node configuration is not available",
    2017: "Invalid job id specified",
    2038: "Job dependency problem",
    5004: "Socket timed out on send/recv operation",
}


def _file():
    return Path(os.environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")).with_name("pyslurm.json")


def _cluster():
    return json.loads(_file().read_text()) if _file().exists() else {}


def _keep(cluster):
    fresh = _file().with_suffix(".new")
    fresh.write_text(json.dumps(cluster))
    fresh.replace(_file())


__version__ = _cluster().get("version", "25.11.2")


class PyslurmError(Exception):
    pass


class RPCError(PyslurmError):
    def __init__(self, errno=-1, msg=None):
        self.errno = errno
        self.msg = msg if msg is not None else _STRERROR.get(errno, f"Unknown error {errno}")
        super().__init__(self.msg)


def _call(name):
    """Fail as the test wants it. DEFECT: a call that hangs holds the whole process; C prints the errors."""
    fault = _cluster().get("faults", {}).get(name, {})
    while fault.get("freeze"):
        signal.pause()
    if "exit" in fault:
        print(fault["exit"], file=sys.stderr, flush=True)
        os._exit(1)
    if "errno" in fault:
        error = RPCError(fault["errno"], fault.get("words"))
        print(f"slurm_{name} error: {error.msg}", file=sys.stderr, flush=True)
        raise error


def slurm_init(config_path=None):
    """DEFECT: without its configuration it ends the process; the real one tries for a minute before that."""
    _call("init")
    conf = config_path or os.environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")
    if not Path(conf).is_file():
        print("fatal: Could not establish a configuration source", file=sys.stderr, flush=True)
        os._exit(1)


def slurm_fini():
    pass


def _u32_parse(number):
    """DEFECT: the number 0 is taken for "no value"."""
    return None if number in (0, NO_VAL) else number


def _text(value):
    return None if value in ("", "None") else value


def _int(value):
    if not isinstance(value, int):
        raise TypeError("an integer is required")
    return value


class Job:
    """A job of the controller. DEFECT: ids are whole numbers, so that `44_5` cannot be named."""

    def __init__(self, job_id):
        self._info = {"job_id": _int(job_id)}

    @classmethod
    def _of(cls, info):
        job = cls(info["job_id"])
        job._info = info
        return job

    @staticmethod
    def load(job_id):
        _call("load_jobs")
        found = [info for info in _cluster().get("jobs", []) if info["job_id"] == _int(job_id)]
        if not found:
            raise RPCError(2017)
        return Job._of(found[0])

    def cancel(self):
        """DEFECT: a job that is unknown or over is cancelled without a word."""
        _call("kill_job")
        cluster = _cluster()
        for info in cluster.get("jobs", []):
            if self.id in (info["job_id"], info.get("array_job_id")):
                info["job_state"] = "CANCELLED"
        _keep(cluster)

    @property
    def id(self):
        return self._info["job_id"]

    @property
    def name(self):
        return _text(self._info.get("name", ""))

    @property
    def user_id(self):
        return self._info.get("user_id", os.getuid())

    @property
    def state(self):
        return self._info.get("job_state", "PENDING")

    @property
    def state_reason(self):
        return _text(self._info.get("state_reason", "None"))

    @property
    def submit_time(self):
        return _u32_parse(self._info.get("submit_time", 0))

    @property
    def allocated_nodes(self):
        return _text(self._info.get("nodes", ""))

    @property
    def array_id(self):
        return _u32_parse(self._info.get("array_job_id", 0))

    @property
    def array_task_id(self):
        return _u32_parse(self._info.get("array_task_id", NO_VAL))

    @property
    def array_tasks_waiting(self):
        tasks = _text(self._info.get("array_task_str", ""))
        return tasks and tasks.split("%")[0]


class Jobs(dict):
    @staticmethod
    def load(preload_passwd_info=False, frozen=False):
        _call("load_jobs")
        return Jobs((info["job_id"], Job._of(info)) for info in _cluster().get("jobs", []))


class JobSubmitDescription:
    _NAMES = frozenset(
        """
        account array begin_time comment constraints cpus_per_task dependencies environment excluded_nodes extra
        get_user_environment gres_per_node group_id is_requeueable kill_on_invalid_dependency licenses
        log_files_open_mode memory_per_cpu memory_per_node name nice nodes ntasks partitions priority qos
        reservations script script_args signal standard_error standard_in standard_output time_limit user_id wckey
        working_directory
        """.split()  # noqa: SIM905 - a list of forty strings reads worse
    )

    def __init__(self, **kwargs):
        for name in self._NAMES:
            setattr(self, name, None)
        for name, value in kwargs.items():
            setattr(self, name, value)

    def __setattr__(self, name, value):
        if name not in self._NAMES:
            raise AttributeError(f"'JobSubmitDescription' object has no attribute {name!r}")
        super().__setattr__(name, value)

    def submit(self):
        """DEFECT: when the answer is late the job is there all the same."""
        described = self._described()
        cluster = _cluster()
        known = [one["name"] for one in cluster.get("partitions", [])]
        if self.partitions and self.partitions not in known:
            raise RPCError(2000)
        fault = cluster.get("faults", {}).get("submit_batch_job", {})
        if fault.get("errno") in (None, 5004):
            job_id = self._taken(cluster, described)
        _call("submit_batch_job")
        return job_id

    def _taken(self, cluster, described):
        jobs = cluster.setdefault("jobs", [])
        job_id = 1 + max((info["job_id"] for info in jobs), default=0)
        array = (
            {"array_job_id": job_id, "array_task_id": NO_VAL, "array_task_str": self.array} if self.array else {}
        )
        jobs.append(
            {"job_id": job_id, "name": self.name, "job_state": "PENDING", "submit_time": 1_700_000_000, **array}
        )
        cluster.setdefault("submitted", []).append(described)
        _keep(cluster)
        return job_id

    def _described(self):
        given = {name: getattr(self, name) for name in sorted(self._NAMES) if getattr(self, name) is not None}
        return given | {
            "script": self._checked_script(),
            "time_limit": self._minutes(),
            "signal": self._checked_signal(),
            "environment": self._full_environment(),
        }

    def _checked_script(self):
        if Path(self.script).is_file():
            return Path(self.script).read_text()
        if self.script_args:
            raise ValueError("Passing arguments to a script is only allowed if it was loaded from a file.")
        if not self.script.startswith("#!"):
            raise ValueError("Not a valid Batch script. First line must start with '#!'")
        return self.script

    def _minutes(self):
        """DEFECT: "5" is no number of minutes, while "0:05:00" is."""
        if isinstance(self.time_limit, str) and re.fullmatch(r"(\d+-)?\d+(:\d+){1,2}", self.time_limit):
            return self.time_limit
        return None if self.time_limit is None else _int(self.time_limit)

    def _checked_signal(self):
        """DEFECT: neither the form of sbatch nor a mapping works."""
        if self.signal:
            raise (
                ValueError(f"Invalid Signal: {self.signal}")
                if isinstance(self.signal, str)
                else TypeError("signal")
            )

    def _full_environment(self):
        """DEFECT: an empty environment means all of this process; any other gets its SLURM_ variables as well."""
        if not self.environment or self.environment == "ALL":
            return dict(os.environ)
        ours = {name: value for name, value in os.environ.items() if name.startswith("SLURM_")}
        return ours | ({} if self.environment == "NONE" else {k: str(v) for k, v in self.environment.items()})


class _Row:
    """A row of a table, with None for what is not there."""

    def __init__(self, row, **defaults):
        self.__dict__.update(defaults | row)


class Nodes(dict):
    @staticmethod
    def load(preload_passwd_info=False):
        _call("load_node")
        defaults = {"hostname": None, "real_memory": None, "total_cpus": 0, "partitions": []}
        return Nodes((row["name"], _Row(row, **defaults)) for row in _cluster().get("nodes", []))


class Partitions(dict):
    @staticmethod
    def load():
        _call("load_partitions")
        limits = {"max_time": UNLIMITED, "max_memory_per_node": UNLIMITED, "max_cpus_per_node": UNLIMITED}
        defaults = limits | {"state": "UP", "is_default": False}
        return Partitions((row["name"], _Row(row, **defaults)) for row in _cluster().get("partitions", []))


class db:
    """A module of the real one."""

    class JobFilter:
        """DEFECT: it filters no states, and ids are whole numbers."""

        def __init__(self, ids=(), names=(), **_):
            self.ids, self.names = [_int(one) for one in ids], list(names)

    class Jobs(dict):
        @staticmethod
        def load(db_filter):
            """DEFECT: of several records of one job the last one is left."""
            _call("db_jobs")
            rows = [row for row in _cluster().get("records", []) if row["job_id"] in db_filter.ids]
            return db.Jobs((row["job_id"], _Row(row, state="PENDING", array_task_id=None)) for row in rows)


if not os.environ.get("PYSLURM_DISABLE_AUTO_INIT"):
    slurm_init()
