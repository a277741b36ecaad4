"""The fixtures of the suite."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from jobmon_conformance.bench import Bench
from jobmon_conformance.drive import Drive
from jobmon_conformance.home import Home, opened
from jobmon_conformance.witness import Witness
from jobmon_conformance.work import nothing_is_left


def make_for_each(metafunc: pytest.Metafunc, benches: Mapping[str, type[Bench]]) -> None:
    """For `pytest_generate_tests`: a test for each of these clusters that has what the test needs."""
    if "bench" in metafunc.fixturenames:
        needs = {word for mark in metafunc.definition.iter_markers("needs") for word in mark.args}
        able = {name: made for name, made in benches.items() if needs <= made.abilities}
        metafunc.parametrize("bench", able.values(), ids=able.keys(), indirect=True, scope="session")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A cluster, for all tests of it."""
    with request.param(tmp_path_factory) as made:
        yield made


@pytest.fixture(scope="session")
def home_of_all(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home, with one server, for all tests of a cluster."""
    with opened(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def home(
    bench: Bench,
    home_of_all: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Home]:
    """The home, in which this process is the user's script; a folder and a witness of the test's own."""
    for ability in (word for mark in request.node.iter_markers("needs") for word in mark.args):
        if why := bench.lacks(ability):
            pytest.skip(f"a cluster that {ability} is not to be had here: {why}")
    home = home_of_all
    home.folder, home.witness = tmp_path, Witness(tmp_path / "witness")
    home.environment |= {"WITNESS": str(home.witness.file), **bench.environment}
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    yield home
    (tmp_path / "release").touch()  # for what a failed test left waiting
    nothing_is_left(bench, home)
    home.witness.check()
    if home.data_dir.exists():
        home.check(witness=False)


@pytest.fixture
def drive(bench: Bench, home: Home) -> Iterator[Callable[..., Drive]]:
    """Makes runs whose distributor is the test."""
    with ExitStack() as opened:

        def make(commands: Iterable[str], **options: Any) -> Drive:
            made = Drive(bench, home, commands, **options)
            opened.callback(made.close)
            return made

        yield make
