"""Command templates: plain `str.format`, where `{x!q}` quotes a value for the shell.

Use `{x}` for whatever shall be put in as it stands: a number, a whole command line, several options in one
text. Use `{x!q}` for a value that the shell must take as one word, whatever it holds: a path, a name, free text.
"""

import re
import shlex
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any, NamedTuple

_BEFORE_ACCESS = re.compile(r"[^.\[]*")


class _Quoted(NamedTuple):
    key: str  # what stands for it in the rewritten template: no argument can be called so
    pattern: str
    arguments: frozenset[str]


class CommandTemplate:
    """A template, parsed once. `arguments` are the names in it."""

    __slots__ = ("_format", "_quoted", "arguments", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError for a text that is no template or that has fields without a name."""
        self.text = text
        parts: list[str] = []
        quoted: list[_Quoted] = []
        names: list[str] = []
        for literal, field, spec, conversion in _parsed(text):
            parts.append(literal.replace("{", "{{").replace("}", "}}"))
            if field is None:
                continue
            used = [_name(field, text), *_names_in(spec or "", text)]
            names += used
            shown = field + (f":{spec}" if spec else "")
            if conversion == "q":
                quoted.append(_Quoted(f" {len(quoted)}", f"{{{shown}}}", frozenset(used)))
                parts.append(f"{{ {len(quoted) - 1}}}")
            else:
                parts.append(f"{{{field}{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}")
        self.arguments = frozenset(names)
        self._format = "".join(parts)
        self._quoted = quoted

    def fixed(self, values: Mapping[str, object]) -> dict[str, Any]:
        """The values that are the same for many tasks, with their quoted forms: what `render_into` starts from."""
        prepared = dict(values)
        for key, pattern, arguments in self._quoted:
            if arguments <= values.keys():
                prepared[key] = shlex.quote(pattern.format_map(values))
        return prepared

    def quoted_over(self, names: frozenset[str]) -> list[_Quoted]:
        """The quoted fields in which one of `names` has a part."""
        return [quoted for quoted in self._quoted if quoted.arguments & names]

    def render_into(self, values: dict[str, Any], varying: list[_Quoted]) -> str:
        """The command. `values` has all arguments; the quoted forms of those that vary are put into it."""
        for key, pattern, _ in varying:
            values[key] = shlex.quote(pattern.format_map(values))
        return self._format.format_map(values)

    def render(self, values: Mapping[str, object]) -> str:
        """The command for these arguments."""
        return self._format.format_map(self.fixed(values))


def _parsed(text: str) -> Iterator[tuple[str, str | None, str | None, str | None]]:
    try:
        yield from Formatter().parse(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is not a template: {error}. Write {{{{ and }}}} for braces that are not arguments, "
            "as in ${{HOME}} or awk '{{print $1}}'"
        ) from None


def _names_in(spec: str, text: str) -> Iterator[str]:
    for _, field, _, _ in _parsed(spec):
        if field is not None:
            yield _name(field, text)


def _name(field: str, text: str) -> str:
    match = _BEFORE_ACCESS.match(field)
    name = match[0] if match else ""
    if name.isidentifier():
        return name
    raise ValueError(
        f"{text!r} has the field {{{field}}}: every field needs the name of an argument; write {{{{ and }}}} "
        "for braces that are not arguments, as in ${{HOME}} or awk '{{print $1}}'"
    )
