"""Three tasks, each waiting for the one before: greet -> count -> farewell.

Run it with `python quickstart.py`: no server, no settings and no cluster are needed.
"""

import sys
from pathlib import Path

from jobmon.client.api import Tool
from jobmon.core.constants import WorkflowRunStatus

output = Path("quickstart-output").resolve()
output.mkdir(exist_ok=True)

# A template is a shell command with holes. {x!q} quotes what is put in for the shell.
tool = Tool(name="quickstart")
greet = tool.get_task_template(
    template_name="greet",
    command_template="echo Hello, {whom!q} > {output!q}/greeting.txt",
    node_args=["whom"],
    task_args=["output"],
)
count = tool.get_task_template(
    template_name="count",
    command_template="wc -w < {output!q}/greeting.txt > {output!q}/words.txt",
    task_args=["output"],
)
farewell = tool.get_task_template(
    template_name="farewell",
    command_template='echo "Goodbye, after $(cat {output!q}/words.txt) words" > {output!q}/farewell.txt',
    task_args=["output"],
)

greeted = greet.create_task(whom="world", output=str(output))
counted = count.create_task(output=str(output), upstream_tasks=[greeted])
parted = farewell.create_task(output=str(output), upstream_tasks=[counted])

workflow = tool.create_workflow(name="quickstart", default_cluster_name="local")
workflow.add_tasks([greeted, counted, parted])
status = workflow.run()

print(f"Workflow {workflow.workflow_id} ended with status {status}; its outputs are in {output}")
sys.exit(0 if status == WorkflowRunStatus.DONE else 1)
