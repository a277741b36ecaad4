"""Commands on the real executor: what they get, what comes of them."""

import pytest

def test_a_command_runs_and_its_outcome_comes_with_usage(peer, connect):
    batch = peer.batch(["echo out; echo err >&2; exit 0"])

    connect().submit(batch)

    outcome = peer.outcome(batch)
    assert (outcome.status, outcome.exit_code, outcome.message) == ("D", 0, "")
