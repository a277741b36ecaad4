"""The server's own folder: its database, token, counters and lock."""

from pathlib import Path

from jobmon.core.exceptions import ConfigError


def make(folder: Path) -> None:
    """Make it for the server's user alone, if it is not there. Raises ConfigError naming it when that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"the server's folder {folder} cannot be made ({error.strerror}); set JOBMON__SERVER__DATA_DIR or "
            "JOBMON__SERVER__DATABASE_URL to another place"
        ) from error
