"""Sets up logging for an entry point: one line per record, and no token in any of them.

Library code only ever calls `logging.getLogger(__name__)`; importing this module does nothing.
"""

import logging
import re
import time
from pathlib import Path

_SECRETS = (
    re.compile(r"(?i)\b(bearer\s+)[^\s'\",\\]+"),
    re.compile(r"(?i)(\b(?:token|password|secret)\\?[\"']?\s*[=:]\s*\\?[\"']?)[^\s'\",&\\]+"),
    re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"),  # of a user in a URL
)


class OneLine(logging.Formatter):
    """`2026-11-20T16:24:01.123Z INFO jobmon.distributor.loop message`; line breaks are written as `\\n`."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        """The form is the same everywhere, so there is nothing to choose."""
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """The whole record as one line, its traceback too, with tokens masked."""
        return mask(super().format(record)).replace("\n", "\\n")


def mask(text: str) -> str:
    """The text with what follows `Bearer`, `token=`, `password:` and the like replaced."""
    for secret in _SECRETS:
        text = secret.sub(r"\1***", text)
    return text


def set_up(level: str = "INFO", file: Path | None = None, form: logging.Formatter | None = None) -> None:
    """Send all records from `level` on to the file (made private to the user), else to standard error.

    Calling it again replaces what the first call did. `form` is OneLine unless given.
    """
    handler = logging.StreamHandler() if file is None else _private_file(file)
    handler.setFormatter(form or OneLine())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def _private_file(file: Path) -> logging.FileHandler:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    return logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
