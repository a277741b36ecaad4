"""What the worker takes from the interpreter's own C modules, because the public ones cost too much CPU.

`signal` and `socket` pull in `enum` (5 ms), `json` also `re` (7 ms), `ctypes` costs 3 ms; `posix` is all that the
worker needs of `os` (1 ms). Where an interpreter lacks one of the private modules the public one stands in.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from typing import Any
else:
    try:
        import _signal as signal
        import _socket as socket
    except ImportError:
        import signal
        import socket

__all__ = ["decode", "encode", "posix", "prctl", "signal", "socket"]


class _Plain:
    """What `json.loads` asks of the scanner unless it is told otherwise."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int, parse_constant = float, int, float


def decode(body: bytes) -> Any:
    """`json.loads` for an object without white space around it. Raises ValueError."""
    text = body.decode()
    try:
        from _json import make_scanner

        decoded, end = make_scanner(_Plain)(text, 0)  # type: ignore[arg-type]  # the stub means another one
        if end == len(text):
            return decoded
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except (ImportError, AttributeError, TypeError, ValueError, StopIteration, SystemError):
        pass
    import json  # whose word counts, above all on what is wrong with the text

    return json.loads(text)


def encode(payload: dict[str, Any]) -> bytes:
    """`json.dumps`, as bytes."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        encoder = make_encoder(None, _refuse, encode_basestring_ascii, None, ": ", ", ", False, False, True)
        return "".join(encoder(payload, 0)).encode()
    except (ImportError, TypeError):
        import json

        return json.dumps(payload).encode()


def _refuse(thing: object) -> object:
    raise TypeError(f"{thing!r} has no JSON")


def prctl(option: int, value: int) -> None:
    """See prctl(2). Raises ImportError for a Python that was built without libffi."""
    try:
        from _ctypes import RTLD_LOCAL, call_function, dlopen, dlsym

        program = dlopen(None, RTLD_LOCAL)  # type: ignore[arg-type]  # None is this program, as in dlopen(3)
        call_function(dlsym(program, "prctl"), (option, value, 0, 0, 0))
    except (ImportError, TypeError):
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
