"""Telling from what a command said that it lacked address space."""

import resource
from collections.abc import Iterator

import pytest

from jobmon.distributor.worker.address_space import shortage


@pytest.fixture
def limited() -> Iterator[None]:
    """This process may take a tebibyte."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**40, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.promise("F32")
@pytest.mark.parametrize(
    "words",
    [
        "Traceback (most recent call last):\nMemoryError",
        "numpy.exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB",
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "Error: cannot allocate vector of size 7.5 Gb",
        "bash: fork: Cannot allocate memory",
        "java.lang.OutOfMemoryError: Java heap space",
        "memory allocation of 8589934592 bytes failed",
    ],
)
@pytest.mark.usefixtures("limited")
def test_complaints_of_memory_under_a_limit_are_a_shortage(words: str) -> None:
    assert shortage(f"reading\n{words}\n") == "the address space of each process is limited to 1048576 MiB here"


@pytest.mark.usefixtures("limited")
def test_other_complaints_are_none() -> None:
    assert shortage("FileNotFoundError: there is no memory.txt") == ""


def test_without_a_limit_there_is_no_shortage() -> None:
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    assert shortage("MemoryError") == ""
