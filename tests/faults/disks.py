"""File systems of a test's own: small ones, and ones that hang or break when their process does."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from clusters.packages import Forbidden, Unavailable
from jobmon_conformance.home import wait_for


@contextlib.contextmanager
def small(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of so many megabytes in this folder. Raises Forbidden where none can be mounted."""
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place))
    try:
        yield place
    finally:
        _unmount(place)


def fill(folder: Path) -> Path:
    """Leave no room where this folder is; the file to remove for having it again."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


class Passing:
    """A folder that is seen at another place by way of a process: the disk is what becomes of that one."""

    def __init__(self, real: Path, place: Path) -> None:
        """Raises Unavailable where bindfs is missing, Forbidden where nothing can be mounted."""
        self.place = place
        self._real = real
        self._pid = 0
        for folder in (real, place):
            folder.mkdir(parents=True, exist_ok=True)
        self.mount()

    def mount(self) -> None:
        """Also anew after `die`."""
        if not shutil.which("bindfs"):
            raise Unavailable("bindfs is not installed: apt-get install -y --no-install-recommends bindfs")
        log = self._real.with_name(f"{self._real.name}.bindfs")
        with log.open("ab") as out:
            process = subprocess.Popen(
                ["bindfs", "-f", str(self._real), str(self.place)], stdout=out, stderr=out, start_new_session=True
            )
        self._process = process
        deadline = time.monotonic() + 60
        while not os.path.ismount(self.place):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Forbidden(f"bindfs cannot mount here: {log.read_text()}")
            time.sleep(0.01)

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Whoever asks for anything there waits meanwhile."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def die(self) -> None:
        """Everything that is asked for there fails from now on."""
        self._process.kill()
        self._process.wait()

    def unmount(self) -> None:
        """Take the place away; what is open there stays broken."""
        subprocess.run(["umount", "-l", str(self.place)], capture_output=True)


@contextlib.contextmanager
def passing(real: Path, place: Path) -> Iterator[Passing]:
    """`Passing`, until the end of the test."""
    disk = Passing(real, place)
    try:
        yield disk
    finally:
        disk.unmount()
        disk.die()


def cramped(*folders: Path) -> list[str]:
    """What starts a program with a /tmp without room, but for these folders. Raises Forbidden."""
    kept = [str(folder.relative_to("/tmp")) for folder in folders if folder.is_relative_to("/tmp")]
    words = ["unshare", "--mount", "bash", "-c", NO_ROOM, "cramped", " ".join(kept)]
    done = subprocess.run([*words, "sh", "-c", "! echo x 2>&- > /tmp/new"], capture_output=True, text=True)
    if done.returncode:
        raise Forbidden(f"no namespace of mounts can be made here, which takes root: {done.stderr}")
    return words


NO_ROOM = """
set -e
mount --bind /tmp /mnt
mount -t tmpfs -o size=64k tmpfs /tmp
for folder in $1; do mkdir -p "/tmp/$folder"; mount --bind "/mnt/$folder" "/tmp/$folder"; done
umount -l /mnt
head -c 1M /dev/zero > /tmp/filler 2>&- || true
shift
exec "$@"
"""


def _unmount(place: Path) -> None:
    """When nobody uses it any more."""
    wait_for(lambda: not subprocess.run(["umount", str(place)], capture_output=True).returncode, "the last user")


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise Forbidden(f"file systems cannot be mounted here, which takes root: {' '.join(words)}: {done.stderr}")
