"""The worker as one file, and the command line that starts it on a node.

One file, because a thousand nodes that look for thirty modules each are a load on a shared disk; a copy, because
an upgrade of this installation must not change workers that have not started yet. The modules in it are compiled
for the interpreter that runs them, which is the one that runs here.
"""

import __future__

import ast
import hashlib
import importlib.util
import marshal
import os
import struct
import tempfile
from pathlib import Path

from jobmon.core.cluster import Connection
from jobmon.core.settings import Settings
from jobmon.distributor import worker

PACKAGE = "jobmon_worker"
PROGRAM = """\
{finder}
MODULES |= {modules!r}
from {package}.main import run
gc.freeze()
gc.enable()
run(sys.argv[1:])
"""


def command_line(settings: Settings, connection: Connection, login_environment: Path) -> tuple[str, ...]:
    """How to start a worker, but for the attempt it is for."""
    patience = settings.worker
    options = {
        "server-file": connection.server_file,
        "url": "" if connection.server_file else connection.service_url,
        "token-file": connection.token_file,
        "spool-dir": str(connection.spool_dir),
        "working-dir": os.getcwd(),  # noqa: PTH109
        "environment": str(login_environment),
        "start-wait": f"{patience.start_wait_seconds:g}",
        "report-retry": f"{patience.report_retry_seconds:g}",
        "interrupt-timeout": f"{patience.command_interrupt_timeout_seconds:g}",
        "request-timeout": f"{settings.http.request_timeout_seconds:g}",
        "tail-bytes": str(patience.tail_bytes),
    }
    words = [f"--{name}={value}" for name, value in options.items() if value]
    return (*start(connection.python, build(connection.state_dir)), *words)


def start(python: str, file: Path) -> tuple[str, ...]:
    """The interpreter and what it needs to run that file: nothing of the user's, nothing of an installation."""
    return (python, "-I", "-S", str(file))


def build(folder: Path) -> Path:
    """The file in this folder; made when it is not there yet. Raises OSError."""
    sources = {path.stem: path.read_bytes() for path in sorted(Path(worker.__path__[0]).glob("[!_]*.py"))}
    makers = (Path(__file__).read_bytes(), importlib.util.MAGIC_NUMBER)
    digest = hashlib.sha256(repr((makers, sources)).encode()).hexdigest()
    file = folder / f"worker-{digest[:16]}.pyc"
    if not file.exists():
        _keep(file, _program(sources))
    return file


def keep_environment(folder: Path, but: tuple[str, ...] = ()) -> Path:
    """A file with the variables of this process, for the commands it submits; private. Raises OSError.

    Those that begin with one of `but` belong to this machine, and are left out.
    """
    left_out = tuple(prefix.encode() for prefix in but)
    kept = [(name, value) for name, value in sorted(os.environb.items()) if not name.startswith(left_out)]
    entries = b"".join(name + b"=" + value + b"\0" for name, value in kept)
    file = folder / f"environment-{hashlib.sha256(entries).hexdigest()[:16]}"
    if not file.exists():
        _keep(file, entries)
    return file


def _program(sources: dict[str, bytes]) -> bytes:
    """The content of a .pyc file: Python checks that it is for its own version, and runs it."""
    finder = sources.pop("finder").decode()
    modules = {PACKAGE: _code(b"", PACKAGE)}
    modules |= {f"{PACKAGE}.{name}": _code(source, f"{PACKAGE}/{name}.py") for name, source in sources.items()}
    program = PROGRAM.format(modules=modules, finder=finder, package=PACKAGE)
    unchecked_hash = struct.pack("<LQ", 1, 0)
    return importlib.util.MAGIC_NUMBER + unchecked_hash + _code(program.encode(), "jobmon worker")


def _code(source: bytes, name: str) -> bytes:
    """As for `python -OO`, but `from __future__` at compile time only: it would be an import."""
    tree = ast.parse(source)
    tree.body = [line for line in tree.body if getattr(line, "module", "") != "__future__"]
    annotations = __future__.annotations.compiler_flag
    return marshal.dumps(compile(tree, name, "exec", annotations, dont_inherit=True, optimize=2))


def _keep(file: Path, content: bytes) -> None:
    """Write it whole or not at all, for its owner only."""
    descriptor, fresh = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as target:
        target.write(content)
    Path(fresh).rename(file)
