"""What the executor answers to the distributor's requests."""

import os
import time
from collections.abc import Callable

from jobmon.distributor.local import messages
from jobmon.distributor.local.journal import Journal
from jobmon.distributor.local.limits import Limits
from jobmon.distributor.local.work import Work


class Answering:
    """Answers from the work and its journal.

    greet  called with each new distributor's first request
    """

    def __init__(
        self, work: Work, journal: Journal, limits: Limits, greet: Callable[[messages.Hello], None]
    ) -> None:
        """Nobody has asked anything yet."""
        self._work = work
        self._journal = journal
        self._limits = limits
        self._greet = greet
        self.finished = False  # a distributor said that nothing more will come, and no other came since

    def answer(self, request: messages.Request) -> messages.Reply:
        """The reply to any request."""
        match request:
            case messages.Hello():
                return self._welcome(request)
            case messages.Submit():
                return self._submit(request)
            case messages.Look():
                known = [batch_id for batch_id in request.batch_ids if self._journal.knows(batch_id)]
                return messages.Known(batch_ids=known)
            case messages.Observe():
                return self._observe(request)
            case messages.Cancel():
                return self._cancel(request)
            case messages.Bye():
                self.finished = request.finished
                return messages.Farewell()

    def _welcome(self, hello: messages.Hello) -> messages.Welcome:
        self.finished = False
        self._greet(hello)
        return messages.Welcome(executor_id=self._journal.past.executor_id, pid=os.getpid())

    def _submit(self, submit: messages.Submit) -> messages.Known:
        batch = submit.batch
        if not self._journal.knows(batch.batch_id):
            self._journal.accepted(batch)
            self._work.add(batch)
        return messages.Known(batch_ids=[batch.batch_id])

    def _observe(self, asked: messages.Observe) -> messages.Seen:
        seen = messages.Seen(pending=[], running=[], gone=[])
        lists = {"pending": seen.pending, "running": seen.running, "gone": seen.gone}
        for batch_id, index, instance_id in zip(asked.batch_id, asked.index, asked.instance_id, strict=True):
            state = self._work.seen(batch_id, index, instance_id)
            if state in lists:
                lists[state].append(instance_id)
        return seen

    def _cancel(self, asked: messages.Cancel) -> messages.Seen:
        now = time.monotonic()
        gone, dropped = [], []
        for batch_id, index, instance_id in zip(asked.batch_id, asked.index, asked.instance_id, strict=True):
            found = self._work.withdraw(batch_id, index, instance_id)
            if found == "running":
                self._limits.stop(self._work.running[instance_id], "cancel", now)
            elif found != "ending":
                gone.append(instance_id)
            if found == "dropped":
                dropped.append((batch_id, index))
        self._journal.settled(dropped)
        return messages.Seen(gone=gone)
