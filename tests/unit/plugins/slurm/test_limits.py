"""How much Slurm takes, as its configuration and accounting say."""

import pytest

from jobmon_slurm.limits import read_limits
from jobmon_slurm.options import Options


@pytest.mark.promise("F53 F54")
@pytest.mark.parametrize(
    ("config", "submit_limit", "options", "batch", "submitted"),
    [
        ({}, None, {}, 1000, 9999),
        ({"MaxArraySize": "11"}, None, {}, 10, 9999),
        ({"MaxArraySize": "100001"}, None, {}, 1000, 9999),
        ({"MaxArraySize": "100001", "MaxJobCount": "50000"}, None, {"max_batch": 20_000}, 20_000, 49_999),
        ({"MaxJobCount": "101"}, None, {}, 100, 100),
        ({}, 300, {}, 300, 300),
        ({}, 0, {}, 1, 1),
        ({}, 20_000, {}, 1000, 9999),
        ({}, None, {"max_submitted": 50}, 50, 50),
        ({"MaxArraySize": "0"}, None, {}, 1, 9999),
        ({"MaxArraySize": "(null)", "MaxJobCount": "a lot"}, None, {}, 1000, 9999),
    ],
)
def test_the_least_of_all_limits_counts(config, submit_limit, options, batch, submitted):
    limits = read_limits(config, submit_limit, Options(**options))

    assert (limits.batch, limits.submitted) == (batch, submitted)


@pytest.mark.parametrize(("text", "seconds"), [("10 sec", 10), ("100 sec", 100), ("30", 30), ("", 10)])
def test_the_patience_of_slurm_is_read_in_seconds(text, seconds):
    assert read_limits({"MessageTimeout": text}, None, Options()).message_seconds == seconds


@pytest.mark.promise("F51")
@pytest.mark.parametrize(
    ("storage", "there"),
    [("accounting_storage/slurmdbd", True), ("accounting_storage/none", False), ("(null)", False), ("", False)],
)
def test_a_site_without_accounting_is_known(storage, there):
    assert read_limits({"AccountingStorageType": storage}, None, Options()).has_accounting == there
