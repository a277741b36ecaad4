"""The worker's command line (argparse alone would cost 15 ms of CPU)."""

from __future__ import annotations

from .bare import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULTS = {
    "batch-id": "",
    "index": "",  # the attempt's place in its batch, or else ...
    "index-env": "",  # ... the variable that holds it,
    "index-offset": "0",  # to which this is added (-1 where arrays begin at 1)
    "job-env": "",  # the variable that holds the batch system's own id of the job, after which its cgroup is named
    "url": "",  # the server's address, or else ...
    "server-file": "",  # ... the file that holds it
    "token-file": "",
    "spool-dir": "",
    "node": "",
    "working-dir": "",  # of commands that name none
    "environment": "",  # file with the variables of whoever submitted, NAME=VALUE, each ended by NUL
    "start-wait": "1800",
    "report-retry": "300",
    "interrupt-timeout": "10",
    "request-timeout": "30",
    "tail-bytes": "65536",
    "reuse": "0",  # so long after its start the worker takes further attempts of its batch
}


class BadArgument(Exception):
    """The command line cannot be understood."""


class BadEnvironment(Exception):
    """The node's environment lacks what the command line counts on."""


class Arguments:
    """What the distributor told this worker; durations are in seconds, paths are absolute."""

    def __init__(self, words: list[str], environment: Mapping[bytes, bytes]) -> None:
        """Raises BadArgument or BadEnvironment, naming the option or variable."""
        given = _given(words)
        self.batch_id = _whole(given, "batch-id")
        self.index = _index(given, environment)
        self.job = environment.get(given["job-env"].encode(), b"").decode("utf-8", "replace")
        self.url = given["url"]
        self.server_file = _path(given["server-file"])
        self.token_file = _path(_needed(given, "token-file"))
        self.spool_dir = _path(_needed(given, "spool-dir"))
        self.node = given["node"] or posix.uname().nodename
        self.working_dir = given["working-dir"]
        self.environment_file = _path(given["environment"])
        self.start_wait_seconds = _seconds(given, "start-wait")
        self.report_retry_seconds = _seconds(given, "report-retry")
        self.interrupt_timeout_seconds = _seconds(given, "interrupt-timeout")
        self.request_timeout_seconds = _seconds(given, "request-timeout")
        self.tail_bytes = _whole(given, "tail-bytes")
        self.reuse_seconds = _seconds(given, "reuse")
        if bool(self.url) == bool(self.server_file):
            raise BadArgument("give either --url or --server-file")


def _given(words: list[str]) -> dict[str, str]:
    """Options as `--name value` or `--name=value`."""
    given = dict(DEFAULTS)
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name[2:] not in DEFAULTS:
            raise BadArgument(f"unknown argument {word!r}; there are --{', --'.join(DEFAULTS)}")
        given[name[2:]] = value if equals else next(left, "")
    return given


def _index(given: dict[str, str], environment: Mapping[bytes, bytes]) -> int:
    if given["index"]:
        return _whole(given, "index")
    variable = _needed(given, "index-env")
    value = environment.get(variable.encode(), b"").decode("utf-8", "replace")
    try:
        return int(value) + _whole(given, "index-offset")
    except ValueError:
        raise BadEnvironment(f"the variable {variable} should hold the array index; it is {value!r}") from None


def _whole(given: dict[str, str], name: str) -> int:
    try:
        return int(_needed(given, name))
    except ValueError:
        raise BadArgument(f"--{name} is {given[name]!r}; it must be a whole number") from None


def _seconds(given: dict[str, str], name: str) -> float:
    try:
        return float(_needed(given, name))
    except ValueError:
        raise BadArgument(f"--{name} is {given[name]!r}; it must be a number of seconds") from None


def _needed(given: dict[str, str], name: str) -> str:
    if not given[name]:
        raise BadArgument(f"--{name} is missing")
    return given[name]


def _path(text: str) -> str:
    return f"{posix.getcwd()}/{text}" if text and not text.startswith("/") else text
