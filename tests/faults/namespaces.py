"""Networks of a test's own: a hub in which the test lives meanwhile, and nodes that hang on it by a cable each.

The hub is where the server, the distributor and the user's script are. Nothing of it can be reached from
elsewhere, and nothing elsewhere from it, so its addresses are the same in every test. A cable is a pair of virtual
Ethernet devices; where it must be bad, it is a program that passes packets on, late and not all of them.
"""

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from clusters.packages import Forbidden, Unavailable
from fakes.slurm import FakeSlurm, Node
from fakes.slurm.plan import Task
from fakes.slurm.records import Part
from faults.bad_cable import BadCable

SERVER = "10.9.0.1"  # an address of the hub that is on none of its cables
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """Made by `network`."""

    def __init__(self, hub: str, nodes: dict[str, str], bad: dict[str, BadCable]) -> None:
        self._hub = hub
        self._nodes = nodes
        self.bad = bad  # the cables that are bad, by their nodes

    @contextmanager
    def cut(self, *nodes: str) -> Iterator[None]:
        """These nodes reach nobody meanwhile, and nobody them; no packet says so."""
        try:
            for node in nodes:
                _ip("-n", self._hub, "link", "set", f"to-{node}", "down")
            yield
        finally:
            for node in nodes:
                _ip("-n", self._hub, "link", "set", f"to-{node}", "up")

    def inside(self, node: str) -> Any:
        """What this thread starts meanwhile runs on that node."""
        return _inside(self._nodes[node])


class CabledSlurm(FakeSlurm):
    """A fake Slurm whose jobs run in the networks of their nodes."""

    def __init__(self, folder: Path, network: Network, nodes: list[Node], **settings: Any) -> None:
        super().__init__(folder, nodes, **settings)
        self._network = network
        self._run_script: Callable[[Part, Task], Any] = self._controller.run_script
        self._controller.run_script = self._run_there

    def _run_there(self, part: Part, task: Task) -> Any:
        with self._network.inside(part.node):
            return self._run_script(part, task)


@contextmanager
def network(*nodes: str, bad: bool = False) -> Iterator[Network]:
    """Nodes of these names; this thread is in the hub meanwhile. Raises Forbidden where that is not allowed."""
    with ExitStack() as made:
        hub = made.enter_context(_space("hub"))
        _ip("-n", hub, "address", "add", f"{SERVER}/32", "dev", "lo")
        spaces = {node: made.enter_context(_space(node)) for node in nodes}
        lay = _lay_bad if bad else _lay
        cables = {node: lay(made, hub, node, spaces[node], number) for number, node in enumerate(nodes, 1)}
        made.enter_context(_inside(hub))
        yield Network(hub, spaces, {node: cable for node, cable in cables.items() if cable})


def _lay(made: ExitStack, hub: str, node: str, space: str, number: int) -> None:
    _ip("-n", hub, "link", "add", f"to-{node}", "type", "veth", "peer", "name", "cable", "netns", space)
    _connect(hub, node, space, number)


def _lay_bad(made: ExitStack, hub: str, node: str, space: str, number: int) -> BadCable:
    with _inside(hub):
        first = BadCable.end(f"to-{node}")
    with _inside(space):
        second = BadCable.end("cable")
    _connect(hub, node, space, number)
    return made.enter_context(BadCable(first, second, seed=number))


def _connect(hub: str, node: str, space: str, number: int) -> None:
    for place, device, address in ((hub, f"to-{node}", 1), (space, "cable", 2)):
        _ip("-n", place, "address", "add", f"10.9.{number}.{address}/24", "dev", device)
        _ip("-n", place, "link", "set", device, "up")
    _ip("-n", space, "route", "add", "default", "via", f"10.9.{number}.1")


@contextmanager
def _space(word: str) -> Iterator[str]:
    name = f"jobmon-{os.getpid()}-{word}"
    _ip("netns", "add", name)
    try:
        _ip("-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        _ip("netns", "delete", name)


@contextmanager
def _inside(space: str) -> Iterator[None]:
    with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{space}") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(descriptor: int) -> None:
    """For this thread, and for what it starts."""
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True)
    except FileNotFoundError:
        raise Unavailable("ip is not installed: apt-get install -y --no-install-recommends iproute2") from None
    if done.returncode:
        raise Forbidden(f"networks cannot be made here, which takes root: ip {' '.join(words)}: {done.stderr}")
