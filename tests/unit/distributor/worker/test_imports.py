"""What the worker imports: each module costs CPU at every start, or is not there on a bare node."""

import subprocess
import sys
from pathlib import Path

import jobmon.distributor.worker
from fakes.work_peer import BATCH, INDEX, WorkPeer
from jobmon.distributor import worker_file

FOLDER = Path(jobmon.distributor.worker.__path__[0])
ALLOWED = {"_ctypes", "_json", "_socket", "gc", "resource"}  # beyond what an interpreter loads for itself
OF_SOME_LIVES_ONLY = {"address_space", "finder", "spool", "tail"}


def imported(*words: str) -> set[str]:
    """All modules of one life of the interpreter, as it tells them itself."""
    ran = subprocess.run([sys.executable, "-I", "-S", "-X", "importtime", *words], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
    return {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}


def test_a_life_from_claim_to_report_imports_little(peer: WorkPeer, token_file: Path, tmp_path: Path) -> None:
    peer.heartbeat_seconds = 90
    Path(peer.stdout_dir).mkdir(parents=True)
    Path(peer.stderr_dir).mkdir(parents=True)
    file = worker_file.build(tmp_path)
    options = {
        "batch-id": BATCH, "index": INDEX, "url": peer.url, "token-file": token_file,
        "spool-dir": tmp_path / "spool",
    }  # fmt: skip

    modules = imported(str(file), *(f"--{name}={value}" for name, value in options.items()))
    own = {name.removeprefix("jobmon_worker.") for name in modules if name.startswith("jobmon_worker.")}
    others = {name for name in modules if name.partition(".")[0] != "jobmon_worker"}

    assert peer.outcome().status == "D"
    assert own == {path.stem for path in FOLDER.glob("[!_]*.py")} - OF_SOME_LIVES_ONLY
    assert others - imported("-c", "pass") <= ALLOWED


def test_every_import_is_of_the_standard_library() -> None:
    rare = "; ".join(f"import worker.{name}" for name in OF_SOME_LIVES_ONLY)
    modules = imported("-c", f"import sys; sys.path.append({str(FOLDER.parent)!r}); import worker.main; {rare}")

    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"worker"}
    assert foreign == {"imported package"}


def test_its_package_is_a_docstring_only() -> None:
    lines = (FOLDER / "__init__.py").read_text().splitlines()

    assert len(lines) == 1
    assert lines[0].startswith('"""')
