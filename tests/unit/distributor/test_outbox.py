import pytest

from jobmon.core.wire import Launched, Observed, Refused
from jobmon.distributor.outbox import Outbox

LAUNCHED = Launched(batch_id=1, job_id="7")
REFUSED = Refused(batch_id=2, failure_class="fatal", message="no")
OBSERVED = Observed(instance_id=3, state="gone")


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def test_an_empty_outbox_has_no_news(outbox):
    assert not outbox.has_news("")


def test_everything_goes_into_the_next_request_once(outbox):
    for report in (LAUNCHED, REFUSED, OBSERVED):
        outbox.add(report)
    request = outbox.take(5, [9], [], "wait", 20)

    assert request.fence == 5
    assert request.in_hand == [9]
    assert request.launched == [LAUNCHED]
    assert request.refused == [REFUSED]
    assert request.observed == [OBSERVED]
    assert request.notice == "wait"
    assert request.wait_seconds == 20
    assert not outbox.has_news("wait")


def test_a_batch_stays_in_hand_until_the_server_answered_the_request_that_reports_it(outbox):
    outbox.add(LAUNCHED)
    request = outbox.take(5, [], [], "", 0)
    meanwhile = outbox.take(5, [9], [], "", 20)
    outbox.told(request)
    later = outbox.take(5, [9], [], "", 20)

    assert meanwhile.in_hand == [9, 1]
    assert later.in_hand == [9]


def test_what_the_server_did_not_take_is_told_again_before_anything_newer(outbox):
    outbox.add(LAUNCHED)
    request = outbox.take(5, [], [], "", 0)
    newer = Launched(batch_id=4, job_id="8")
    outbox.add(newer)
    outbox.put_back(request)

    assert outbox.take(5, [], [], "", 0).launched == [LAUNCHED, newer]


def test_a_change_of_the_notice_is_news_both_ways(outbox):
    assert outbox.has_news("limit reached")
    outbox.told(outbox.take(5, [], [], "limit reached", 0))

    assert not outbox.has_news("limit reached")
    assert outbox.has_news("")


def test_an_outbox_nobody_listens_to_is_empty(outbox):
    outbox.add(LAUNCHED)
    outbox.take(5, [], [], "limit reached", 0)
    outbox.add(REFUSED)
    outbox.forget()

    assert not outbox.has_news("")
