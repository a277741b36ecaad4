"""The executables: each sends its words to a socket and prints what comes back."""

import json
import shutil
import socketserver
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

COMMANDS = ("qsub", "qstat", "qdel", "pbsnodes")
Answer = Callable[[str, Sequence[str], str], tuple[int, str, str]]  # command, words, folder -> rc, stdout, stderr

LAUNCHER = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({socket!r})
    server.sendall(json.dumps([{command!r}, sys.argv[1:], os.getcwd()]).encode() + b"\\n")
    code, out, err = json.loads(server.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


class Front:
    """Listens until it is closed."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path = path
        self._private = Path(tempfile.mkdtemp(prefix="pbs-"))  # a socket's path must be short
        at = str(self._private / "socket")

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(json.dumps(answer(*json.loads(self.rfile.readline()))).encode())

        self._server = socketserver.ThreadingUnixStreamServer(at, Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        path.mkdir(parents=True)
        for command in COMMANDS:
            (path / command).write_text(LAUNCHER.format(python=sys.executable, socket=at, command=command))
            (path / command).chmod(0o700)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        shutil.rmtree(self._private)
