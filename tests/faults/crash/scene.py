"""A script for points of a crash: tasks of one template, bound two at a time, on the cluster that it is told.

They wait for a file `release` when `--waits`; `resume` goes on with what there is.
"""

import argparse

from end_to_end.graphs import run_and_say, template
from jobmon.client.api import Tool

WAIT = "while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.05; done"

parser = argparse.ArgumentParser()
parser.add_argument("--cluster", default="local")
parser.add_argument("--tasks", type=int, default=5)
parser.add_argument("--waits", action="store_true")
parser.add_argument("--resume", choices=["hot", "cold"])
options = parser.parse_args()

tool = Tool(name="crash")
step = template(tool, command=WAIT if options.waits else "true")
last = template(tool, name="last")
workflow = tool.create_workflow(
    name="crash",
    workflow_args="crash",
    default_cluster_name=options.cluster,
    chunk_size=2,
)
first = step.create_tasks(number=list(range(options.tasks - 1)))
workflow.add_tasks([*first, last.create_task(number=options.tasks, upstream_tasks=first)])
run_and_say(workflow, options.resume)
