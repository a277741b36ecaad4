import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def test_a_process_lives_on_in_its_threads():
    script = """
import ctypes, sys, threading
threading.Thread(target=lambda: (print(), sys.stdin.read())).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with subprocess.Popen(
        [sys.executable, "-uc", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        deadline = time.monotonic() + 60
        while b") Z " not in Path(f"/proc/{process.pid}/stat").read_bytes():
            assert time.monotonic() < deadline, "its first thread does not end"
            time.sleep(0.01)
        before = lives(process.pid)
        process.stdin.close()
        process.wait(60)

    assert before
    assert not lives(process.pid)
