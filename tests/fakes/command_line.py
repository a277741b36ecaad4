"""The command line as a test uses it."""

from collections.abc import Callable

import click.testing

Run = Callable[[str], click.testing.Result]  # run("workflow status -w 1"), as a user types it
