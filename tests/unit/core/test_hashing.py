"""Canonical JSON and the identities made of it; the golden file pins both for ever."""

import enum
import json
import math
from collections import OrderedDict
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePosixPath
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.hashing import canonical, node_hash, task_hash, text_hash, upstream_hash

GOLDEN = Path(__file__).parent / "golden_hashes.json"


class Sex(enum.IntEnum):
    FEMALE = 2


CASES: dict[str, dict[str, object]] = {
    "nothing": {},
    "integers": {"year": 1990, "location_id": 5},
    "negative and large": {"a": -1, "b": 2**63, "c": 10**30},
    "true, false, none": {"a": True, "b": False, "c": None},
    "text": {"a": "plain", "b": "", "c": "1"},
    "a whole command": {"arg": "echo \"a b\" 'c' $(date) `id` \\ / \t\n\r\x00\x01\x1f\x7f"},
    "unicode": {"ü": "Zürich 東京 🜚", "a": "\u2028\u2029\xa0"},
    "floats": {"a": 1.0, "b": 0.1, "c": 1e16, "d": 1e-7, "e": -0.0, "f": 5e-324, "g": 1.5e300},
    "odd floats": {"a": math.nan, "b": math.inf, "c": -math.inf},
    "lists": {"a": [1, 2.5, "x", None, [True]], "b": (1, 2)},
    "mappings": {"b": {"y": 1, "x": {"z": 2}}, "a": OrderedDict(d=1, c=2)},
    "sets": {"a": {3, 1, 2}, "b": frozenset({"y", "x"})},
    "dates": {
        "a": date(2020, 2, 29),
        "b": datetime(2020, 2, 29, 12, 30, 15, 250),
        "c": datetime(2020, 2, 29, tzinfo=UTC),
        "d": time(12, 30),
    },
    "bytes": {"a": b"\x00\xff"},
    "paths and decimals": {"a": PurePosixPath("/data/in put.csv"), "b": Decimal("1.10")},
    "enum": {"sex": Sex.FEMALE},
    "numpy": {
        "a": np.int64(3),
        "b": np.float64(0.5),
        "c": np.bool_(True),
        "d": np.str_("x"),
        "e": np.array([[1, 2], [3, 4]]),
        "f": np.float32(0.1),
        "g": np.datetime64("2020-02-29"),
        "h": np.array(["2020-02-29T12:00"], dtype="datetime64[ns]"),
    },
}


def computed(args: dict[str, object]) -> dict[str, str]:
    node = node_hash(b"template version 1", args)
    return {
        "canonical": canonical(args).decode(),
        "node_hash": node.hex(),
        "task_hash": task_hash(node, args).hex(),
        "text_hash": text_hash(canonical(args).decode()),
    }


@pytest.mark.promise("F73")
def test_hashes_are_those_of_every_version_before() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))

    assert {name: computed(args) for name, args in CASES.items()} == golden["arguments"]
    assert upstream_hash([b"a" * 16, b"b" * 16]).hex() == golden["upstream_hash"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_plain_values_have_the_text_that_pythons_own_encoder_gives_them(value: object) -> None:
    expected = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    assert canonical(value) == expected


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_the_order_of_arguments_does_not_matter(args: dict[str, object]) -> None:
    backwards = dict(reversed(args.items()))

    assert node_hash("t", backwards) == node_hash("t", args)
    assert node_hash("t", MappingProxyType(args)) == node_hash("t", args)


@pytest.mark.promise("F73")
@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        (np.int64(3), 3),
        (np.uint8(3), 3),
        (np.float64(0.1), 0.1),
        (np.longdouble(0.5), 0.5),
        (np.bool_(False), False),
        (np.str_("x"), "x"),
        (np.bytes_(b"x"), b"x"),
        (np.array([1, 2]), [1, 2]),
        (np.array([]), []),
        (np.array(5), 5),
        (np.array([0.5, math.nan]), [0.5, math.nan]),
        (np.datetime64("2020-02-29"), date(2020, 2, 29)),
        (np.timedelta64(3, "s"), "3 seconds"),
        ([np.int64(1), {"a": np.int8(2)}], [1, {"a": 2}]),
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (Sex.FEMALE, 2),
        (Path("/a"), "/a"),
        (date(2020, 2, 29), "2020-02-29"),
        (Decimal("1.10"), "1.10"),
        (bytearray(b"x"), b"x"),
    ],
)
def test_an_odd_value_has_the_identity_of_its_plain_one(odd: object, plain: object) -> None:
    assert canonical(odd) == canonical(plain)
    assert node_hash("t", {"x": odd}) == node_hash("t", {"x": plain})


def test_values_that_give_different_commands_have_different_identities() -> None:
    values: list[object] = [1, 1.0, "1", True, "True", "true", None, "None", "null", "", [], [1], {}, b"1"]
    values += [math.nan, "nan", math.inf, -math.inf, 0.0, -0.0, 0, False, " 1", "1\n"]

    assert len({node_hash("t", {"x": value}) for value in values}) == len(values)


def test_names_values_and_templates_are_all_part_of_an_identity() -> None:
    hashes = {
        node_hash("t", {"a": 1}),
        node_hash("t", {"b": 1}),
        node_hash("t", {"a": 2}),
        node_hash("t", {}),
        node_hash("u", {"a": 1}),
        node_hash('t\0{"a":1}', {"a": 1}),
        task_hash(node_hash("t", {"a": 1}), {}),
        task_hash(node_hash("t", {"a": 1}), {"a": 1}),
    }

    assert len(hashes) == 8
    assert {len(value) for value in hashes} == {16}


def test_a_template_key_is_the_same_as_text_and_as_bytes() -> None:
    assert node_hash("ü", {"a": 1}) == node_hash("ü".encode(), {"a": 1})


def test_the_order_of_upstreams_does_not_matter() -> None:
    one, two = b"a" * 16, b"b" * 16

    assert upstream_hash([one, two]) == upstream_hash([two, one])
    assert len({upstream_hash([]), upstream_hash([one]), upstream_hash([one, two])}) == 3


class Mystery:
    """Nothing that could be written down."""


@pytest.mark.parametrize(
    "value",
    [Mystery(), 1j, np.complex128(1), np.array([Mystery()]), np.array([(1, 2)], dtype="i4,i4"), range(3)],
)
def test_a_value_without_a_canonical_form_is_named_with_its_place(value: object) -> None:
    with pytest.raises(TypeError, match=r"node_args\.x\[1\]\.y is of type .*no canonical form"):
        node_hash("t", {"x": [0, {"y": value}]})


def test_the_type_of_a_value_without_a_canonical_form_is_named() -> None:
    with pytest.raises(TypeError, match=r"task_args\.x is of type .*Mystery"):
        task_hash(b"", {"x": Mystery()})


@pytest.mark.parametrize("args", [{1: "x"}, {"a": {None: 1}}, {("a", 1): 2.5}])
def test_a_key_that_is_no_text_is_refused(args: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="node_args.* has the key .*keys must be texts"):
        node_hash("t", args)


@pytest.mark.promise("F72")
@pytest.mark.parametrize(
    ("args", "place"),
    [
        ({"x": "a\udcff"}, "node_args.x"),
        ({"x": ["a\ud800"]}, r"node_args.x\[0\]"),
        ({"\udcff": 1}, "a key of node_args"),
    ],
)
def test_a_text_that_is_not_unicode_is_refused_with_its_place(args: dict[str, object], place: str) -> None:
    with pytest.raises(ValueError, match=f"{place} is not Unicode text"):
        node_hash("t", args)


def test_a_workflows_arguments_that_are_not_unicode_are_refused() -> None:
    with pytest.raises(ValueError, match="text is not Unicode text: it holds '.udcff' at position 2"):
        text_hash("ab\udcff")


def test_text_hashes_are_short_hexadecimal() -> None:
    assert len(text_hash("args")) == 32
    assert text_hash("args") != text_hash("args ")
