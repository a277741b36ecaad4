import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmon.client.naming import LONGEST, check_task_name, clean, clean_all
from jobmon.client.task import Task
from jobmon.client.task_template import TaskTemplate

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@pytest.mark.parametrize("name", ["", "1a", "a/b", "a\\b", "a'b", 'a"b', "a b", "a\nb", "a\0b", "x" * 250])
def test_an_illegal_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        Task.is_valid_job_name(name)


def test_a_legal_name_is_taken() -> None:
    assert Task.is_valid_job_name("größe-1.5_x")


@given(NAMES)
def test_a_cleaned_name_is_always_legal(name: str) -> None:
    check_task_name(clean(name))


@given(st.lists(NAMES, min_size=1))
def test_many_names_are_cleaned_as_one_is(names: list[str]) -> None:
    assert clean_all(names) == [clean(name) for name in names]


def test_a_task_without_a_name_is_called_after_its_template_and_node_arguments(fit: TaskTemplate) -> None:
    task = fit.create_task(country="Costa Rica", year=1952, data="/d", python="python")

    assert task.name == "fit_country-Costa_Rica_year-1952"


def test_a_long_default_name_is_cut(fit: TaskTemplate) -> None:
    task = fit.create_task(country="x" * 1000, year=1952, data="/d", python="python")

    assert len(task.name) == LONGEST
