"""The clusters that are this machine: `multiprocess` (alias `local`), `sequential` and `dummy`.

The distributor's side is `cluster`; what starts the commands is a process of its own, the `executor`, which is
to these clusters what a node daemon is to a batch system: one for each workflow and cluster. It outlives the
distributor.
"""
