"""Resources: read from users, scaled after resource errors, fitted to queues."""

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.core.exceptions import InvalidMemoryFormat, InvalidRequest, InvalidResources, InvalidRuntimeFormat
from jobmon.core.quantities import GIB
from jobmon.core.resources import (
    QueueLimits,
    Resources,
    check_limits,
    coerce,
    draw_scale,
    draw_scales,
    fit,
    scale_resources,
    scaled,
)

ASKED = Resources(queue="all.q", memory_bytes=4 * GIB, runtime_seconds=3600, cores=2)
SMALL = QueueLimits(name="all.q", max_memory_bytes=8 * GIB, max_runtime_seconds=7200, max_cores=4)
LONG = QueueLimits(name="long.q", max_memory_bytes=64 * GIB, max_runtime_seconds=86_400, max_cores=4)


def test_what_users_write_becomes_resources_in_plain_units() -> None:
    read = Resources.parse(
        {
            "queue": "all.q",
            "memory": "1.5G",
            "runtime": "1h30m",
            "cores": 4,
            "project": "proj",
            "constraints": ["archive", "avx"],
            "stdout": Path("/tmp/out"),
            "nice": np.int64(5),
            "exclusive": np.bool_(True),
            "weight": np.float64(0.5),
            "hosts": np.array(["a", "b"]),
        }
    )

    assert read == Resources(
        queue="all.q",
        memory_bytes=3 * GIB // 2,
        runtime_seconds=5400,
        cores=4,
        options={
            "project": "proj",
            "constraints": ["archive", "avx"],
            "stdout": "/tmp/out",
            "nice": 5,
            "exclusive": True,
            "weight": 0.5,
            "hosts": ["a", "b"],
        },
    )
    assert [type(value) for value in read.options.values()] == [str, list, str, int, bool, float, list]


def test_nothing_asked_for_is_the_clusters_own_default() -> None:
    assert Resources.parse({}) == Resources()
    assert Resources.parse(dict.fromkeys(["queue", "memory", "cores", "project"])) == Resources()


def test_parsing_leaves_the_users_mapping_alone() -> None:
    mine: dict[str, object] = {"queue": "all.q", "memory": 1}
    Resources.parse(mine)

    assert mine == {"queue": "all.q", "memory": 1}


def test_resources_survive_the_wire() -> None:
    asked = Resources.parse({"memory": 2, "nice": 5, "share": 1.0, "x": True, "y": ["a"], "z": "1"})
    back = msgspec.json.decode(msgspec.json.encode(asked), type=Resources)

    assert back == asked
    assert [type(value) for value in back.options.values()] == [int, float, bool, list, str]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cores", 0),
        ("cores", 1.5),
        ("cores", True),
        ("cores", "four"),
        ("cores", math.nan),
        ("cores", math.inf),
        ("queue", 5),
        ("project", object()),
        ("project", {"a": 1}),
        ("project", b"x"),
        ("project", "\udc80"),
        ("nice", math.nan),
        ("nice", np.float64("inf")),
        ("constraints", ["a", 1]),
        ("constraints", [["a"]]),
    ],
)
def test_a_resource_of_the_wrong_kind_is_refused_by_its_key(key: str, value: object) -> None:
    with pytest.raises(InvalidResources, match=key) as raised:
        Resources.parse({key: value})

    assert isinstance(raised.value, InvalidRequest)


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidResources, match="5"):
        Resources.parse({5: "x"})  # type: ignore[dict-item]


def test_memory_and_runtime_are_refused_in_their_own_way() -> None:
    with pytest.raises(InvalidMemoryFormat, match="memory 'much'"):
        Resources.parse({"memory": "much"})
    with pytest.raises(InvalidRuntimeFormat, match="runtime 'long'"):
        Resources.parse({"runtime": "long"})


def test_cores_may_be_written_as_text_or_numpy() -> None:
    assert [Resources.parse({"cores": value}).cores for value in ("4", 4.0, np.int64(4))] == [4, 4, 4]


# --- scaling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [0.5, 0, 1, -0.5, np.float64(0.5), np.int64(1)])
def test_a_number_stays_a_rule(rule: float) -> None:
    drawn = draw_scale(10, rule, 3)

    assert drawn == float(rule)
    assert type(drawn) is float


def test_a_callable_is_applied_to_its_own_result() -> None:
    assert draw_scale(10, lambda value: value * 2, 3) == [20, 40, 80]


def test_an_iterator_is_drawn_no_further_than_there_are_attempts() -> None:
    endless = itertools.count(100, 50)

    assert draw_scale(10, endless, 2) == [100, 150]
    assert next(endless) == 200


def test_a_short_iterator_gives_what_it_has() -> None:
    assert draw_scale(10, iter([20, 30]), 5) == [20, 30]
    assert draw_scale(10, [20, 30], 5) == [20, 30]


def test_no_further_attempts_draw_nothing() -> None:
    assert draw_scale(10, iter([]), 0) == []
    assert draw_scale(10, lambda value: value, 0) == []


@pytest.mark.parametrize("scale", [True, "0.5", None, {"a": 1}, math.nan, math.inf, -1, -2.5, iter([]), []])
def test_a_scale_of_another_kind_is_refused_by_its_key(scale: object) -> None:
    with pytest.raises(ValueError, match=r"resource_scales\['memory'\]"):
        draw_scale(10, scale, 2, key="memory")


@pytest.mark.parametrize("scale", [iter(["x"]), lambda _: None, iter([math.nan])])
def test_a_drawn_value_that_is_no_number_is_refused(scale: object) -> None:
    with pytest.raises(ValueError, match="must be a finite number"):
        draw_scale(10, scale, 2)


@pytest.mark.parametrize(
    ("value", "scale", "step", "expected"),
    [
        (10, 0.5, 0, 10),
        (10, 0.5, 1, 15),
        (10, 0.5, 2, 23),  # ceil(15 * 1.5)
        (10, 0.1, 1, 11),  # in floats 10 * 1.1 is a little more than 11
        (10, 0, 3, 10),
        (10, -0.5, 9, 1),
        (10, [20, 30], 1, 20),
        (10, [20, 30], 2, 30),
        (10, [20, 30], 9, 30),
        (10, [20, 30], 0, 10),
        (10, [], 2, 10),
        (GIB, 1.0, 10_000, 2**63 - 1),
    ],
)
def test_the_value_for_a_further_attempt(value: int, scale: float | list[float], step: int, expected: int) -> None:
    assert scaled(value, scale, step) == expected


@given(st.integers(1, 2**40), st.floats(0, 10), st.integers(0, 5))
def test_a_growing_rule_never_shrinks_anything(value: int, scale: float, step: int) -> None:
    assert value <= scaled(value, scale, step) <= scaled(value, scale, step + 1)


def test_scales_are_met_in_the_units_users_write() -> None:
    met: dict[str, list[float]] = {"memory": [], "runtime": [], "cores": []}

    def doubled(key: str) -> Callable[[float], float]:
        def double(value: float) -> float:
            met[key].append(value)
            return value * 2

        return double

    drawn = draw_scales(ASKED, {key: doubled(key) for key in met}, 2)

    assert met == {"memory": [4, 8], "runtime": [3600, 7200], "cores": [2, 4]}
    assert drawn == {"memory": [8 * GIB, 16 * GIB], "runtime": [7200, 14_400], "cores": [4, 8]}


def test_scales_may_give_texts_and_numbers_alike() -> None:
    scales: dict[str, Iterator[object]] = {
        "memory": iter(["12G", 1.5, "900M"]),
        "runtime": iter(["2h", 90.5]),
        "cores": iter([3, "4"]),
    }

    assert draw_scales(ASKED, scales, 3) == {
        "memory": [12 * GIB, 3 * GIB // 2, 900 * 2**20],
        "runtime": [7200, 91],
        "cores": [3, 4],
    }


def test_drawn_scales_survive_the_wire() -> None:
    drawn = draw_scales(ASKED, {"memory": 1, "runtime": iter([5])}, 3)
    back = msgspec.json.decode(msgspec.json.encode(drawn), type=dict[str, float | list[int]])

    assert back == drawn == {"memory": 1.0, "runtime": [5]}


def test_a_resource_that_is_not_set_is_not_scaled() -> None:
    nothing_set = Resources()
    scales = {"memory": 0.5, "runtime": lambda value: value * 2}

    assert draw_scales(nothing_set, scales, 3) == {}
    assert scale_resources(nothing_set, {"memory": 0.5}, 1) == nothing_set


def test_a_key_that_cannot_be_scaled_is_refused_by_name() -> None:
    with pytest.raises(InvalidResources, match=r"\['memroy'\].*memory, runtime, cores"):
        draw_scales(ASKED, {"memroy": 0.5}, 3)


def test_resources_grow_from_those_of_the_first_attempt() -> None:
    scales = draw_scales(ASKED, {"memory": 0.5, "runtime": iter(["2h", "3h"])}, 3)

    assert scale_resources(ASKED, scales, 0) == ASKED
    assert scale_resources(ASKED, scales, 2) == msgspec.structs.replace(
        ASKED, memory_bytes=9 * GIB, runtime_seconds=10_800
    )


# --- queues ---------------------------------------------------------------------------------------------


def test_what_fits_exactly_is_no_excess() -> None:
    assert check_limits(Resources(memory_bytes=8 * GIB, runtime_seconds=7200, cores=4), SMALL) == []
    assert check_limits(Resources(), SMALL) == []
    assert check_limits(ASKED, QueueLimits(name="free")) == []


def test_every_excess_is_named() -> None:
    much = Resources(memory_bytes=12 * GIB, runtime_seconds=90_000, cores=5)

    assert check_limits(much, SMALL) == [
        "memory 12G is more than the 8G of queue 'all.q'",
        "runtime 1-01:00:00 is more than the 02:00:00 of queue 'all.q'",
        "cores 5 is more than the 4 of queue 'all.q'",
    ]


def test_coerced_resources_are_at_most_the_queues() -> None:
    much = Resources(memory_bytes=12 * GIB, runtime_seconds=60, cores=5, options={"project": "p"})

    assert coerce(much, SMALL) == msgspec.structs.replace(much, memory_bytes=8 * GIB, cores=4)


def test_resources_go_to_the_first_queue_that_holds_them() -> None:
    assert fit(ASKED, [SMALL, LONG]) == ASKED
    longer = msgspec.structs.replace(ASKED, runtime_seconds=10_000)

    assert fit(longer, [SMALL, LONG]) == msgspec.structs.replace(longer, queue="long.q")


def test_resources_that_no_queue_holds_get_the_last_ones_maximum() -> None:
    much = msgspec.structs.replace(ASKED, memory_bytes=100 * GIB)

    assert fit(much, [SMALL, LONG]) == msgspec.structs.replace(much, queue="long.q", memory_bytes=64 * GIB)


def test_without_queues_nothing_changes() -> None:
    assert fit(ASKED, []) == ASKED
