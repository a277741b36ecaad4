import pytest

from fakes.slurm import indices
from fakes.slurm.indices import Remaining


@pytest.mark.parametrize(
    ("expression", "which", "throttle"),
    [
        ("0-3", [0, 1, 2, 3], 0),
        ("7", [7], 0),
        ("0-8:4%2", [0, 4, 8], 2),
        ("5,1-2,2%10", [1, 2, 5], 10),
    ],
)
def test_an_expression_is_read(expression, which, throttle):
    found, at_once = indices.parse(expression)

    assert (list(found), at_once) == (which, throttle)


@pytest.mark.parametrize("expression", ["", "x", "3-1", "1,", "0-3:0", "-1", "0-3%x"])
def test_nonsense_is_refused(expression):
    with pytest.raises(ValueError):
        indices.parse(expression)


@pytest.mark.parametrize(
    ("which", "expression"),
    [
        (range(100), "0-99"),
        ([0, 1, 2, 5, 7, 8], "0-2,5,7-8"),
        ([1, 3, 5], "1-5:2"),
        ([1, 3], "1,3"),
        ([4], "4"),
        ([], ""),
    ],
)
def test_an_expression_is_written_as_short_as_can_be(which, expression):
    assert indices.write(which) == expression


def test_a_long_expression_is_cut_as_squeue_does():
    expression = indices.write([i for i in range(100) if i % 3])
    cut = indices.shorten(expression)

    assert len(cut) == 63
    assert cut.endswith("...")
    assert indices.shorten(expression, 0) == expression


def test_what_remains_shrinks_from_the_front_and_from_within():
    remaining = Remaining(range(6))
    taken = [remaining.take(), remaining.take(3), remaining.take(1), remaining.take()]

    assert taken == [0, 3, 1, 2]
    assert list(remaining) == [4, 5]
    assert len(remaining) == 2
    assert 3 not in remaining
    assert remaining.write() == "4-5"


def test_hosts_are_bracketed():
    assert indices.hosts(["n2", "n1", "n10", "n3"]) == "n[1-3,10]"
    assert indices.hosts(["node01", "node02", "gpu"]) == "gpu,node[01-02]"
