import shlex

import pytest

from jobmon.client.command_template import CommandTemplate


def test_a_template_is_plain_str_format() -> None:
    template = CommandTemplate("run {x:03d} {y!r} {z.real} {{x}} ${{HOME}}")

    assert template.arguments == {"x", "y", "z"}
    assert template.render({"x": 7, "y": "a b", "z": 3}) == "run 007 'a b' 3 {x} ${HOME}"


@pytest.mark.parametrize("value", ["a b", "it's", "$(rm -rf)", "", "new\nline", "ü", "{x}"])
def test_q_makes_one_word_of_any_value(value: str) -> None:
    command = CommandTemplate("run {x!q} {y}").render({"x": value, "y": 1})

    assert shlex.split(command) == ["run", value, "1"]


def test_a_whole_command_line_can_be_an_argument() -> None:
    line = "echo 'a' | wc -c && echo \"{not a field}\""

    assert CommandTemplate("{arg}").render({"arg": line}) == line


def test_many_are_rendered_as_one_is() -> None:
    template = CommandTemplate("{a!q} {b!q} {c} {b:>{a}}")
    varying = [{"b": "x y"}, {"b": "z"}]

    assert template.render_all({"a": 4, "c": 5}, varying) == [
        template.render({"a": 4, "c": 5, **one}) for one in varying
    ]


def test_the_width_of_a_field_can_be_an_argument() -> None:
    template = CommandTemplate("{x:>{width}}")

    assert template.arguments == {"x", "width"}
    assert template.render({"x": 1, "width": 3}) == "  1"


@pytest.mark.parametrize("text", ["{", "a}", "{}", "{0}", "awk '{print $1}'"])
def test_what_is_no_template_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="{{"):
        CommandTemplate(text)
