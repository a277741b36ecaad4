"""What the server has not been told yet."""

from collections.abc import Iterable

from jobmon.core.ids import BatchId
from jobmon.core.wire import AdvanceRequest, Launched, Observed, Pace, Refused
from jobmon.distributor.actions import Report


class Outbox:
    """Reports on their way. Not locked: whoever shares it between threads holds a lock."""

    def __init__(self) -> None:
        """Nothing to tell."""
        self._reports: list[Report] = []
        self._in_flight: dict[int, AdvanceRequest] = {}
        self._told_notice = ""

    def add(self, report: Report) -> None:
        """This must be told."""
        self._reports.append(report)

    def has_news(self, notice: str) -> bool:
        """Whether there is anything that the server does not know and is not being told just now."""
        return bool(self._reports) or notice != self._told_notice

    def take(
        self,
        fence: int,
        in_hand: Iterable[BatchId],
        paces: list[Pace],
        notice: str,
        wait_seconds: float,
        spare_mark: int = 0,
    ) -> AdvanceRequest:
        """The next request, with all reports in it."""
        reports, self._reports = self._reports, []
        on_their_way = (batch_id for request in self._in_flight.values() for batch_id in _batches(request))
        request = AdvanceRequest(
            fence=fence,
            in_hand=[*in_hand, *on_their_way],
            launched=[report for report in reports if isinstance(report, Launched)],
            refused=[report for report in reports if isinstance(report, Refused)],
            observed=[report for report in reports if isinstance(report, Observed)],
            paces=paces,
            notice=notice,
            spare_mark=spare_mark,
            wait_seconds=wait_seconds,
        )
        self._in_flight[id(request)] = request
        self._told_notice = notice
        return request

    def told(self, request: AdvanceRequest) -> None:
        """The server answered this request."""
        del self._in_flight[id(request)]

    def forget(self) -> None:
        """Nobody listens any more."""
        self._reports.clear()
        self._told_notice = ""

    def put_back(self, request: AdvanceRequest) -> None:
        """The server failed to take this request: all of it must be told again."""
        del self._in_flight[id(request)]
        self._reports[:0] = [*request.launched, *request.refused, *request.observed]
        self._told_notice = ""


def _batches(request: AdvanceRequest) -> list[BatchId]:
    launched = [report.batch_id for report in request.launched]
    return launched + [report.batch_id for report in request.refused]
