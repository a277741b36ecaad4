import pytest

from jobmon.client.usage import student_t_quantile, summarise
from jobmon.core.wire import UsageAnswer


@pytest.mark.parametrize(
    ("probability", "degrees", "expected"),
    [  # the usual printed table of Student's t
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.95, 3, 2.353),
        (0.975, 10, 2.228),
        (0.995, 29, 2.756),
        (0.975, 120, 1.980),
        (0.975, 1000, 1.962),
        (0.975, 1001, 1.962),
        (0.025, 10, -2.228),
        (0.5, 5, 0.0),
    ],
)
def test_quantiles_of_student_t_are_those_of_the_table(probability: float, degrees: int, expected: float) -> None:
    assert student_t_quantile(probability, degrees) == pytest.approx(expected, abs=6e-4)


def usage() -> UsageAnswer:
    return UsageAnswer(
        node_args=['{"x":1}', '{"x":2}', '{"x":"2"}', '{"x":3}'],
        peak_memory_bytes=[600, 800, 1000, None],
        wall_seconds=[1.0, 2.0, 6.0, None],
        requested_memory_bytes=[None] * 4,
    )


def test_usage_is_summarised_over_what_was_measured() -> None:
    statistics = summarise(usage(), {}, 0.95)

    assert statistics is not None
    assert (statistics["num_tasks"], statistics["min_mem"], statistics["max_mem"]) == (4, "600B", "1000B")
    assert (statistics["mean_mem"], statistics["median_mem"]) == ("800B", "800B")
    assert (statistics["mean_runtime"], statistics["median_runtime"]) == (3.0, 2.0)
    assert statistics["ci_mem"] == ["303B", "1297B"]  # 800 -+ 4.303 * 200 / sqrt(3)


def test_only_tasks_with_the_wanted_arguments_count() -> None:
    statistics = summarise(usage(), {"x": [2, 3]}, None)

    assert statistics is not None
    assert (statistics["num_tasks"], statistics["max_mem"], statistics["ci_mem"]) == (2, "800B", [None, None])
    assert summarise(usage(), {"x": 9}, None) is None
