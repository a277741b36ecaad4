"""Set-up of every test process."""

import signal


def pytest_configure() -> None:
    """Hear the signals of a terminal: a shell starts what it puts into the background with some of them ignored,
    and whatever the tests start would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
