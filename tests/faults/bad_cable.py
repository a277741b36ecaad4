"""A line on which packets are late and some get lost: two devices and a thread that carries between them.

It stands for `tc netem`, which the kernels of many containers do not have.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time
from typing import Self

from clusters.packages import Forbidden

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LARGEST_BYTES = 65536


class BadCable:
    """A context manager. The packets of both directions share their fate by chance."""

    def __init__(self, first: int, second: int, seed: int, delay_seconds: float = 0.1, loss: float = 0.1) -> None:
        """The ends are descriptors made by `end`, which become this cable's own."""
        self.lost = self.carried = 0
        self._ends = {first: second, second: first}
        self._chance = random.Random(seed)
        self._delay_seconds = delay_seconds
        self._loss = loss
        self._wake, self._alarm = os.pipe()
        self._thread = threading.Thread(target=self._carry, daemon=True)

    @staticmethod
    def end(device: str) -> int:
        """A new device of this name in the network of this thread. Raises Forbidden."""
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22s", device.encode(), IFF_TUN | IFF_NO_PI, b""))
        except OSError as error:
            raise Forbidden(f"no device can be made in /dev/net/tun: {error.strerror}") from error
        return descriptor

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._alarm)
        self._thread.join()
        for descriptor in (self._wake, *self._ends):
            os.close(descriptor)

    def _carry(self) -> None:
        on_the_way: list[tuple[float, int, int, bytes]] = []
        while True:
            pause = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
            ready, _, _ = select.select([self._wake, *self._ends], [], [], pause)
            if self._wake in ready:
                return
            for source in ready:
                packet = os.read(source, LARGEST_BYTES)
                if self._chance.random() < self._loss:
                    self.lost += 1
                    continue
                self.carried += 1
                heapq.heappush(
                    on_the_way,
                    (time.monotonic() + self._delay_seconds, self.carried, self._ends[source], packet),
                )
            while on_the_way and on_the_way[0][0] <= time.monotonic():
                _, _, target, packet = heapq.heappop(on_the_way)
                os.write(target, packet)
