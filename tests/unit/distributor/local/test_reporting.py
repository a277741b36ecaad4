"""Requests that the server refuses are cut into pieces until only what it cannot take is lost."""

from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.wire import Claim, Outcome, WorkRequest
from jobmon.distributor.local.reporting import halves, merged, refusal


def pieces(request: WorkRequest) -> list[WorkRequest]:
    """All the way down."""
    parts = halves(request)
    return [piece for part in parts for piece in pieces(part)] if parts else [request]


@given(
    outcomes=st.integers(0, 9),
    claims=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=4),
)
def test_pieces_say_what_the_whole_said(outcomes: int, claims: list[tuple[int, int]]) -> None:
    whole = WorkRequest(
        runner="r",
        node="n",
        sequence=1,
        outcomes=[Outcome(instance_id=id, token="t", status="D") for id in range(outcomes)],
        claims=[Claim(batch_id=1, start=start, count=count) for start, count in claims],
    )

    parts = pieces(whole)

    assert [outcome for part in parts for outcome in part.outcomes] == whole.outcomes
    asked = [index for start, count in claims for index in range(start, start + count)]
    assert [claim.start for part in parts for claim in part.claims] == asked
    assert all(len(part.outcomes) + sum(claim.count for claim in part.claims) <= 1 for part in parts)


def test_attempts_of_a_refused_claim_are_gone() -> None:
    request = WorkRequest(runner="r", node="n", sequence=1, claims=[Claim(batch_id=4, start=2, count=2)])

    answer = merged([refusal(request, 30), refusal(request, 40)])

    assert [(denial.batch_id, denial.index, denial.verdict) for denial in answer.denials] == [
        (4, 2, "gone"), (4, 3, "gone"), (4, 2, "gone"), (4, 3, "gone"),
    ]  # fmt: skip
    assert answer.heartbeat_seconds == 40
