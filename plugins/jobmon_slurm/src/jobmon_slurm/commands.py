"""The commands of Slurm as a back end: argument lists and texts with separators of our own, never a shell."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from jobmon.core.scheduler.processes import Start, run_process
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon_slurm import text
from jobmon_slurm.back_end import Partition
from jobmon_slurm.refusals import in_short, meaning

PASSED_ON = ("HOME", "LOGNAME", "PATH", "SHELL", "SLURM_CONF", "TZ", "USER")
CANCELLED_AT_ONCE = 200  # expressions in one scancel


class Commands:
    """Runs `sbatch`, `squeue`, `sacct`, `scancel`, `scontrol`, `sinfo`, `sacctmgr`.

    answer_seconds  how long one command may take: a full queue makes `sbatch` sleep for ever
    start           runs one command, as `run_process` does
    """

    def __init__(
        self, conf: str = "", bin_dir: str = "", answer_seconds: float = 30, start: Start = run_process
    ) -> None:
        """Nothing is run."""
        self._start = start
        self.answer_seconds = answer_seconds
        self._bin_dir = bin_dir
        self._environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._environment |= {"LC_ALL": "C.UTF-8", "SLURM_BITSTR_LEN": "0"}
        if conf:
            self._environment["SLURM_CONF"] = conf

    def version(self) -> str:
        """Of the commands, which is that of the cluster."""
        return text.version(self._run("sbatch", "--version"))

    def config(self) -> Mapping[str, str]:
        """`scontrol show config`."""
        return text.config(self._run("scontrol", "show", "config"))

    def partitions(self) -> list[Partition]:
        """`scontrol show partition`, and `sinfo` for what their nodes have."""
        nodes = self._run("sinfo", "--noheader", "--exact", "--format=%R|%m|%c")
        return text.partitions(self._run("scontrol", "show", "partition", "--oneliner"), nodes)

    def node_addresses(self) -> list[str]:
        """`scontrol show node`."""
        return text.node_addresses(self._run("scontrol", "show", "node", "--oneliner"))

    def submit(self, submission: Submission) -> str:
        """`sbatch`. Only the last line of its output counts: sites have wrappers and greetings."""
        output = self._run("sbatch", *_options(submission), submission.script, *submission.arguments)
        job_id = text.job_id(output)
        if not job_id:
            raise NoAnswer(f"sbatch gave no job id but {output.strip()[-500:]!r}")
        return job_id

    def queue(self, user: str) -> list[Queued]:
        """`squeue` for one user, which the controller filters by itself."""
        return text.queue(
            self._run("squeue", "--noheader", f"--user={user}", "--states=all", f"--format={text.QUEUE_FORMAT}")
        )

    def history(self, user: str, jobs: Sequence[str], names: Sequence[str], hours: int) -> list[Record]:
        """`sacct`."""
        wanted = f"--jobs={','.join(jobs)}" if jobs else f"--name={','.join(names)}"
        since = f"--starttime=now-{hours}hours"
        shown = ("--noheader", "--parsable2", f"--delimiter={text.SEPARATOR}", f"--format={text.HISTORY_FORMAT}")
        return text.history(
            self._run("sacct", *shown, "--duplicates", f"--user={user}", since, "--endtime=now", wanted)
        )

    def submit_limit(self, user: str) -> int | None:
        """`sacctmgr show assoc`: the least of the user's limits on submitted jobs."""
        limits = "format=MaxSubmitJobs,GrpSubmitJobs"
        output = self._run("sacctmgr", "--noheader", "--parsable2", "show", "assoc", f"user={user}", limits)
        return text.least(output)

    def cancel(self, expressions: Sequence[str]) -> None:
        """`scancel`."""
        for begin in range(0, len(expressions), CANCELLED_AT_ONCE):
            self._run("scancel", *expressions[begin : begin + CANCELLED_AT_ONCE])

    def close(self) -> None:
        """Nothing is open."""

    def _run(self, command: str, *words: str) -> str:
        """What the command writes. Raises Unreachable, NoAnswer, or Refused with its own words."""
        argv = [str(Path(self._bin_dir, command)) if self._bin_dir else command, *words]
        try:
            code, output, errors = self._start(argv, self._environment, self.answer_seconds)
        except OSError as error:
            raise Unreachable(f"cannot run {argv[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired as late:
            said = in_short((late.stderr or b"").decode(errors="replace"))
            raise NoAnswer(f"{command} did not answer within {self.answer_seconds:.0f} s: {said}") from None
        if code == 0:
            return output
        match meaning(errors):
            case Meaning.UNREACHABLE:
                raise Unreachable(f"{command}: {in_short(errors)}")
            case Meaning.UNCLEAR:
                raise NoAnswer(f"{command}: {in_short(errors)}")
        raise Refused(f"{command}: {in_short(errors or output)}")


def _options(submission: Submission) -> Iterable[str]:
    yield "--parsable"
    yield f"--job-name={submission.name}"
    yield f"--array=0-{submission.size - 1}"
    yield "--chdir=/"
    yield f"--output={submission.log_pattern}"
    yield f"--error={submission.log_pattern}"
    yield "--requeue" if submission.requeue else "--no-requeue"
    if submission.singleton:
        yield "--dependency=singleton"
    for name, value in submission.options.items():
        yield f"--{name}={value}" if value else f"--{name}"


def find(bin_dir: str) -> str:
    """The path of `sbatch`, "" when there is none."""
    import shutil

    return shutil.which("sbatch", path=bin_dir or None) or ""
