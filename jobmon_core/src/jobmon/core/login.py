"""The token that `jobmon login` keeps for a server: one private file for each, so that none is shown to another.

Whoever talks with a configured server reads it here: the client, and the distributor that it starts.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from jobmon.core.defaults import Http
from jobmon.core.exceptions import ConfigError
from jobmon.core.local_server import read_token


def token_file(url: str) -> Path:
    """Where the token for that server is kept. Raises ConfigError for what is no URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"JOBMON__HTTP__SERVICE_URL is {url!r}; it must be http://HOST or https://HOST")
    where = f"{parts.scheme}_{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
    return platformdirs.user_config_path("jobmon") / "tokens" / re.sub(r"[^A-Za-z0-9_.-]", "_", where)


def file_of(http: Http) -> Path:
    """The file of the token for the configured server: the one in the settings, or that of `jobmon login`."""
    return Path(http.token_file).expanduser() if http.token_file else token_file(http.service_url)


def token(http: Http) -> str:
    """The token for the configured server, "" when nobody has logged in.

    Raises Forbidden when others could read its file, ConfigError when it cannot be read where the settings say.
    """
    file = file_of(http)
    return read_token(file) if http.token_file or file.exists() else ""


def keep(url: str, token: str) -> Path:
    """Write the token for that server; nobody else can read it at any moment."""
    file = token_file(url)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(file, token)
    return file


def write_private(file: Path, text: str) -> None:
    """Put a file in place as a whole, with mode 0600."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as handle:  # noqa: PTH123
        os.fchmod(handle.fileno(), 0o600)
        handle.write(text)
    fresh.rename(file)


def forget(url: str) -> bool:
    """Remove the token for that server; whether there was one."""
    file = token_file(url)
    there = file.exists()
    file.unlink(missing_ok=True)
    return there
