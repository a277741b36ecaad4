"""A user's script: tasks that wait for a file `release`, on the cluster that it is told."""

import argparse
import sys

from jobmon.client.api import Tool
from jobmon_conformance.witness import noted

parser = argparse.ArgumentParser()
parser.add_argument("cluster")
parser.add_argument("--tasks", type=int, default=3)
parser.add_argument("--args", required=True)
parser.add_argument("--resume", choices=["hot", "cold"])
options = parser.parse_args()

tool = Tool(name="waiting")
command = noted("while [ ! -e release ]; do sleep 0.05; done").replace("{", "{{").replace("}", "}}")
step = tool.get_task_template("step", command + "\n: {number}", node_args=["number"], task_args=[], op_args=[])
workflow = tool.create_workflow(workflow_args=options.args, default_cluster_name=options.cluster)
workflow.add_tasks(step.create_tasks(number=list(range(options.tasks))))
status = workflow.run(resume=options.resume is not None, reset_running_jobs=options.resume != "hot")
print(workflow.workflow_id, status, flush=True)
sys.exit(0)
