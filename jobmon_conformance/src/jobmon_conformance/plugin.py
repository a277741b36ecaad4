"""What pytest has to know before it collects: the option `--bench`, and the suite's marks."""

import importlib

import pytest

pytest.register_assert_rewrite("jobmon_conformance")


def pytest_addoption(parser: pytest.Parser) -> None:
    """A bench for each of the clusters that the suite is run over."""
    parser.getgroup("jobmon").addoption(
        "--bench",
        action="append",
        default=[],
        metavar="MODULE:CLASS",
        help="run Jobmon's conformance suite over this cluster: pytest --pyargs jobmon_conformance --bench=...",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Tests may need what not every cluster has, and name the promises that they keep."""
    config.addinivalue_line(
        "markers", "needs(ability): a test of clusters that have it, see jobmon_conformance.bench"
    )
    config.addinivalue_line("markers", "promise(number): the row of docs/reliability.md that this test keeps")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each bench of the command line."""
    named = metafunc.config.getoption("bench")
    if named and "bench" in metafunc.fixturenames:
        from jobmon_conformance.fixtures import make_for_each

        make_for_each(metafunc, {name.partition(":")[2]: _found(name) for name in named})


def _found(name: str) -> type:
    module, _, attribute = name.partition(":")
    try:
        found: type = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"--bench={name} should be MODULE:CLASS of a bench: {error}") from error
    return found
