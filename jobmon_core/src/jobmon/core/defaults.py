"""Every setting there is, with its unit in its name and the value it has when nobody says otherwise.

The setting `key` of `section` is `JOBMON__SECTION__KEY` in the environment and `section: {key: ...}` in the
settings file (see `settings.py`). Options of clusters are known to their plugins only.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, field

Seconds = Annotated[float, Meta(gt=0, le=1e10)]
Count = Annotated[int, Meta(ge=1)]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A group of settings."""


class Http(Section, frozen=True):
    """How a client reaches the state server."""

    service_url: str = ""  # empty: the user's own embedded server
    request_timeout_seconds: Seconds = 30.0
    retry_seconds: Seconds = 300.0  # how long a server that is away is waited for
    token_file: str = ""  # empty: what `jobmon login` kept
    munge_socket: str = ""  # empty: where munged usually has it


class Server(Section, frozen=True):
    """The embedded state server."""

    data_dir: str = ""  # empty: see settings.data_dir
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0  # 0: any free one
    threads: Count = 32
    bulk_at_once: Count = 8  # large bodies that one process reads at a time; further ones are asked to come back
    requests_per_second: Seconds = 300.0  # of one caller, apart from what workers and distributors say
    log_format: Literal["text", "json"] = "text"  # json: one object a line, requests too
    metrics_token_file: str = ""  # of a token that opens /metrics and nothing else
    idle_exit_seconds: Seconds = 1800.0
    database_url: str = ""  # empty: SQLite in the data directory
    auth: Literal["embedded", "site"] = "embedded"  # one owner with a private token file, or users with tokens
    visibility: Literal["all", "group", "own"] = "group"  # whose commands, errors and outputs a user may read
    munge_socket: str = ""  # empty: where munged usually has it
    insecure: bool = False  # listen without TLS where others could listen too


class Sqlite(Section, frozen=True):
    """What only SQLite knows."""

    synchronous: Literal["OFF", "NORMAL", "FULL"] = "FULL"


class Heartbeat(Section, frozen=True):
    """Signs of life."""

    workflow_run_interval_seconds: Seconds = 20.0
    task_instance_interval_seconds: Seconds = 90.0
    report_by_buffer: Annotated[float, Meta(gt=1, le=1e6)] = 3.1  # silent for so many intervals: suspected


class Distributor(Section, frozen=True):
    """The process that hands tasks to the cluster."""

    startup_timeout_seconds: Seconds = 180.0


class Worker(Section, frozen=True):
    """What runs beside a command on the node."""

    start_wait_seconds: Seconds = 1800.0
    report_retry_seconds: Seconds = 300.0
    command_interrupt_timeout_seconds: Seconds = 10.0  # from the interrupt to the kill
    tail_bytes: Annotated[int, Meta(ge=0)] = 65536  # of stdout and stderr each, kept in the database


class Local(Section, frozen=True):
    """The clusters that are this machine."""

    parallelism: Annotated[int, Meta(ge=0)] = 0  # 0: as many as there are cores


class Run(Section, frozen=True):
    """Files of workflow runs."""

    dir: str = ""  # empty: see settings.run_dir


class Logging(Section, frozen=True):
    """What goes into the logs."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings, by section. `clusters`: the user's own options of clusters, by their names in lower case."""

    http: Http = field(default_factory=Http)
    server: Server = field(default_factory=Server)
    sqlite: Sqlite = field(default_factory=Sqlite)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    distributor: Distributor = field(default_factory=Distributor)
    worker: Worker = field(default_factory=Worker)
    local: Local = field(default_factory=Local)
    run: Run = field(default_factory=Run)
    logging: Logging = field(default_factory=Logging)
    clusters: dict[str, dict[str, str]] = {}
