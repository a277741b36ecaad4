"""The native specification: options of qsub in a string, with what Grid Engine says of wrong ones."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fakes.drmaa import words
from fakes.drmaa.settings import HOST, Settings
from fakes.scheduler.call import Refusal

DENIED, INVALID = 17, 4
ALONE = {"-V", "-cwd", "-h", "-hard", "-soft", "-notify", "-terse"}  # options without a value
IGNORED = {"-S", "-M", "-m", "-js", "-R", "-b", "-shell", "-ac", "-dc", "-sc", "-now", "-t", "-sync", "-binding"}
IGNORED |= {"-o", "-e", "-N", "-a", "-c", "-masterq", "-i", "-wd"}
TIMES, MEMORIES = {"h_rt", "s_rt", "h_cpu", "s_cpu"}, {"h_vmem", "s_vmem", "mem_free", "h_rss", "virtual_free"}
OTHERS = {"hostname", "h", "arch", "num_proc", "qname", "h_fsize", "tmpdir", "m_mem_free"}


def denied(text: str) -> Refusal:
    """DeniedByDrmException."""
    return refusal(DENIED, text)


def refusal(code: int, text: str) -> Refusal:
    """The error of this code, with words that have no newline of ours at their end."""
    error = Refusal(text, code)
    error.answer.stderr = text
    return error


@dataclass
class Native:
    """What the options say, as fields of Request."""

    settings: Settings
    fields: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    verifies: bool = True


def read(text: str, settings: Settings) -> Native:
    """All options of a specification."""
    native = Native(settings)
    left = shlex.split(text)
    while left:
        option = left.pop(0)
        if option in ALONE:
            if option in ("-h", "-notify"):
                native.fields["held" if option == "-h" else "notify"] = True
            continue
        if option not in READERS and option not in IGNORED:
            raise denied(f'invalid option argument "{option}"\n')
        if not left or left[0].startswith("-") and option != "-p":
            what = "queue list argument" if option == "-q" else "argument"
            raise denied(f"{option} option must have {what}\n")
        value = left.pop(0)
        if option == "-pe":
            if not left:
                raise denied("-pe option must have range as 2nd argument\n")
            value += f" {left.pop(0)}"
        READERS.get(option, lambda native, value: None)(native, value)
    return native


def _queues(native: Native, value: str) -> None:
    for name in value.split(","):
        queue, _, host = name.partition("@")
        if native.settings.queue(queue) is None and queue != "*" or host not in ("", HOST):
            raise denied(f'Job was rejected because job requests unknown queue "{name}"')
    native.fields["queues"] = tuple(name.partition("@")[0] for name in value.split(",") if name != "*")


def _project(native: Native, value: str) -> None:
    if value not in native.settings.projects:
        raise denied(f'job rejected: the requested project "{value}" does not exist')
    native.fields["project"] = value


def _parallel(native: Native, value: str) -> None:
    name, slots = value.split()
    try:
        native.fields["slots"] = int(slots.partition("-")[0])
    except ValueError:
        initial = f'The initial portion of string "{slots}" contains no decimal number'
        raise denied(f"Numerical value invalid!\n{initial}") from None
    if name not in native.settings.parallel:
        raise denied(f'job rejected: the requested parallel environment "{name}" does not exist')
    native.fields["parallel"] = name


def _resources(native: Native, value: str) -> None:
    for item in value.split(","):
        name, _, amount = item.partition("=")
        if name == "slots":
            raise denied('"job" denied: use parallel environments instead of requesting slots explicitly')
        if name not in TIMES | MEMORIES | OTHERS:
            raise denied(f'unknown resource "{name}"')
        _check(name, amount)
        native.resources[name] = amount


def _check(name: str, amount: str) -> None:
    try:
        if name in TIMES:
            words.seconds(amount)
        if name in MEMORIES:
            words.memory(amount)
    except ValueError:
        kind = "time" if name in TIMES else "memory"
        raise denied(f'attribute "{name}" is not a {kind} value') from None


def _priority(native: Native, value: str) -> None:
    if not -1023 <= int(value) <= 1024:
        raise denied(f'invalid priority "{value}".  Must be an integer from -1023 to 1024\n')
    native.fields["priority"] = int(value)


def _at_once(native: Native, value: str) -> None:
    if not value.isdecimal():
        text = "Must be an integer greater or equal to 0."
        raise denied(f'invalid task concurrency number "{value}". {text}\n')
    native.fields["at_once"] = int(value)


def _is_yes(option: str, value: str) -> bool:
    if value not in ("y", "n", "yes", "no"):
        raise denied(f'invalid option argument "{option} {value}"\n')
    return value.startswith("y")


def _merge(native: Native, value: str) -> None:
    native.fields["merge"] = _is_yes("-j", value)


def _rerun(native: Native, value: str) -> None:
    _is_yes("-r", value)  # who is rescheduled by hand or by exit code 99 runs again whatever it says


def _verify(native: Native, value: str) -> None:
    if value not in ("e", "w", "n", "v", "p"):
        raise denied(f'invalid option argument "-w {value}"\n')
    native.verifies = value == "e"


def _variables(native: Native, value: str) -> None:
    native.variables |= dict(item.partition("=")[::2] for item in value.split(","))


READERS: dict[str, Callable[[Native, str], None]] = {
    "-A": lambda native, value: native.fields.update(account=value),
    "-P": _project,
    "-hold_jid": lambda native, value: native.fields.update(waits_for=tuple(value.split(","))),
    "-j": _merge,
    "-l": _resources,
    "-p": _priority,
    "-pe": _parallel,
    "-q": _queues,
    "-r": _rerun,
    "-tc": _at_once,
    "-v": _variables,
    "-w": _verify,
}
