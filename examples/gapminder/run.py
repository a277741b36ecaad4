"""Life-expectancy trends of 142 countries, as one workflow of 149 tasks.

    prepare (1)  ->  fit (142, one per country)  ->  summarise (5, one per continent)  ->  report (1)

Usage: python run.py [--output DIR] [--cluster NAME] [--resume | --fresh]
"""

import argparse
import csv
import sys
from datetime import UTC, datetime
from pathlib import Path

from atomic import write_atomically
from table import countries_by_continent, read_rows

from jobmon.client.api import Tool
from jobmon.client.workflow import Workflow
from jobmon.core.constants import WorkflowRunStatus
from jobmon.core.exceptions import WorkflowAlreadyComplete, WorkflowAlreadyExists

STEPS = Path(__file__).resolve().parent  # the folder of prepare.py, fit.py, summarise.py and report.py
RESOURCES = {"memory": "500M", "runtime": "5m", "cores": 1}  # for every task, unless it says otherwise


def build_workflow(output: Path, cluster: str, workflow_args: str) -> Workflow:
    """The graph of all tasks. Nothing runs and nothing is stored yet."""
    tool = Tool(name="gapminder")
    # node_args tell the tasks of a template apart, task_args say which data they work on, and op_args
    # (which Python, which folder) may change without making it another task. {x!q} quotes for the shell.
    prepare = tool.get_task_template(
        template_name="prepare",
        command_template="{python!q} {steps!q}/prepare.py {output!q}",
        task_args=["output"],
        op_args=["python", "steps"],
    )
    fit = tool.get_task_template(
        template_name="fit",
        command_template="{python!q} {steps!q}/fit.py {output!q} {continent!q} {country!q}",
        node_args=["continent", "country"],
        task_args=["output"],
        op_args=["python", "steps"],
    )
    summarise = tool.get_task_template(
        template_name="summarise",
        command_template="{python!q} {steps!q}/summarise.py {output!q} {continent!q}",
        node_args=["continent"],
        task_args=["output"],
        op_args=["python", "steps"],
    )
    report = tool.get_task_template(
        template_name="report",
        command_template="{python!q} {steps!q}/report.py {output!q}",
        task_args=["output"],
        op_args=["python", "steps"],
    )

    workflow = tool.create_workflow(
        name="gapminder",
        workflow_args=workflow_args,
        default_cluster_name=cluster,
        default_compute_resources_set={cluster: RESOURCES},
    )
    shared = {"output": str(output), "python": sys.executable, "steps": str(STEPS)}
    prepared = prepare.create_task(**shared)
    workflow.add_task(prepared)
    summaries = []
    for continent, countries in countries_by_continent(read_rows()).items():
        fits = fit.create_tasks(continent=[continent], country=countries, upstream_tasks=[prepared], **shared)
        summaries.append(summarise.create_task(continent=continent, upstream_tasks=fits, **shared))
        workflow.add_tasks(fits)
    workflow.add_tasks(summaries)
    workflow.add_task(report.create_task(upstream_tasks=summaries, **shared))
    return workflow


def workflow_args_of(output: Path, fresh: bool) -> str:
    """What makes this workflow the same one next time: the output directory, and when it was begun.

    It is kept in the output directory, so a deleted directory begins anew too.
    """
    kept = output / "workflow_args.txt"
    if fresh or not kept.exists():
        write_atomically(kept, f"{output} begun {datetime.now(UTC).isoformat()}")
    return kept.read_text(encoding="utf-8")


def print_table(path: Path) -> None:
    """Print a CSV file in columns."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print()
    for row in rows:
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
    print()


def print_outcome(workflow: Workflow, status: str, output: Path) -> None:
    """Say how the run ended and where to look next."""
    name = next(name for name, letter in vars(WorkflowRunStatus).items() if letter == status)
    result = workflow.result
    if status == WorkflowRunStatus.DONE:
        print_table(output / "continents.csv")
    print(f"Status    {status} ({name}) after {result.elapsed_seconds:.1f} s")
    print(
        f"Tasks     {result.done_count} of {result.total_tasks} done"
        f" ({result.num_previously_complete} of them by an earlier run), {result.failed_count} failed"
    )
    print(f"Workflow  {workflow.workflow_id}")
    print(f"Outputs   {output}")
    if status == WorkflowRunStatus.DONE:
        print(f"Report    {output / 'report.html'}")
    print(f"Look at   jobmon workflow_status -w {workflow.workflow_id}")
    print(f"          jobmon workflow_tasks -w {workflow.workflow_id} -l 200")
    if result.failed_count:
        print(f"Failed    jobmon workflow_tasks -w {workflow.workflow_id} -s FATAL")
        print("          mend the cause, then run this again with --resume")
    print("Logs      jobmon task_status -t TASK_ID   (names the task's stdout and stderr files)")


def say_complete(output: Path) -> int:
    """There was nothing to run; 0 if the outputs are still there."""
    complete = (output / "report.html").exists()
    if complete:
        print_table(output / "continents.csv")
        print(f"This workflow is done already (status D): its outputs are in {output}")
    else:
        print(f"This workflow is done already (status D), but its report is no longer in {output}")
    print("To run all of it again as a new workflow: add --fresh")
    return 0 if complete else 1


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Fit life-expectancy trends for 142 countries.")
    parser.add_argument("--output", type=Path, default=Path("gapminder-output"), metavar="DIR")
    parser.add_argument("--cluster", default="local", metavar="NAME", help="where tasks run (default: local)")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="run only what is not done yet")
    again.add_argument("--fresh", action="store_true", help="begin a new workflow: every task runs again")
    return parser.parse_args()


def main() -> int:
    """Run the workflow; 0 if all of it is done."""
    arguments = parse_arguments()
    output = arguments.output.resolve()
    workflow = build_workflow(output, arguments.cluster, workflow_args_of(output, arguments.fresh))
    try:
        status = workflow.run(resume=arguments.resume)
    except WorkflowAlreadyComplete:
        return say_complete(output)
    except WorkflowAlreadyExists as error:
        print(f"{error}\nTo go on with it: add --resume. To leave it and begin a new one: add --fresh")
        return 1
    print_outcome(workflow, status, output)
    return 0 if status == WorkflowRunStatus.DONE else 1


if __name__ == "__main__":
    sys.exit(main())
