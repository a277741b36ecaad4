"""What commands saw of themselves: one line for each start and each end, in the order in which it happened.

A line is `attempt,task:pid:uptime,start` (or `end` after success, `fail` after failure), appended in one write.
The order of the lines is the evidence: a start is written after the command began and an end before it was
over, so whatever overlaps in the file did overlap.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

# Defines `note WORD` for a command's shell; nothing is forked for it.
NOTE = (
    'note() { local up; read -r up _ < /proc/uptime; printf "%s,%s:%s:%s,%s\\n" '
    '"$JOBMON_TASK_INSTANCE_ID" "$JOBMON_TASK_ID" "$$" "$up" "$1" >> "$WITNESS"; }; '
)


def noted(command: str) -> str:
    """The command with a line before it and, when it succeeds, one after it."""
    return f"{NOTE}note start; {{ {command}; }} && note end || {{ code=$?; note fail; exit $code; }}"


class Line(NamedTuple):
    """One line."""

    attempt: int
    task: int
    pid: int
    uptime: float
    word: str


class Witness:
    """The file of one test."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def lines(self) -> list[Line]:
        """All that was said so far."""
        text = self.file.read_text() if self.file.exists() else ""
        return [_parsed(line) for line in text.splitlines()]

    def count(self) -> int:
        """How many lines there are."""
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def starts(self) -> Counter[int]:
        """How often each task was started."""
        return Counter(line.task for line in self.lines() if line.word == "start")

    def ends(self) -> set[int]:
        """The tasks whose command said that it succeeded."""
        return {line.task for line in self.lines() if line.word == "end"}

    def most_at_once(self, after: int = 0) -> int:
        """How many commands ran side by side, at most, from line `after` on."""
        running: set[int] = set()
        most = 0
        for number, line in enumerate(self.lines()):
            running = running | {line.attempt} if line.word == "start" else running - {line.attempt}
            most = max(most, len(running)) if number >= after else most
        return most

    def check(self) -> None:
        """No attempt was started twice, and attempts of one task never ran side by side, as far as they tell.

        A command that was killed says no end: its attempt is over when the next one of its task begins.
        """
        starts = Counter(line.attempt for line in self.lines() if line.word == "start")
        assert max(starts.values(), default=1) == 1, f"started twice: {starts.most_common(3)}"
        newest: defaultdict[int, int] = defaultdict(int)
        for line in self.lines():
            if line.word == "start":
                assert line.attempt > newest[line.task], f"an older attempt started after a newer one: {line}"
                newest[line.task] = line.attempt
            assert line.attempt == newest[line.task], f"it went on although a newer attempt had started: {line}"


def _parsed(line: str) -> Line:
    attempt, middle, word = line.split(",")
    task, pid, uptime = middle.split(":")
    return Line(int(attempt), int(task), int(pid), float(uptime), word)
