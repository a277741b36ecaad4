"""The clusters that are this machine: `multiprocess` (alias `local`), `sequential` and `dummy`.

The distributor's side is `cluster`; what starts the commands is a process of its own, the `executor`, which is
to these clusters what slurmd is to Slurm: one for each workflow and cluster, it outlives the distributor.
"""
