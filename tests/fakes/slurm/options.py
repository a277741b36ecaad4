"""Command lines as getopt_long reads them."""

import getopt

from fakes.scheduler.call import Refusal

MAY_HAVE_VALUE = ("--nice", "--exclusive", "--propagate", "--get-user-env", "--state")


def read(
    command: str, arguments: list[str], values: str, flags: str, short: str = "", mixed: bool = True
) -> tuple[dict[str, str], list[str]]:
    """(options by long name, what is not an option).

    values and flags are long names, apart by spaces; short is e.g. "J:job-name p:partition h:help q".
    """
    letters = {item[0]: item[1:].lstrip(":") for item in short.split()}
    spec = "".join(item[:2] if item[1:2] == ":" else item[0] for item in short.split())
    names = [f"{name}=" for name in values.split()] + flags.split()
    arguments = [f"{word}=" if word in MAY_HAVE_VALUE and f"{word[2:]}=" in names else word for word in arguments]
    parse = getopt.gnu_getopt if mixed else getopt.getopt
    try:
        given, rest = parse(arguments, spec, names)
    except getopt.GetoptError as error:
        raise Refusal(_complaint(command, error)) from None
    return {(letters[key[1]] if not key.startswith("--") else key[2:]): value for key, value in given}, list(rest)


def _complaint(command: str, error: getopt.GetoptError) -> str:
    dashed = f"--{error.opt}" if len(error.opt) > 1 else error.opt
    if "requires argument" in error.msg:
        return f"{command}: option '{dashed}' requires an argument\nTry \"{command} --help\" for more information"
    what = f"unrecognized option '{dashed}'" if len(error.opt) > 1 else f"invalid option -- '{error.opt}'"
    return f'{command}: {what}\nTry "{command} --help" for more information'


def minutes(text: str) -> int:
    """Of a time limit, rounded up to whole minutes; 0: none. ValueError where it is not one."""
    if text.upper() in ("UNLIMITED", "INFINITE", "-1"):
        return 0
    days, dash, clock = text.rpartition("-")
    fields = [int(field) for field in clock.split(":")]
    if len(fields) > 3 or any(field < 0 for field in fields):
        raise ValueError(text)
    if dash:
        hours, mins, seconds = (*fields, 0, 0)[:3]
        seconds += int(days) * 86400
    elif len(fields) == 3:
        hours, mins, seconds = fields
    else:
        hours, mins, seconds = (0, *fields, 0)[:3]
    return -(-(3600 * hours + 60 * mins + seconds) // 60)


def megabytes(text: str) -> int:
    """Of a memory size; without a unit it is MB. ValueError where it is not one."""
    units = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
    number = text.upper().removesuffix("B")
    unit = number[-1:]
    return -int(-int(number[:-1]) * units[unit] // 1) if unit in units else int(number)
