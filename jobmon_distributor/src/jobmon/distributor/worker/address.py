"""Finding the state server: its address and the token that opens it."""

from __future__ import annotations

from .answer import Refused, Unanswered
from .bare import decode, posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Locate = Callable[[], tuple[str, str]]  # -> (url, token)


def fixed(url: str, token_file: str) -> Locate:
    """A server that stays where it is; the token is read anew on each connection."""
    return lambda: (url, read_token(token_file))


def noted(server_file: str, token_file: str) -> Locate:
    """A server that leaves its present address as `{"url": ...}` in a file, as the embedded one does."""
    return lambda: (_read_url(server_file), read_token(token_file))


def read_token(path: str) -> str:
    """The token in a private file. Raises Refused when others could read it, as ssh does with keys."""
    text, mode = _read(path)
    if mode & 0o077:
        raise Refused(403, "Forbidden", f"{path} can be read by others; run `chmod 600 {path}`")
    return text.decode("utf-8", "replace").strip()


def _read_url(path: str) -> str:
    try:
        return str(decode(_read(path)[0].strip())["url"])
    except (ValueError, KeyError, TypeError):
        raise Unanswered(f"{path} does not say where the server is") from None


def _read(path: str) -> tuple[bytes, int]:
    try:
        with open(path, "rb", 0) as file:  # noqa: PTH123  # pathlib is slow to import
            return file.read(), posix.fstat(file.fileno()).st_mode
    except OSError as error:
        raise Unanswered(f"cannot read {path}: {error.strerror}") from None


class Target:
    """The parts of a server's URL: `http[s]://host[:port][/prefix]`."""

    def __init__(self, url: str) -> None:
        """Raises Unanswered for anything that is not such a URL."""
        scheme, mark, rest = url.partition("://")
        if not mark or scheme not in ("http", "https"):
            raise Unanswered(f"{url!r} is not the URL of a server")
        self.tls = scheme == "https"
        self.authority, slash, prefix = rest.partition("/")
        self.prefix = (slash + prefix).rstrip("/")
        self.host, self.port = self._split()

    def _split(self) -> tuple[str, int]:
        host, colon, port = self.authority.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = self.authority, "443" if self.tls else "80"
        if not host or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
            raise Unanswered(f"{self.authority!r} is not the host and port of a server")
        return host.strip("[]"), int(port)
