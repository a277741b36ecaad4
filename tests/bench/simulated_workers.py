"""Thousands of workers in one process: each says what a real one says, over a connection of its own.

What a request costs the server is real: HTTP, the token, the transaction. What a worker costs its node is not.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from jobmon.core import wire
from jobmon.core.ids import BatchId
from jobmon.core.routes import API_VERSION, WORK
from jobmon.distributor.worker.link import pause_seconds

HEAD = (
    "POST {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nX-API: {version}\r\n"
    "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
)
PATIENCE_SECONDS = 30.0  # as a real worker's, with one answer


class Said(NamedTuple):
    """One request that was answered: what it was, when it was first sent, how long the answered try took."""

    kind: str  # claim, heartbeat, report
    began: float
    seconds: float
    tries: int


class Place(NamedTuple):
    """Where an attempt waits for its worker."""

    batch_id: BatchId
    index: int


class Workers:
    """All of them. `said` grows with every answer; `refused` counts answers other than 200 by their status."""

    def __init__(self, url: str, token: str, heartbeat_seconds: float) -> None:
        """None has started."""
        where = urlsplit(url)
        self._host, self._port = str(where.hostname), int(where.port or 80)
        self._token = token
        self._heartbeat_seconds = heartbeat_seconds
        self.said: list[Said] = []
        self.refused: dict[int, int] = {}
        self.running = 0
        self.done = 0

    async def live(self, place: Place, seconds: Callable[[], float]) -> None:
        """One worker: claims its attempt, gives signs of life, reports its end after `seconds()`."""
        worker = _Worker(self, f"{self._host}:{self._port}")
        try:
            claim = wire.Claim(batch_id=place.batch_id, start=place.index)
            answer = await worker.say("claim", claims=[claim])
            [instance_id], [token] = answer.grants[0].instance_id, answer.grants[0].token
            self.running += 1
            end = time.monotonic() + seconds()
            next_beat = time.monotonic() + self._heartbeat_seconds * random.random()
            while next_beat < end:
                await asyncio.sleep(next_beat - time.monotonic())
                await worker.say("heartbeat", alive=[instance_id])
                next_beat = time.monotonic() + self._heartbeat_seconds
            await asyncio.sleep(max(0.0, end - time.monotonic()))
            outcome = wire.Outcome(
                instance_id=instance_id, token=token, status="D", exit_code=0, wall_seconds=1800
            )
            await worker.say("report", outcomes=[outcome])
            self.running -= 1
            self.done += 1
        finally:
            worker.close()


class _Worker:
    def __init__(self, all_of_them: Workers, host: str) -> None:
        self._all = all_of_them
        self._host = host
        self._runner = uuid.uuid4().hex
        self._sequence = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def say(self, kind: str, **what: object) -> wire.WorkAnswer:
        """Until it is answered, with a real worker's pauses."""
        self._sequence += 1
        request = wire.WorkRequest(runner=self._runner, node="simulated", sequence=self._sequence, **what)  # type: ignore[arg-type]
        body = msgspec.json.encode(request)
        began, tries = time.monotonic(), 0
        while True:
            sent = time.monotonic()
            try:
                status, wished, text = await asyncio.wait_for(self._ask(body), PATIENCE_SECONDS)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.close()
                status, wished = 0, 0.0
            if status == 200:
                self._all.said.append(Said(kind, began, time.monotonic() - sent, tries))
                return msgspec.json.decode(text, type=wire.WorkAnswer)
            self._all.refused[status] = self._all.refused.get(status, 0) + 1
            assert status in (0, 429, 502, 503, 504), f"{kind}: {status} {text!r}"
            await asyncio.sleep(pause_seconds(tries, wished))
            tries += 1

    async def _ask(self, body: bytes) -> tuple[int, float, bytes]:
        if self._streams is not None and self._streams[0].at_eof():  # the server let go of it meanwhile
            self.close()
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._all._host, self._all._port)
        reader, writer = self._streams
        head = HEAD.format(
            path=WORK.url(), host=self._host, token=self._all._token, version=API_VERSION, length=len(body)
        )
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        text = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection", "").lower() == "close":
            self.close()
        return int(lines[0].split()[1]), float(fields.get("retry-after", "0")), text

    def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
