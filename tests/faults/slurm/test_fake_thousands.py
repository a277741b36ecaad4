"""Five thousand tasks on the fake, whose workers are played by one thread: arrays of a thousand at most."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.slurm import FakeSlurm, Node, Simulated, Task, faults
from faults.place import Place
from jobmon.core import local_server
from jobmon.core.http import Server
from jobmon.core.routes import WORK
from jobmon.core.wire import Claim, Outcome, WorkRequest
from jobmon_conformance.home import Home, opened

TASKS, SECONDS = 5000, 600
MOST_CALLS = 50  # and a look at the queue every five seconds
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 300)]


class Hands:
    """Whatever Slurm starts is claimed, then reported as done."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._started: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def behave(self, *_: object) -> Simulated:
        return Simulated(seconds=0.05, on_start=self._started.put)

    def close(self) -> None:
        self._started.put(None)
        self._thread.join(120)

    def _work(self) -> None:
        number = 0
        while task := self._started.get():
            tasks = [task]
            while len(tasks) < 200 and not self._started.empty() and (more := self._started.get()):
                tasks.append(more)
            number += 1
            self._carry_out(tasks, f"hand-{number}")

    def _carry_out(self, tasks: list[Task], runner: str) -> None:
        server = Server(lambda: local_server.find(self._home.data_dir), 60, retry_seconds=120)
        claims = [Claim(batch_id=batch_of(task), start=task.index or 0, count=1) for task in tasks]
        answer = server.call(WORK, WorkRequest(runner=runner, node="n1", sequence=1, claims=claims))
        ends = [
            Outcome(instance_id=id, token=token, status="D", exit_code=0)
            for grant in answer.grants
            for id, token in zip(grant.instance_id, grant.token, strict=True)
        ]
        server.call(WORK, WorkRequest(runner=runner, node="n1", sequence=2, outcomes=ends))


def batch_of(task: Task) -> int:
    return next(int(word.partition("=")[2]) for word in task.argv if word.startswith("--batch-id="))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[Place, FakeSlurm]]:
    with opened(tmp_path) as home:
        hands = Hands(home)
        node = [Node("n1", cpus=10_000, memory_mb=10_000_000)]
        with FakeSlurm(tmp_path / "slurm", node, behave=hands.behave) as fake:
            here = faults.mangled(lambda text: text.replace("NodeHostName=fakehost", "NodeHostName=localhost"))
            fake.fault("scontrol", here, times=None, when=lambda call: "node" in call.argv)
            yield Place(home, "slurm", fake.environment), fake
            hands.close()


@pytest.mark.promise("F53")
@pytest.mark.promise("F61")
def test_five_thousand_tasks_are_five_arrays_and_few_questions(place: tuple[Place, FakeSlurm]) -> None:
    here, fake = place
    here.option(poll_seconds=5, poll_seconds_max=5)
    here.be_patient()
    began = fake.now
    script = here.start(TASKS)
    here.wait(lambda: script.is_over, "the end of the script", SECONDS)

    assert script.out.split()[-1:] == ["D"], script.err + here.log()
    assert here.home.task_counts() == {"D": TASKS}
    assert max(job.size for job in fake.jobs) == 1000
    assert len(fake.called("sbatch")) <= 12
    assert len(fake.calls) < MOST_CALLS + (fake.now - began) / 5
    here.home.check(witness=False)
