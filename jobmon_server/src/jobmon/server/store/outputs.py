"""What an attempt left behind, as people are shown it: the paths of its output, the last line of its error."""

from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa

from jobmon.core.paths import output_dirs, output_file
from jobmon.core.resources import Resources

TAIL_CHARACTERS = 4000
LINE_CHARACTERS = 500


@lru_cache(maxsize=1024)
def read_resources(text: str) -> Resources:
    """A set of resources as it is stored; thousands of attempts share one text."""
    return msgspec.json.decode(text, type=Resources)


def output_paths(
    run_dir: str, workflow_id: int, batch_id: int, requested: Resources, name: str, instance_id: int
) -> tuple[str, str]:
    """Files of an attempt's standard output and standard error."""
    options: dict[str, object] = dict(requested.options)
    stdout, stderr = output_dirs(run_dir, workflow_id, batch_id, options)
    return output_file(stdout, name, "o", instance_id), output_file(stderr, name, "e", instance_id)


def tail_of(column: sa.ColumnElement[str]) -> sa.ColumnElement[Any]:
    """The end of a long text, cut by the database: only its last line is wanted."""
    length = sa.func.char_length(column)
    start = sa.case((length > TAIL_CHARACTERS, length - (TAIL_CHARACTERS - 1)), else_=1)
    return sa.func.substr(column, start)


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip()[:LINE_CHARACTERS] if lines else ""
