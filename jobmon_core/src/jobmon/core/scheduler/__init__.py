"""What plugins for batch systems with job arrays share: nothing else imports it.

A plugin brings an `Api` (the only one that talks to its scheduler), a `Dialect` (what that scheduler says in words
of its own) and `Limits`; `SchedulerCluster` is the contract of `jobmon.core.cluster` made of them.
"""
