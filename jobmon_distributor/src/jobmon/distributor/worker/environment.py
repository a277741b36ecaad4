"""The environment of a command: that of whoever submitted it, with what the batch system has to add."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these the batch system only passes on what it found on the login node; all else it sets is its own word.
FROM_LOGIN = frozenset(b"PATH HOME USER LOGNAME SHELL LANG PWD OLDPWD SHLVL _".split())


def merged(login_file: str, own: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables of the job, over those in the file ("" for none). Raises OSError."""
    login = _read(login_file) if login_file else {}
    job = {name: value for name, value in own.items() if name not in FROM_LOGIN or name not in login}
    return {**login, **job}


def _read(path: str) -> dict[bytes, bytes]:
    with open(path, "rb", 0) as file:  # noqa: PTH123  # pathlib is slow to import
        entries = file.read().split(b"\0")
    pairs = (entry.partition(b"=") for entry in entries)
    return {name: value for name, equals, value in pairs if equals and name}
