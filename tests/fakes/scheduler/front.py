"""The executables, with the socket behind them.

A launcher imports next to nothing. It sends `<arguments> <length>\\n`, then folder, arguments and environment, NUL
between them; it gets `o <length>\\n` or `e <length>\\n` with what to print, `i 0\\n` where stdin is wanted (its
answer: length, newline, content), `x <rc>\\n` at the end.
"""

import contextlib
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from fakes.scheduler.call import Answer, Call

LAUNCHER = """#!{python} -IS
import posix, sys
from _socket import socket

def send(content):
    while content:
        content = content[peer.send(content):]

def write(where, content):
    while content:
        content = content[posix.write(where, content):]

peer = socket(1, 1)
try:
    peer.connect({path!r})
except OSError:
    write(2, b"the fake {name} is gone\\n")
    posix._exit(1)
arguments = [word.encode("utf-8", "surrogateescape") for word in sys.argv]
environment = [name + b"=" + value for name, value in posix.environ.items()]
body = b"\\0".join([posix.getcwdb(), *arguments, *environment])
send(b"%d %d\\n" % (len(arguments), len(body)) + body)
answer = b""
while True:
    while b"\\n" not in answer:
        more = peer.recv(65536)
        if not more:
            posix._exit(1)
        answer += more
    head, _, answer = answer.partition(b"\\n")
    kind, number = head[:1], int(head[2:])
    if kind == b"x":
        posix._exit(number)
    if kind == b"i":
        content = b""
        while more := posix.read(0, 65536):
            content += more
        send(b"%d\\n" % len(content) + content)
        continue
    while len(answer) < number:
        answer += peer.recv(65536)
    write(1 if kind == b"o" else 2, answer[:number])
    answer = answer[number:]
"""


class Front:
    """Puts the executables into a folder; answers until it is closed."""

    def __init__(self, name: str, folder: Path, commands: Iterable[str], answer: Callable[[Call], Answer]) -> None:
        self._answer = answer
        self._home = Path(tempfile.mkdtemp(prefix="fake-"))  # a short path: that of a socket has 107 bytes at most
        self.address = str(self._home / "s")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.address)
        self._listener.listen(128)
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False
        folder.mkdir(parents=True, exist_ok=True)
        text = LAUNCHER.format(python=sys.executable, path=self.address, name=name)
        for command in commands:
            (folder / command).write_text(text)
            (folder / command).chmod(0o755)
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """Let go of everybody who waits."""
        with self._lock:
            self._closed = True
            for peer in self._open:
                with contextlib.suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        for thread in threads:
            thread.join(10)
        self._listener.close()
        shutil.rmtree(self._home, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            with self._lock:
                if self._closed:
                    peer.close()
                    return
                self._open.add(peer)
                self._threads.add(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError), peer.makefile("rb") as stream:
                self._talk(peer, stream)
        finally:
            with self._lock:
                self._open.discard(peer)
                self._threads.discard(threading.current_thread())
            peer.close()

    def _talk(self, peer: socket.socket, stream: "object") -> None:
        head = stream.readline()  # type: ignore[attr-defined]
        if not head.endswith(b"\n"):  # it was killed before it said what it wants
            return
        count, length = (int(word) for word in head.split())
        said = stream.read(length)  # type: ignore[attr-defined]
        if len(said) < length:
            return
        words = said.decode("utf-8", "surrogateescape").split("\0")
        environment = dict(item.split("=", 1) for item in words[count + 1 :])

        def read_stdin() -> str:
            peer.sendall(b"i 0\n")
            return stream.read(int(stream.readline())).decode()  # type: ignore[attr-defined,no-any-return]

        call = Call(tuple(words[1 : count + 1]), environment, folder=words[0], read_stdin=read_stdin)
        answer = self._answer(call)
        if answer.hangs:
            self._print(peer, b"e", answer.stderr)
            peer.recv(1)
            return
        if answer.delay and not self._wait(peer, answer.delay):
            return
        self._print(peer, b"e", answer.stderr)
        self._print(peer, b"o", answer.stdout)
        peer.sendall(b"x %d\n" % answer.rc)

    def _wait(self, peer: socket.socket, seconds: float) -> bool:
        """False when the caller went away meanwhile."""
        peer.settimeout(seconds)
        try:
            peer.recv(1)
        except TimeoutError:
            peer.settimeout(None)
            return True
        return False

    def _print(self, peer: socket.socket, kind: bytes, text: str) -> None:
        content = text.encode("utf-8", "surrogateescape")
        if content:
            peer.sendall(b"%s %d\n" % (kind, len(content)) + content)
