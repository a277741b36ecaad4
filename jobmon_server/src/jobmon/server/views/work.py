"""Talk with whoever runs commands."""

from jobmon.core import routes
from jobmon.core.wire import WorkAnswer, WorkRequest
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store.work import work as do_work


@handles(routes.WORK)
def work(service: Service, sent: WorkRequest) -> WorkAnswer:
    """Take outcomes and signs of life, answer claims."""
    service.admission.prefer_results(sent)
    rules = service.rules._replace(allow=service.caller.allow("work"))
    answer, touched = service.write(lambda c, at: do_work(c, sent, rules, at))
    service.signals.tell(touched)
    service.metrics.worked(sent, answer)
    return answer
