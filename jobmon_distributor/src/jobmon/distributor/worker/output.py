"""The files that take a command's output: opened here, written by the command itself, byte for byte."""

from __future__ import annotations

from .bare import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .talk import Grant


class Output:
    """One open file. `path` is where the output really goes; `warning` says why it is not where it should be."""

    def __init__(self, folder: str, fallback: str, name: str) -> None:
        """Opens in `folder`, else in `fallback`, else nowhere: a command never fails for want of a log."""
        reasons: list[str] = []
        self.descriptor = -1
        for self.path in (f"{folder}/{name}", f"{fallback}/{name}"):
            try:
                self.descriptor = _open(self.path)
                break
            except OSError as error:
                reasons.append(f"cannot write {self.path} ({error.strerror})")
        else:
            self.path = "/dev/null"
            self.descriptor = posix.open(self.path, posix.O_WRONLY)
        self.warning = f"{'; '.join(reasons)}: this output is in {self.path} instead" if reasons else ""


def _open(path: str) -> int:
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND
    try:
        return posix.open(path, flags, 0o666)
    except FileNotFoundError:
        import os  # for the first who writes there

        os.makedirs(path.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
        return posix.open(path, flags, 0o666)


def open_outputs(grant: Grant, fallback: str) -> tuple[Output, Output]:
    """Standard output and standard error of an attempt, named as core.paths.output_file does."""
    return (
        Output(grant.stdout_dir, fallback, f"{grant.name}.o{grant.instance_id}"),
        Output(grant.stderr_dir, fallback, f"{grant.name}.e{grant.instance_id}"),
    )


def shortage(path: str) -> str:
    """What to tell of an output on a disk without any room left, "" of another one. Raises OSError."""
    room = posix.statvfs(path)
    is_full = room.f_blocks and not room.f_bavail
    return f"the disk of {path} is full: the end of this output may be missing" if is_full else ""
