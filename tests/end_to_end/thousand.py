"""A script as users write them: many tasks, some of which fail once and three for ever until the cause is mended.

Of each hundred tasks the last one (100, 200, ...) fails on its first attempt. Tasks 7, 77 and 177 fail as long as
there is no file `mended`. A middle task waits for the first half, and the other half for it. With `--hold`
there is one task more, which waits for all of that, and then as long as there is a file `hold`.
"""

import argparse
from pathlib import Path

from jobmon.client.api import Tool

parser = argparse.ArgumentParser()
parser.add_argument("--tasks", type=int, default=1000)
parser.add_argument("--seconds", type=float, default=0)
parser.add_argument("--resume", choices=["hot", "cold"])
parser.add_argument("--args", default="thousand")
parser.add_argument("--hold", action="store_true")
options = parser.parse_args()

script = Path(__file__).with_name("step.sh")
tool = Tool(name="thousand")
step = tool.get_task_template(
    template_name="step",
    command_template=". {script!q} {number} {folder!q} {seconds}",
    node_args=["number"],
    op_args=["script", "folder", "seconds"],
)
given = {"script": script, "folder": Path.cwd(), "seconds": f"{options.seconds:g}"}
half = options.tasks // 2
NEVER = (7, 77, 177)
first = step.create_tasks(number=list(range(1, half)), **given)
working = [task for task in first if task.node_args["number"] not in NEVER]
middle = step.create_task(number=half, upstream_tasks=working, **given)
second = step.create_tasks(number=list(range(half + 1, options.tasks + 1)), upstream_tasks=[middle], **given)
workflow = tool.create_workflow(
    name="thousand", workflow_args=options.args, default_cluster_name="local", default_max_attempts=3
)
workflow.add_tasks([*first, middle, *second])
if options.hold:
    held = tool.get_task_template(
        template_name="last",
        command_template="while [ -e {folder!q}/hold ]; do sleep 0.05; done; . {script!q} {number} {folder!q} 0",
        node_args=["number"],
        op_args=["script", "folder"],
    )
    working = [task for task in second if task.node_args["number"] not in NEVER]
    last = {"number": options.tasks + 1, "script": script, "folder": Path.cwd()}
    workflow.add_task(held.create_task(**last, upstream_tasks=[middle, *working]))
status = workflow.run(resume=options.resume is not None, reset_running_jobs=options.resume != "hot")
print(workflow.workflow_id, status, flush=True)
