"""What a worker says to the server: the claim, the sign of life, the outcome (see jobmon.core.wire.work)."""

from __future__ import annotations

from .answer import Unanswered
from .bare import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .link import Link, Stop

PATH = "/api/v1/work"
DEFAULT_WAIT_SECONDS = 5.0
HEARTBEAT_SECONDS = 90.0


class Runner:
    """This process as the server knows it."""

    def __init__(self, node: str) -> None:
        """A new random id: a second copy of the same job is another runner."""
        self.id = _uuid4()
        self.node = node
        self._sequence = iter(range(1, 1 << 62))  # one step of it cannot be torn by another thread

    def request(self, **parts: object) -> dict[str, Any]:
        """The body of a `WorkRequest`."""
        return {"runner": self.id, "node": self.node, "sequence": next(self._sequence), **parts}


def _uuid4() -> str:
    """A random uuid (importing `uuid` costs 10 ms of CPU)."""
    bits = bytearray(posix.urandom(16))
    bits[6] = bits[6] & 0x0F | 0x40
    bits[8] = bits[8] & 0x3F | 0x80
    text = bits.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Grant:
    """The attempt that this worker shall start now."""

    def __init__(self, columns: dict[str, Any], place: int, heartbeat_seconds: float) -> None:
        """Row `place` of the columns of a wire Grant."""
        self.heartbeat_seconds = heartbeat_seconds
        self.workflow_id = int(columns["workflow_id"])
        self.workflow_run_id = int(columns["workflow_run_id"])
        self.index = int(columns["index"][place])
        self.instance_id = int(columns["instance_id"][place])
        self.task_id = int(columns["task_id"][place])
        self.name = str(columns["name"][place])
        self.command = str(columns["command"][place])
        self.token = str(columns["token"][place])
        self.stdout_dir = str(columns["stdout_dir"])
        self.stderr_dir = str(columns["stderr_dir"])
        self.runtime_seconds: float | None = columns["resources"].get("runtime_seconds")
        self.options: dict[str, Any] = columns["resources"].get("options") or {}


class Denial:
    """The attempt must not be started: `gone` for good, or else ask again later."""

    def __init__(self, gone: bool, retry_after_seconds: float) -> None:
        """See wire.Denial."""
        self.gone = gone
        self.retry_after_seconds = retry_after_seconds


def claim(link: Link, runner: Runner, batch_id: int, index: int, budget_seconds: float) -> Grant | Denial:
    """Ask for the go. Raises Unanswered when the server stays away, Refused when it says no."""
    wanted = {"batch_id": batch_id, "start": index, "count": 1}
    answer = link.call(PATH, runner.request(claims=[wanted]), budget_seconds)
    try:
        return _decision(answer, batch_id, index)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Unanswered(f"cannot read the server's grant ({error!r}); is it of another version?") from error


def _decision(answer: dict[str, Any], batch_id: int, index: int) -> Grant | Denial:
    for columns in answer.get("grants", ()):
        if columns["batch_id"] == batch_id and index in columns["index"]:
            return Grant(columns, columns["index"].index(index), _pause_seconds(answer))
    for denial in answer.get("denials", ()):
        if (denial["batch_id"], denial["index"]) == (batch_id, index):
            wait_seconds = float(denial.get("retry_after_seconds") or DEFAULT_WAIT_SECONDS)
            return Denial(denial["verdict"] == "gone", wait_seconds)
    return Denial(False, DEFAULT_WAIT_SECONDS)


def beat(link: Link, runner: Runner, instance_id: int, stop: Stop) -> tuple[bool, float]:
    """Say that the attempt is alive, however long that takes; (must it stop, seconds to the next one)."""
    answer = link.call(PATH, runner.request(alive=[instance_id]), None, stop)
    return instance_id in (answer.get("stop") or ()), _pause_seconds(answer)


def _pause_seconds(answer: dict[str, Any]) -> float:
    return float(answer.get("heartbeat_seconds") or HEARTBEAT_SECONDS)


def further(batch_id: int, index: int) -> dict[str, Any]:
    """The claim of any attempt that nobody has started, in the place of this one, which is over."""
    return {"batch_id": batch_id, "start": index, "further": True}


def report(link: Link, request: dict[str, Any], budget_seconds: float, stop: Stop) -> Grant | None:
    """Hand over a request with an outcome; the next attempt, if the request asks for one and there is one."""
    answer = link.call(PATH, request, budget_seconds, stop)
    try:
        return next((Grant(columns, 0, _pause_seconds(answer)) for columns in answer.get("grants", ())), None)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return None  # the outcome is told; what cannot be read is not started, and missed by the server in time
