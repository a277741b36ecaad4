"""A user's script for a cluster: `--tasks` tasks of one template, each with the shell text `--command`.

By default they last until there is a file `release` beside the witness.
"""

import argparse
import json

from end_to_end.graphs import run_and_say, template
from jobmon.client.api import Tool

WAIT = "while [ ! -e ${WITNESS%/*}/release ]; do sleep 0.1; done"

parser = argparse.ArgumentParser()
parser.add_argument("--cluster", required=True)
parser.add_argument("--tasks", type=int, default=4)
parser.add_argument("--command", default=WAIT)
parser.add_argument("--resources", type=json.loads, default={})
parser.add_argument("--scales", type=json.loads, default={})
parser.add_argument("--attempts", type=int, default=1)
parser.add_argument("--args", default="faults")
parser.add_argument("--at-once", type=int, default=10_000)
parser.add_argument("--resume", choices=["hot", "cold"])
options = parser.parse_args()

tool = Tool(name="faults")
step = template(tool, command=options.command)
workflow = tool.create_workflow(
    name="faults",
    workflow_args=options.args,
    default_cluster_name=options.cluster,
    default_compute_resources_set={options.cluster: options.resources},
    default_resource_scales_set={options.cluster: options.scales},
    default_max_attempts=options.attempts,
    max_concurrently_running=options.at_once,
)
workflow.add_tasks(step.create_tasks(number=list(range(options.tasks))))
run_and_say(workflow, options.resume)
