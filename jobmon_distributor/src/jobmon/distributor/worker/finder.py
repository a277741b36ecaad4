"""Finds the worker's modules in the one file that it is started from, of which this is the beginning.

`distributor/worker_file.py` fills `MODULES` in the line after this text. The import system's own ways, a folder
or a zip file, take longer: they look at the disk for each module.
"""

import gc
import marshal
import sys
from _frozen_importlib import ModuleSpec  # `importlib.machinery` costs CPU

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

MODULES: dict[str, bytes] = {}  # code by name


class Finder:
    """A finder in the sense of `sys.meta_path`, its own loader too."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """Where a module of that name is: here, if anywhere."""
        return ModuleSpec(name, cls, is_package="." not in name) if name in MODULES else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """Let Python make it."""

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        """Fill it."""
        exec(marshal.loads(MODULES[module.__name__]), vars(module))  # noqa: S102  # part of this file


gc.disable()  # until all is loaded, which is never looked through then: there is no garbage in it
sys.meta_path.insert(0, Finder)
