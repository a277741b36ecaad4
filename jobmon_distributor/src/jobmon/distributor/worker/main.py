"""The life of a worker: claim, run, report. Its exit code is that of its last command.

Starting a process on a node costs a batch system more than many a command does. So a worker that is young asks
with its report for a further attempt of its batch, which it runs in its own place on the cluster.
"""

from __future__ import annotations

import time

from .address import fixed, noted
from .answer import Refused, Unanswered
from .arguments import Arguments, BadArgument, BadEnvironment
from .attempt import ENVIRONMENT_FAILURE, Attempt, say
from .bare import posix
from .deadline import Remembered
from .heartbeat import Heartbeat
from .inbox import Inbox
from .link import Link
from .talk import Grant, Runner, claim

DONE = 0
NEVER_STARTED = 75
BAD_COMMAND_LINE = 199
ADDRESS_SECONDS = 10.0


def run(words: list[str]) -> None:
    """Do the work, then end at once: a thread that hangs in a file system must not keep the node busy."""
    posix._exit(main(words))


def main(words: list[str]) -> int:
    """Run one attempt; the exit code (core.constants.ReturnCodes, else the command's own)."""
    _open_standard_descriptors()
    try:
        return _work(Arguments(words, posix.environ))
    except BadArgument as error:
        say(str(error))
        return BAD_COMMAND_LINE
    except BadEnvironment as error:
        say(str(error))
        return ENVIRONMENT_FAILURE
    except Exception:  # noqa: BLE001  # the top of this process; its guardian ends what it may have started
        import traceback

        say(traceback.format_exc())
        return ENVIRONMENT_FAILURE


def _work(arguments: Arguments) -> int:
    """Until the grant a signal simply ends this process: nothing has been started yet."""
    began = time.monotonic()
    at_url, token_file = arguments.url, arguments.token_file
    locate = fixed(at_url, token_file) if at_url else noted(arguments.server_file, token_file)
    link = Link(locate, read_seconds=arguments.request_timeout_seconds)
    runner = Runner(arguments.node)
    try:
        grant = _await_grant(arguments, runner, link)
    except (Unanswered, Refused) as error:
        return _never_started(error)
    if grant is None:
        say(f"attempt {arguments.index} of batch {arguments.batch_id} is not wanted any more")
        return DONE
    remembered = Remembered(locate, ADDRESS_SECONDS, link.address)
    inbox, exit_code = Inbox(), DONE
    while grant:
        own_link = Link(remembered, read_seconds=arguments.request_timeout_seconds)
        heartbeat = Heartbeat(own_link, runner, grant, inbox)
        attempt = Attempt(arguments, grant, runner, link, heartbeat, inbox, began + arguments.reuse_seconds)
        exit_code = attempt.carry_out()
        grant = attempt.next
        inbox = inbox.successor() if grant else inbox
    return exit_code


def _await_grant(arguments: Arguments, runner: Runner, link: Link) -> Grant | None:
    """Ask for the go until there is one; None when there never will be."""
    while True:
        answer = claim(link, runner, arguments.batch_id, arguments.index, arguments.start_wait_seconds)
        if isinstance(answer, Grant):
            return answer
        link.close()  # the next question is far away, and the server has thousands of us
        if answer.gone:
            return None
        time.sleep(answer.retry_after_seconds)


def _never_started(error: Unanswered | Refused) -> int:
    if isinstance(error, Refused) and error.status == 410:
        say(str(error))
        return DONE
    say(f"never started: {error}")
    return NEVER_STARTED


def _open_standard_descriptors() -> None:
    """Descriptors 0, 1, 2 may be closed in a batch job; no file of ours must get one of these numbers."""
    while (descriptor := posix.open("/dev/null", posix.O_RDWR)) < 3:
        posix.set_inheritable(descriptor, True)
    posix.close(descriptor)
