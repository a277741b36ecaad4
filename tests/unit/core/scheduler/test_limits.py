"""What a scheduler's refusals teach."""

import pytest

from jobmon.core.scheduler.limits import Limits


@pytest.mark.promise("F53")
def test_what_was_too_large_is_halved_down_to_one():
    limits = Limits(batch=1000, submitted=5000)
    seen = []
    for size in (1000, 1000, 300, 200, 3, 2, 1):
        limits.too_large(size)
        seen.append(limits.batch)

    assert seen == [500, 250, 125, 62, 1, 1, 1]
