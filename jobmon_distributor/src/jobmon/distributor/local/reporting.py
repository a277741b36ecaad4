"""The thread that talks with the server: one request at a time, each repeated until it is answered.

It touches no files but the two that say where the server is, so that a file system which hangs does not stop
the heartbeats of running commands.
"""

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from jobmon.core.ids import TaskInstanceId
from jobmon.core.routes import WORK
from jobmon.core.wire import Claim, Denial, Outcome, WorkAnswer, WorkRequest
from jobmon.distributor.worker.link import Link, Refused, Unanswered

FIRST_HEARTBEAT_SECONDS = 30.0
REFUSED_PAUSE_SECONDS = 5.0
_HOPELESS = (400, 403, 404, 409, 410, 413)  # the same request would be refused for ever
_decode = msgspec.json.Decoder(WorkAnswer).decode
_encode = msgspec.json.Encoder().encode


class Reporter:
    """Sends requests in a thread of its own. Answers wait in `answers` until the main thread takes them.

    heartbeat  makes the next sign of life; None when there is nothing to be alive
    wake       called after each answer
    log        called with what a person should know
    """

    def __init__(
        self,
        link: Link,
        heartbeat: Callable[[], WorkRequest | None],
        wake: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        """Not started yet."""
        self.answers: deque[tuple[WorkRequest | None, WorkAnswer]] = deque()
        self.link = link
        self._heartbeat = heartbeat
        self._heartbeat_seconds = FIRST_HEARTBEAT_SECONDS
        self._wake = wake
        self._log = log
        self._waiting: deque[WorkRequest] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._open = 0

    @property
    def busy(self) -> bool:
        """Whether there is a request whose answer was not taken yet."""
        return self._open > 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def send(self, request: WorkRequest) -> None:
        """Send this when those before it are answered. Called by the main thread only."""
        self._open += 1
        with self._changed:
            self._waiting.append(request)
            self._changed.notify()

    def take(self) -> tuple[WorkRequest | None, WorkAnswer] | None:
        """The next answer with its request (None for a heartbeat). Called by the main thread only."""
        if not self.answers:
            return None
        request, answer = self.answers.popleft()
        if request is not None:
            self._open -= 1
        return request, answer

    def close(self) -> None:
        """Give up what is not answered."""
        self._stop.set()
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        last_beat = time.monotonic()
        while not self._stop.is_set():
            with self._changed:
                due = last_beat + self._heartbeat_seconds
                self._changed.wait_for(self._awake, max(0.0, due - time.monotonic()))
                request = self._waiting.popleft() if self._waiting else None
            if request is not None:
                self._answer(request, self._persist(request))
            if time.monotonic() >= last_beat + self._heartbeat_seconds:
                last_beat = time.monotonic()
                self._beat()

    def _awake(self) -> bool:
        return bool(self._waiting) or self._stop.is_set()

    def _persist(self, request: WorkRequest) -> WorkAnswer | None:
        """The answer, however long it takes; None when there will be none."""
        while True:
            try:
                return _decode(self.link.persist(WORK.url(), _encode(request), None, self._stop))
            except Unanswered:
                return None
            except Refused as refused:
                self.link.close()  # the token is read again for the next connection
                self._log(f"the server refused a request: {refused}")
                if refused.status in _HOPELESS:
                    return self._in_pieces(request)
            except msgspec.MsgspecError as error:
                self._log(f"the server's answer cannot be read ({error}); is it of another version?")
            if self._stop.wait(REFUSED_PAUSE_SECONDS):
                return None

    def _in_pieces(self, request: WorkRequest) -> WorkAnswer | None:
        """Send what was refused in halves, so that only what cannot be taken is lost."""
        pieces = halves(request)
        if not pieces:
            attempts = [outcome.instance_id for outcome in request.outcomes]
            self._log(f"given up: the outcomes of {attempts}, the claims {request.claims}")
            return refusal(request, self._heartbeat_seconds)
        answers = [answer for piece in pieces if (answer := self._persist(piece)) is not None]
        return merged(answers) if len(answers) == len(pieces) else None

    def _beat(self) -> None:
        """One sign of life; if it gets no answer the next one will do."""
        request = self._heartbeat()
        if request is None:
            return
        try:
            answer = _decode(self.link.post(WORK.url(), _encode(request)))
        except (Unanswered, Refused, msgspec.MsgspecError) as error:
            self._log(f"heartbeat without an answer: {error}")
            return
        self._answer(None, answer)

    def _answer(self, request: WorkRequest | None, answer: WorkAnswer | None) -> None:
        if answer is not None:
            self._heartbeat_seconds = answer.heartbeat_seconds
            self.answers.append((request, answer))
            self._wake()


def halves(request: WorkRequest) -> list[WorkRequest]:
    """Two requests that say together what this one says; none if it says one thing only."""
    outcomes, claims = request.outcomes, request.claims
    if outcomes and claims:
        parts: list[tuple[list[Outcome], list[Claim]]] = [(outcomes, []), ([], claims)]
    elif len(claims) == 1 and claims[0].count > 1:
        whole, first = claims[0], claims[0].count // 2
        parts = [
            ([], [Claim(batch_id=whole.batch_id, start=whole.start, count=first)]),
            ([], [Claim(batch_id=whole.batch_id, start=whole.start + first, count=whole.count - first)]),
        ]
    elif len(outcomes) + len(claims) > 1:
        parts = [
            (outcomes[: len(outcomes) // 2], claims[: len(claims) // 2]),
            (outcomes[len(outcomes) // 2 :], claims[len(claims) // 2 :]),
        ]
    else:
        return []
    return [msgspec.structs.replace(request, outcomes=some, claims=others) for some, others in parts]


def refusal(request: WorkRequest, heartbeat_seconds: float) -> WorkAnswer:
    """What stands for the answer to a request that the server will never take: its attempts are gone."""
    denials = [
        Denial(batch_id=claim.batch_id, index=index, instance_id=TaskInstanceId(0), verdict="gone")
        for claim in request.claims
        for index in range(claim.start, claim.start + claim.count)
    ]
    return WorkAnswer(denials=denials, heartbeat_seconds=heartbeat_seconds)


def merged(answers: list[WorkAnswer]) -> WorkAnswer:
    """Several answers as one."""
    return WorkAnswer(
        grants=[grant for answer in answers for grant in answer.grants],
        denials=[denial for answer in answers for denial in answer.denials],
        stop=[instance_id for answer in answers for instance_id in answer.stop],
        late=sum(answer.late for answer in answers),
        heartbeat_seconds=answers[-1].heartbeat_seconds,
    )
