"""What the worker may not import: each costs CPU at every start, or is not there on a bare node."""

import subprocess
import sys
from pathlib import Path

import jobmon.distributor.worker

FORBIDDEN = {
    "argparse", "asyncio", "concurrent", "ctypes", "dataclasses", "email", "http", "importlib.metadata",
    "inspect", "jobmon", "logging", "multiprocessing", "msgspec", "pathlib", "random", "requests", "shutil",
    "site", "ssl", "subprocess", "tempfile", "traceback", "typing", "urllib", "uuid", "yaml",
}  # fmt: skip
FOLDER = Path(jobmon.distributor.worker.__path__[0])


def imported(code: str) -> set[str]:
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(FOLDER.parent)!r}); {code}"]
    listed = f"{words[-1]}; print(*sys.modules)"
    return set(subprocess.run([*words[:-1], listed], capture_output=True, text=True, check=True).stdout.split())


def test_the_worker_imports_little() -> None:
    modules = imported("import worker.main")

    assert "worker.attempt" in modules
    assert {name for name in modules if name in FORBIDDEN or name.partition(".")[0] in FORBIDDEN} == set()


def test_every_import_is_of_the_standard_library() -> None:
    modules = imported("import worker.main")

    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"worker"}
    assert foreign == {"__main__"}


def test_its_package_is_a_docstring_only() -> None:
    lines = (FOLDER / "__init__.py").read_text().splitlines()

    assert len(lines) == 1
    assert lines[0].startswith('"""')
