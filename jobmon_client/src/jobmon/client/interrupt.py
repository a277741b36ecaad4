"""Ctrl-C while a run is followed: what does the user want?"""

import sys
from typing import Literal

from jobmon.client.said import say

Wish = Literal["detach", "stop", "go on"]

_WISHES: dict[str, Wish] = {"d": "detach", "s": "stop", "g": "go on"}
QUESTION = (
    "\nInterrupted. [d]etach: the run goes on without this script; [s]top: running tasks are killed, the rest "
    "can be resumed; [g]o on. Your choice (d/s/g, Ctrl-C again stops): "
)


def ask_user() -> Wish:
    """Ask on the terminal. Without one, and when the question itself is interrupted, the answer is to stop."""
    if not sys.stdin or not sys.stdin.isatty():
        return "stop"
    try:
        while True:
            say(QUESTION, end="")
            answer = sys.stdin.readline()
            if not answer:  # the terminal is gone
                return "detach"
            if wish := _WISHES.get(answer.strip().lower()[:1]):
                return wish
    except KeyboardInterrupt:
        return "stop"
    except OSError:  # it is gone, and we are no more in its foreground
        return "detach"
