import os
import signal
import subprocess

from jobmon.core.processes import lives


def test_this_process_lives():
    assert lives(os.getpid())


def test_a_killed_process_that_nobody_collected_does_not_live():
    process = subprocess.Popen(["sleep", "60"])
    before = lives(process.pid)
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert (before, lives(process.pid)) == (True, False)
    assert process.wait() == -signal.SIGKILL
    assert not lives(process.pid)
