"""The interpreter's own modules, held against the public ones that they stand in for."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jobmon.distributor.worker import bare

OBJECTS: list[dict[str, Any]] = [
    {},
    {"a": [1, -2.5, 1e300, True, False, None], "b": {"c": {}, "d": []}},
    {"grüß": '\0\x1b\u2028\U0001f600"\\/\n', "": "x" * 100_000},
    {"big": 2**70, "small": 5e-324, "infinite": float("inf")},
]


@pytest.mark.parametrize("thing", OBJECTS)
def test_json_is_written_as_the_public_module_does(thing: dict[str, Any]) -> None:
    assert bare.encode(thing) == json.dumps(thing).encode()


@pytest.mark.parametrize("thing", OBJECTS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_is_read_as_the_public_module_does(thing: dict[str, Any], ascii_only: bool) -> None:
    assert bare.decode(json.dumps(thing, ensure_ascii=ascii_only).encode()) == thing


@pytest.mark.parametrize(
    "bad", [b"", b"{", b'{"a"}', b'{"a": 1', b'{"a": x}', b'{"a": "\n"}', b"{} {}", b'{"a": "\xff"}', b'{"a": 1,}']
)
def test_what_is_not_json_is_a_value_error(bad: bytes) -> None:
    with pytest.raises(ValueError, match="char|codec"):
        bare.decode(bad)


CODE = """
import sys
sys.path.append(sys.argv[1])
if len(sys.argv) > 2:
    import ctypes, json, signal, socket
    sys.modules[sys.argv[2]] = None
from worker.bare import decode, encode, posix, prctl, signal, socket
prctl(36, 1)
if not posix.fork():
    posix._exit(7 if posix.fork() else 8)
ended = sorted(posix.waitstatus_to_exitcode(posix.waitpid(-1, 0)[1]) for _ in range(2))
print(decode(encode({"a": [1]})), signal.SIGTERM + 0, socket.AF_UNIX + 0, ended)
"""


@pytest.mark.parametrize("missing", [[], ["_json"], ["_signal"], ["_socket"], ["_ctypes"]])
def test_where_a_private_module_is_missing_the_public_one_stands_in(missing: list[str]) -> None:
    folder = Path(bare.__file__).parent.parent

    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE, folder, *missing], capture_output=True, text=True
    )

    assert (ran.stdout, ran.stderr) == ("{'a': [1]} 15 1 [7, 8]\n", "")
