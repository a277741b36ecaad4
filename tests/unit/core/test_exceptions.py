"""The tree of errors and what each is over HTTP."""

import re

import pytest

from jobmon.core import exceptions
from jobmon.core.exceptions import InvalidStateTransition, JobmonError, SubmitRefused, by_name

CLASSES = {
    name: found
    for name, found in vars(exceptions).items()
    if isinstance(found, type) and issubclass(found, JobmonError)
}
STATUS = {
    "InvalidRequest": 400,
    "Unauthorized": 401,
    "Forbidden": 403,
    "NotFound": 404,
    "Conflict": 409,
    "Superseded": 410,
    "VersionMismatch": 426,
    "ServerError": 500,
    "ServerBusy": 503,
    "TooManyRequests": 429,
    "StorageFull": 507,
}
BUILT_IN = {
    "InvalidMemoryFormat": ValueError,
    "InvalidMemoryUnit": ValueError,
    "InvalidRuntimeFormat": ValueError,
    "InvalidResources": ValueError,
    "UnknownCluster": ValueError,
    "EmptyWorkflowError": RuntimeError,
    "DuplicateNodeArgsError": ValueError,
    "CyclicGraphError": ValueError,
    "NodeDependencyNotExistError": ValueError,
    "CallableReturnedInvalidObject": ValueError,
    "RunTimeout": RuntimeError,
}


def drawn() -> dict[str, str]:
    """Each class of the tree at the head of the module with its parent there.

    A line names a class with its sense behind it, or several, or a class with those below it after a colon;
    a line that ends with a comma goes on in the next one.
    """
    text = re.sub(r",\n    \|\s+", ", ", exceptions.__doc__ or "")
    parents: dict[str, str] = {}
    above = {0: "JobmonError"}
    for bars, line in re.findall(r"^    ((?:\|   )*)[|`]-- (.*)$", text, re.MULTILINE):
        depth = len(bars) // 4
        names, _, below = re.match(r"(\w+(?:, \w+)*)(: (.*))?", line).groups()  # type: ignore[union-attr]
        parents |= dict.fromkeys(names.split(", "), above[depth])
        parents |= dict.fromkeys((below or "").split(", "), names)
        above[depth + 1] = names
    parents.pop("")
    return parents


def test_the_tree_that_is_drawn_is_the_real_one() -> None:
    real = {
        name: next(base.__name__ for base in found.__bases__ if issubclass(base, JobmonError))
        for name, found in CLASSES.items()
        if found is not JobmonError
    }

    assert drawn() == real


@pytest.mark.parametrize("name", CLASSES)
def test_each_class_says_when_it_happens_and_which_status_it_is(name: str) -> None:
    found = CLASSES[name]
    inherited = [STATUS[base.__name__] for base in found.__mro__ if base.__name__ in STATUS]

    assert found.__doc__ and found.__doc__.strip().endswith(".")
    assert found.http_status == (inherited[0] if inherited else 500)


@pytest.mark.parametrize("name", BUILT_IN)
def test_scripts_may_catch_what_they_always_caught(name: str) -> None:
    assert issubclass(CLASSES[name], BUILT_IN[name])


def test_an_error_that_comes_over_http_is_its_own_class_with_its_own_text() -> None:
    for name, found in CLASSES.items():
        raised = by_name(name)("what failed, where")

        assert type(raised) is found
        assert str(raised) == "what failed, where"


@pytest.mark.parametrize("name", ["", "Nonsense", "by_name", "ValueError", "__doc__", "Exception", "os"])
def test_a_name_of_a_later_version_or_of_something_else_is_the_root(name: str) -> None:
    assert by_name(name) is JobmonError


def test_an_illegal_move_names_what_from_where_and_to() -> None:
    assert str(InvalidStateTransition("task", 7, "D", "G")) == "task 7 cannot go from D to G"


def test_a_refusal_carries_its_class() -> None:
    assert SubmitRefused("no").failure_class == "infrastructure"
    assert SubmitRefused("no", "fatal").failure_class == "fatal"
