"""Whether a failed command lacked address space.

Some batch systems limit that, and not the memory in use: what asks for more is refused it by the kernel, says so
in words of its own, and ends as any failure does.
"""

from __future__ import annotations

import resource

WORDS = (  # in lower case: Python, the C library, C++, R, Java, Fortran, Julia and Rust
    "memoryerror",
    "cannot allocate",
    "bad_alloc",
    "out of memory",
    "outofmemory",
    "could not reserve enough space",
    "insufficient virtual memory",
    "memory allocation of",
    "failed to map segment",
    "memory exhausted",
)


def shortage(stderr: str) -> str:
    """What was short, if address space is limited here and the end of standard error complains of memory."""
    limit_bytes, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit_bytes == resource.RLIM_INFINITY or not any(words in stderr.lower() for words in WORDS):
        return ""
    return f"the address space of each process is limited to {limit_bytes / 2**20:.0f} MiB here"
