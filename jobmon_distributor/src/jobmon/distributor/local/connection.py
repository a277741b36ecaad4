"""The plugin's way to its executor: connects to the living one or starts one, and asks."""

import contextlib
import os
import select
import socket
import time
from typing import TypeVar

import msgspec

from jobmon.core.cluster import Connection
from jobmon.core.exceptions import ClusterError
from jobmon.distributor.local import channel
from jobmon.distributor.local.messages import Bye, Farewell, Hello, Message, Reply, Welcome

START_SECONDS = 45.0
REPLY_SECONDS = 120.0
LOG = "executor.log"
Got = TypeVar("Got", bound=Message)
_decode = msgspec.json.Decoder(Reply).decode


class Process:
    """An executor that was started: in a session of its own, so that it outlives the distributor."""

    def __init__(self, argv: list[str], log: str) -> None:
        """`subprocess` is not used because it complains when what it started outlives it."""
        output = (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), output, (os.POSIX_SPAWN_DUP2, 1, 2)
        )  # fmt: skip
        self._pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigmask=())
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its exit code, when it has ended."""
        if self._code is None:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:  # collected by somebody else
                pid, status = self._pid, 0
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


class ExecutorConnection:
    """One executor, whichever process it is at the moment."""

    def __init__(self, settings: Connection, kind: str) -> None:
        """Begins to connect, and starts an executor where there is none; the first question waits for it."""
        self._settings = settings
        self._kind = kind
        self._socket: socket.socket | None = None
        self._process: Process | None = None
        self._welcome: Welcome | None = None
        self._log = settings.state_dir / LOG
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.tend()

    def ask(self, request: Message, expected: type[Got]) -> tuple[Got, Welcome]:
        """Ask once more when the executor died meanwhile: whatever is asked may be repeated.

        Raises ClusterError when no executor comes up.
        """
        for _ in range(3):
            try:
                welcome = self.welcome()
                return self._ask(request, expected), welcome
            except OSError as error:
                self.drop()
                reason = error
        raise ClusterError(f"the local executor keeps ending: {reason}. Its log: {self._log}")

    def leave(self, bye: Bye) -> None:
        """Say good-bye to the executor that is there; none is started to hear it."""
        with contextlib.suppress(OSError, ClusterError):
            if self._socket is not None and not self._is_gone():
                self._ask(bye, Farewell)
        self.drop()

    def welcome(self) -> Welcome:
        """Who is at the other end; waits until somebody is. Raises ClusterError when nobody comes."""
        deadline = time.monotonic() + START_SECONDS
        while not self.tend():
            if time.monotonic() > deadline:
                raise self._did_not_start()
            time.sleep(0.005)
        assert self._welcome is not None
        return self._welcome

    def tend(self) -> bool:
        """One step towards a living executor, without waiting; whether one is there.

        Raises ClusterError when the one that was started failed.
        """
        if self._is_gone():
            self.drop()
        if self._socket is not None or self._try_connect():
            return True
        code = 0 if self._process is None else self._process.poll()
        if code is None:
            return False
        self._process = None
        if code > 0:
            raise self._did_not_start()
        self._spawn()
        return False

    def _is_gone(self) -> bool:
        if self._socket is None:
            return False
        readable = select.poll()
        readable.register(self._socket, select.POLLIN)
        try:
            return bool(readable.poll(0)) and self._socket.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    @property
    def identity(self) -> str:
        """Of the executor that was spoken to last; "" when there was none yet."""
        return self._welcome.executor_id if self._welcome else ""

    def drop(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: Message, expected: type[Got]) -> Got:
        assert self._socket is not None
        self._socket.sendall(channel.frame(msgspec.json.encode(request)))
        reply = _decode(channel.receive(self._socket))
        if not isinstance(reply, expected):
            raise ClusterError(f"the local executor answered {type(request).__name__} with {reply}")
        return reply

    def _try_connect(self) -> bool:
        try:
            self._socket = channel.connect(self._settings.state_dir)
            self._socket.settimeout(REPLY_SECONDS)
            self._welcome = self._ask(self._hello(), Welcome)
        except PermissionError as error:
            raise ClusterError(
                f"the executor's socket in {self._settings.state_dir} is not ours: {error}"
            ) from error
        except OSError:
            self.drop()
            return False
        return True

    def _hello(self) -> Hello:
        return Hello(
            service_url=self._settings.service_url,
            token_file=self._settings.token_file,
            parallelism=self._settings.parallelism,
            environment=b"\0".join(name + b"=" + value for name, value in os.environb.items()),
            working_dir=os.getcwd(),  # noqa: PTH109
        )

    def _spawn(self) -> None:
        """Start an executor; should another one be faster, this one ends at once."""
        config = {
            "state_dir": str(self._settings.state_dir),
            "kind": self._kind,
            "parallelism": self._settings.parallelism,
        }
        module = ["-P", "-m", "jobmon.distributor.local.executor"]  # -P: no modules of the user's folder
        argv = [self._settings.python, *module, msgspec.json.encode(config).decode()]
        self._process = Process(argv, str(self._log))

    def _did_not_start(self) -> ClusterError:
        tail = "\n".join(self._log.read_text(errors="backslashreplace").splitlines()[-10:])
        return ClusterError(f"the local executor did not start; its log {self._log} ends with:\n{tail}")
