"""Identity: one canonical text for every argument value, and the hashes made of it.

A workflow is resumed by comparing these hashes with stored ones, so they must never change: a golden file
(tests/unit/core/golden_hashes.json) pins them. The canonical text of plain values is, byte for byte, that of
`json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))`; the faster encoder below is
used only where it writes the same (it does not for floats: 1e16 and 1e+16).

What is alike: numpy's scalars and arrays and their Python counterparts; a tuple and a list; an Enum member
and its value; a date, time, Path or Decimal and its text. What differs: 1, 1.0, "1" and True, because they
give different commands.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath

import msgspec

HASH_BYTES = 16

_PLAIN = frozenset({str, int, bool, type(None)})
_encode_plain = msgspec.json.Encoder(order="deterministic").encode
_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def canonical(value: object, where: str = "value") -> bytes:
    """The canonical JSON of a value; `where` names it in errors.

    Raises TypeError, naming the type and the place, for a value without a canonical form, and ValueError for
    a text that is not Unicode (lone surrogates).
    """
    if type(value) is dict and _PLAIN.issuperset(map(type, value.values())):
        try:
            return _encode_plain(value)
        except (TypeError, UnicodeEncodeError):
            pass  # an odd key or text: the slower way below says which
    return _encode(_jsonable(value, where)).encode()


def node_hash(template_version_key: bytes | str, node_args: Mapping[str, object]) -> bytes:
    """The identity (16 bytes) of a task within its workflow: its template version and its node arguments."""
    key = template_version_key.encode() if isinstance(template_version_key, str) else template_version_key
    return _digest(key, canonical(node_args, "node_args"))


def task_hash(node_hash: bytes, task_args: Mapping[str, object]) -> bytes:
    """The hash (16 bytes) of a node together with its task arguments."""
    return _digest(node_hash, canonical(task_args, "task_args"))


def upstream_hash(hashes: Iterable[bytes]) -> bytes:
    """The hash (16 bytes) of a set of upstream hashes (16 bytes each), in whatever order they come."""
    return blake2b(b"".join(sorted(hashes)), digest_size=HASH_BYTES).digest()


def text_hash(text: str) -> str:
    """The hash of a text, as 32 hexadecimal digits. Raises ValueError for lone surrogates."""
    return blake2b(_text(text, "text").encode(), digest_size=HASH_BYTES).hexdigest()


def template_key(
    name: str, command_template: str, node_args: Iterable[str], task_args: Iterable[str], op_args: Iterable[str]
) -> str:
    """The identity of a task template version, as 32 hexadecimal digits; the order of arguments is no matter."""
    kinds = [sorted(kind) for kind in (node_args, task_args, op_args)]
    return text_hash(canonical([name, command_template, *kinds], "task template").decode())


def digests(key: bytes, bodies: Iterable[bytes]) -> list[bytes]:
    """Many at once, from canonical forms: `digests(key, [canonical(args)])[0]` is `node_hash(key, args)`."""
    # JSON holds no NUL byte: the last one parts key and body, whatever the key is made of.
    start = b"%b\0" % key
    return [blake2b(start + body, digest_size=HASH_BYTES).digest() for body in bodies]


def _digest(key: bytes, body: bytes) -> bytes:
    return digests(key, (body,))[0]


def _jsonable(value: object, where: str) -> object:
    """The value made of what JSON knows: a few types in, one form out."""
    match value:
        case Enum():
            return _jsonable(value.value, where)
        case None | bool():
            return value
        case int():
            return int(value)
        case str():
            return _text(value, where)
        case float():
            return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
        case Mapping():
            return {_key(key, where): _jsonable(item, f"{where}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item, f"{where}[{index}]") for index, item in enumerate(value)]
        case set() | frozenset():
            return sorted((_jsonable(item, f"{where}{{}}") for item in value), key=_encode)
        case bytes() | bytearray():
            return {"$bytes": value.hex()}
        case date() | time():  # a datetime is a date
            return value.isoformat()
        case PurePath() | Decimal():
            return _text(str(value), where)
    if type(value).__module__ == "numpy":
        return _jsonable(_from_numpy(value, where), where)
    raise _no_form(value, where)


def _from_numpy(value: object, where: str) -> object:
    """A Python value for numpy's; found by its attributes, so that numpy is not imported."""
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape is None or dtype.kind not in "biufUSmM":
        raise _no_form(value, where)
    if shape:
        return list(value)  # type: ignore[call-overload]
    if dtype.kind in "mM":
        return str(value)  # item() would make a bare int of datetime64[ns]
    return value.item() if dtype.kind != "f" else float(value)  # type: ignore[attr-defined, arg-type]


def _key(key: object, where: str) -> str:
    if isinstance(key, str):
        return _text(key, f"a key of {where}")
    raise TypeError(f"{where} has the key {key!r} of type {type(key).__qualname__}; keys must be texts")


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{where} is not Unicode text: it holds {text[error.start]!r} at position {error.start}, a byte "
            "that could not be decoded; rename the file or decode with the right encoding"
        ) from None
    return str(text)


def _no_form(value: object, where: str) -> TypeError:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    return TypeError(
        f"{where} is of type {kind}, which has no canonical form; pass a text, number, date, list or dict"
    )
