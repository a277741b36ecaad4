"""A script whose tasks wait for a file `release`: as many as there are slots run for as long as a test wants.

`run(resume=True)` with `--resume hot|cold`; `--chunk N` binds N tasks at a time.
"""

import argparse
from pathlib import Path

from end_to_end.graphs import run_and_say
from jobmon.client.api import Tool
from jobmon_conformance.witness import noted

parser = argparse.ArgumentParser()
parser.add_argument("--tasks", type=int, default=6)
parser.add_argument("--resume", choices=["hot", "cold"])
parser.add_argument("--args", default="waiting")
parser.add_argument("--chunk", type=int, default=500)
options = parser.parse_args()

tool = Tool(name="waiting")
release = Path.cwd() / "release"
step = tool.get_task_template(
    template_name="step",
    command_template=noted("while [ ! -e '{release}' ]; do sleep 0.05; done; : {number}")
    .replace("{", "{{").replace("}", "}}").replace("{{release}}", "{release}").replace("{{number}}", "{number}"),
    node_args=["number"],
    op_args=["release"],
)  # fmt: skip
workflow = tool.create_workflow(
    name="waiting", workflow_args=options.args, default_cluster_name="local", chunk_size=options.chunk
)
workflow.add_tasks(step.create_tasks(number=list(range(options.tasks)), release=release))
run_and_say(workflow, options.resume)
