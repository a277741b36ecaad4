"""The queue of attempts that are not claimed yet."""

from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.resources import Resources
from jobmon.core.wire import Claim
from jobmon.distributor.local.queue import Queue
from unit.distributor.local.building import batch


def claimed(claims: list[Claim]) -> list[tuple[int, int]]:
    """(batch, index) of each attempt in some claims."""
    return [(c.batch_id, index) for c in claims for index in range(c.start, c.start + c.count)]


def test_attempts_are_claimed_in_order_across_batches() -> None:
    queue = Queue()
    for id in (1, 2):
        queue.add(batch(id, 3))

    assert claimed(queue.take(4, 0, 8, 0)) == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert claimed(queue.take(9, 0, 8, 0)) == [(2, 1), (2, 2)]
    assert len(queue) == 0 and queue.take(9, 9, 8, 0) == []


def test_a_range_is_one_claim_and_dropped_attempts_split_it() -> None:
    queue = Queue()
    queue.add(batch(1, 10), out={0})
    dropped = [queue.drop(1, index) for index in (4, 4, 9, 0, 10)]

    claims = queue.take(99, 0, 99, 0)

    assert dropped == [True, False, True, False, False]
    assert [(claim.start, claim.count) for claim in claims] == [(1, 3), (5, 4)]
    assert len(queue) == 0


def test_the_first_attempt_that_does_not_fit_holds_up_the_others() -> None:
    queue = Queue()
    queue.add(batch(1, 1, resources=Resources(cores=4)))
    queue.add(batch(2, 5))

    assert not queue.could_take(3, 0, 8, 0) and queue.take(3, 0, 8, 0) == []
    assert queue.could_take(3, 0, 3, 0)  # it takes all slots of a small machine
    assert claimed(queue.take(6, 0, 8, 0)) == [(1, 0), (2, 0), (2, 1)]


def test_attempts_ahead_come_on_top_of_those_that_fit() -> None:
    queue = Queue()
    queue.add(batch(1, 10, resources=Resources(cores=2)))

    assert len(claimed(queue.take(4, 3, 8, 0))) == 5
    assert len(claimed(queue.take(0, 1, 8, 0))) == 1


def test_what_was_put_back_waits_for_its_time() -> None:
    queue = Queue()
    queue.add(batch(1, 2))
    queue.take(2, 0, 2, 0)
    queue.put_back(1, 1, due=10, slots=1)

    assert (len(queue), queue.waits(1, 1), queue.next_due()) == (1, True, 10)
    assert queue.take(2, 0, 2, 9.9) == []
    assert claimed(queue.take(2, 0, 2, 10)) == [(1, 1)]
    assert len(queue) == 0


def test_what_was_put_back_can_be_dropped() -> None:
    queue = Queue()
    queue.put_back(1, 1, due=10, slots=1)

    assert queue.drop(1, 1) and not queue.drop(1, 1)
    assert (len(queue), queue.next_due(), queue.take(2, 0, 2, 11)) == (0, None, [])


def test_an_empty_batch_is_no_batch() -> None:
    queue = Queue()
    queue.add(batch(1, 2), out={0, 1})

    assert len(queue) == 0 and not queue.could_take(5, 5, 5, 0)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    steps=st.lists(
        st.tuples(st.sampled_from(["take", "drop"]), st.integers(0, 7), st.integers(0, 5)), max_size=40
    ),
)
def test_each_attempt_leaves_the_queue_once(sizes: list[int], steps: list[tuple[str, int, int]]) -> None:
    queue = Queue()
    for id, size in enumerate(sizes):
        queue.add(batch(id, size, first=1 + id * 100))
    left = {(id, index) for id, size in enumerate(sizes) for index in range(size)}

    for verb, number, other in steps:
        if verb == "take":
            out = claimed(queue.take(number, other, 4, 0))
            assert out == sorted(left)[: len(out)] and len(out) == min(number + other, len(left))
            left -= set(out)
        else:
            assert queue.drop(other, number) == ((other, number) in left)
            left.discard((other, number))
        assert len(queue) == len(left)
        assert all(queue.waits(*each) for each in left)
