"""One workflow on this machine, on a real Slurm, on a real Grid Engine."""

import pytest

from clusters.sge import SgeCluster
from clusters.sge.fixture import sge
from clusters.slurm import SlurmCluster
from clusters.slurm.fixture import slurm
from end_to_end.graphs import holds, template
from jobmon.client.api import Tool
from jobmon_conformance.home import Home

__all__ = ["sge", "slurm"]

pytestmark = pytest.mark.slow

CLUSTERS = ["local", "slurm", "sge"]
WIDTH = 4
WHERE = (
    "SELECT s.name, r.cluster, b.job_id <> '' FROM task t JOIN task_spec s ON s.task_id = t.id "
    "JOIN resources r ON r.id = t.resources_id JOIN task_instance i ON i.task_id = t.id "
    "JOIN batch b ON b.id = i.batch_id ORDER BY t.id"
)


def test_each_template_runs_on_the_cluster_it_names(
    here: Home, slurm: SlurmCluster, sge: SgeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**slurm.environment, **sge.environment}.items():
        monkeypatch.setenv(name, value)
    tool = Tool(name="three clusters")
    workflow = tool.create_workflow()
    before: list = []
    for cluster in CLUSTERS:
        step = template(tool, cluster, default_cluster_name=cluster)
        before = step.create_tasks(
            number=list(range(WIDTH)), upstream_tasks=before, compute_resources={"memory": "200M", "runtime": "1h"}
        )
        workflow.add_tasks(before)

    assert workflow.run() == "D"
    ran = here.query(WHERE)
    assert [(name.split("_")[0], cluster, known) for name, cluster, known in ran] == [
        (cluster, cluster, 1) for cluster in CLUSTERS for _ in range(WIDTH)
    ]
    assert list(here.witness.starts().values()) == [1] * len(CLUSTERS) * WIDTH
    holds(here)
