"""The end of a file as text, whatever its bytes and its size."""

from __future__ import annotations

import os


def read_tail(path: str, most_bytes: int) -> str:
    """The last `most_bytes` of a file; says so in a first line when that is not all of it.

    Bytes that are not UTF-8 become `\\xNN`; a character that the cut would split is left out; NUL, which no
    database takes in a text, is removed. Raises OSError.
    """
    with open(path, "rb") as file:  # noqa: PTH123  # pathlib is slow to import
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - most_bytes))
        raw = file.read(most_bytes)
    if size <= most_bytes:
        return as_text(raw)
    return f"[the last {most_bytes} of {size} bytes]\n{as_text(raw[_split_bytes(raw) :])}"


def as_text(raw: bytes) -> str:
    """Bytes of any kind as text without NUL."""
    return raw.decode("utf-8", "backslashreplace").replace("\0", "")


def _split_bytes(raw: bytes) -> int:
    """How many bytes at the beginning belong to a character that began before."""
    count = 0
    while count < min(3, len(raw)) and raw[count] & 0xC0 == 0x80:
        count += 1
    return count
