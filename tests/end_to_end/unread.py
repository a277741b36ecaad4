"""A script of which nobody reads what it says, and whose terminal may go: it does something after the run, too."""

import signal
from pathlib import Path

from end_to_end.graphs import template, workflow_of
from jobmon.client.api import Tool

signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as with nohup
step = template(
    tool := Tool("unread"), command="[ $JOBMON_TASK_ID -ne 1 ] || until [ -e release ]; do sleep 0.05; done"
)
status = workflow_of(tool, step.create_tasks(number=range(20)), name="unread").run()
Path("after").write_text(status)
