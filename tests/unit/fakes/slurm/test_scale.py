from fakes.slurm import FakeSlurm, Node, Simulated


def test_ten_thousand_tasks_are_a_matter_of_a_second(tmp_path, script):
    ended = []
    plan = Simulated(600, on_end=lambda task: ended.append((task.job_id, task.index)))
    nodes = [Node(f"n{i}", cpus=50) for i in range(10)]
    with FakeSlurm(tmp_path / "it", nodes, real_time=False, max_job_count=20_000, behave=lambda *_: plan) as slurm:
        for number in range(10):
            slurm.call(["sbatch", f"--job-name=a{number}", "--array=0-999", "--time=60", script])
        slurm.advance(599)
        running = slurm.call(["squeue", "-h", "-t", "R"])[1].count("\n")
        slurm.advance(1)
        again = slurm.call(["squeue", "-h", "-t", "R"])[1].count("\n")
        slurm.advance(19 * 600)

        assert running == again == 500
        assert len(set(ended)) == len(ended) == 10_000
        assert all(not job.live for job in slurm.jobs)
        assert all(not node.used_cpus for node in slurm.nodes.values())


def test_callbacks_may_use_the_commands(tmp_path, script):
    def more(task):
        if task.restarts == 0 and task.job_id < 5:
            slurm.call(["sbatch", script])

    with FakeSlurm(tmp_path / "it", real_time=False, behave=lambda *_: Simulated(10, on_start=more)) as slurm:
        slurm.call(["sbatch", script])
        slurm.advance(10)

        assert len(slurm.jobs) == 5
        assert slurm.state("5") == "COMPLETED"


def test_behaviour_goes_by_name_index_and_arguments(tmp_path, script):
    seen = []

    def behave(name, index, argv):
        seen.append((name, index, tuple(argv)))
        return Simulated(10, "FAILED", "1:0") if index == 1 else Simulated(10)

    with FakeSlurm(tmp_path / "it", real_time=False, behave=behave) as slurm:
        slurm.call(["sbatch", "--job-name=x", "--array=0-1", script, "a"])
        slurm.advance(10)

        assert seen == [("x", 0, (script, "a")), ("x", 1, (script, "a"))]
        assert slurm.states(1) == {0: "COMPLETED", 1: "FAILED"}
