"""MUNGE: a credential that proves to every machine of a site which user made it.

The site's own daemon `munged` makes and checks them; this is the only file that knows its library, libmunge.
Nothing is loaded before it is needed, so a machine without it can import this. Manual pages: munge(3), munged(8).
"""

import ctypes
import functools
from typing import Any, NamedTuple

from jobmon.core.exceptions import ConfigError, JobmonError, Unauthorized

LIBRARY = "libmunge.so.2"

# munge_err_t and munge_opt_t of its header
_SUCCESS, _REPLAYED = 0, 17
_OUT_OF_ORDER = (1, 5, 6, 7)  # the library or the daemon; the others speak of the credential
_SOCKET = 8


class Proof(NamedTuple):
    """Who made a credential, and over what."""

    uid: int
    gid: int
    payload: bytes


def payload(nonce: str, host: str) -> bytes:
    """What a login signs: once, and for the server of that name only."""
    return f"jobmon login\n{nonce}\n{host}".encode()


def encode(content: bytes, socket: str = "") -> str:
    """A credential of the calling user over `content`; `socket` is the daemon's unless it is the usual one.

    Raises ConfigError where there is no MUNGE.
    """
    library = _library()
    made = ctypes.c_char_p()
    context = _context(library, socket)
    try:
        code = library.munge_encode(ctypes.byref(made), context, content, len(content))
        if code != _SUCCESS or made.value is None:
            raise ConfigError(f"no MUNGE credential: {_why(library, context, code)}; does munged run here?")
        return made.value.decode()
    finally:
        _free(made)
        library.munge_ctx_destroy(context)


def decode(credential: str, socket: str = "") -> Proof:
    """Who made the credential. Each can be decoded once: raises Unauthorized after that.

    Raises ConfigError where there is no MUNGE.
    """
    library = _library()
    content, length = ctypes.c_void_p(), ctypes.c_int()
    uid, gid = ctypes.c_uint32(), ctypes.c_uint32()
    context = _context(library, socket)
    try:
        code = library.munge_decode(
            credential.encode(),
            context,
            ctypes.byref(content),
            ctypes.byref(length),
            ctypes.byref(uid),
            ctypes.byref(gid),
        )
        if code != _SUCCESS:
            raise _refusal(code, _why(library, context, code))
        signed = ctypes.string_at(content.value, length.value) if content.value else b""
        return Proof(uid.value, gid.value, signed)
    finally:
        _free(content)
        library.munge_ctx_destroy(context)


def _refusal(code: int, why: str) -> JobmonError:
    if code in _OUT_OF_ORDER:
        return ConfigError(f"munged cannot check a credential: {why}")
    if code == _REPLAYED:
        return Unauthorized("this MUNGE credential was shown before; each is good once")
    return Unauthorized(f"munged does not accept the credential: {why}")


def _why(library: Any, context: int, code: int) -> str:
    said = library.munge_ctx_strerror(context) or library.munge_strerror(code)
    return (said or b"").decode(errors="backslashreplace") or f"error {code}"


def _context(library: Any, socket: str) -> int:
    context = library.munge_ctx_create()
    if not context:
        raise ConfigError("libmunge has no memory")
    if socket:
        library.munge_ctx_set(ctypes.c_void_p(context), _SOCKET, ctypes.c_char_p(socket.encode()))
    return int(context)


@functools.cache
def _library() -> Any:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise ConfigError(f"there is no MUNGE here: {error}") from error
    library.munge_ctx_create.restype = ctypes.c_void_p
    library.munge_ctx_destroy.argtypes = [ctypes.c_void_p]
    library.munge_ctx_destroy.restype = None
    library.munge_ctx_strerror.argtypes = [ctypes.c_void_p]
    library.munge_ctx_strerror.restype = ctypes.c_char_p
    library.munge_strerror.argtypes = [ctypes.c_int]
    library.munge_strerror.restype = ctypes.c_char_p
    library.munge_encode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    library.munge_decode.argtypes = [ctypes.c_char_p, *[ctypes.c_void_p] * 5]
    return library


@functools.cache
def _libc() -> Any:
    libc = ctypes.CDLL(None)
    libc.free.argtypes = [ctypes.c_void_p]
    libc.free.restype = None
    return libc


def _free(pointer: ctypes.c_char_p | ctypes.c_void_p) -> None:
    """What the library allocated is the caller's."""
    _libc().free(ctypes.cast(pointer, ctypes.c_void_p))
