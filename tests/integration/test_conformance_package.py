"""The conformance suite where the author of a plugin has it: installed, far from this repository's tests."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
PBS = ROOT / "examples" / "plugins" / "pbs"
FOLDERS = ("jobmon_core", "jobmon_server", "jobmon_distributor", "jobmon_client", "jobmon_conformance")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with Jobmon, the suite and the example plugin; nothing in it is a link to here."""
    place = tmp_path_factory.mktemp("author") / "venv"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, place], check=True)
    folders = [ROOT / name for name in FOLDERS] + [PBS]
    subprocess.run([*uv, "pip", "install", "--python", place, *folders], check=True, timeout=400)
    return place / "bin" / "python"


def test_the_suite_passes_over_the_example_plugin(python: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "JOBMON"))}
    words = ["-m", "pytest", "--pyargs", "jobmon_conformance.test_contract", "--bench=pbs_bench:Pbs", "-v"]
    ran = subprocess.run(
        [python, *words, f"--basetemp={tmp_path / 'tests'}"],
        cwd=empty,
        env=clean | {"PYTHONPATH": str(PBS / "tests")},
        capture_output=True,
        text=True,
        timeout=400,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(re.findall(r"::test_\w+\[Pbs\] PASSED", ran.stdout)) >= 15
    assert str(ROOT) not in ran.stdout


def test_a_bench_that_is_not_there_is_named(python: Path, tmp_path: Path) -> None:
    words = ["-m", "pytest", "--pyargs", "jobmon_conformance", "--bench=nowhere:Moon"]
    ran = subprocess.run([python, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert ran.returncode != 0
    assert "--bench=nowhere:Moon should be MODULE:CLASS of a bench: No module named 'nowhere'" in ran.stdout
