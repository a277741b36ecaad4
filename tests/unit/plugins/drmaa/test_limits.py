import pytest

from jobmon_drmaa.limits import read_limits
from jobmon_drmaa.options import Options


@pytest.mark.promise("F53")
@pytest.mark.parametrize(
    ("most", "options", "batch"),
    [("75000", {}, 1000), ("10", {}, 10), ("0", {}, 1000), ("", {}, 1000), ("75000", {"max_submitted": 5}, 5)],
)
def test_an_array_is_as_large_as_everybody_allows(most, options, batch):
    assert read_limits({"max_aj_tasks": most}, Options(**options)).batch == batch


def test_limits_on_arrays_are_no_limits_on_tasks():
    limits = read_limits({"max_u_jobs": "2", "max_jobs": "3"}, Options())

    assert (limits.batch, limits.submitted) == (1000, Options().max_submitted)


@pytest.mark.promise("F51")
@pytest.mark.parametrize(
    ("parameters", "there"), [("accounting=true reporting=false", True), ("", True), ("accounting=false", False)]
)
def test_accounting_is_there_unless_the_site_has_none(parameters, there):
    assert read_limits({"reporting_params": parameters}, Options()).has_accounting is there
