"""Command templates: plain `str.format`, where `{x!q}` quotes a value for the shell.

Use `{x}` for whatever shall be put in as it stands: a number, a whole command line, several options in one
text. Use `{x!q}` for a value that the shell must take as one word, whatever it holds: a path, a name, free text.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence, Set
from string import Formatter
from typing import NamedTuple

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

    def render_all(self, shared: Mapping[str, object], varying: Sequence[Mapping[str, object]]) -> list[str]:
        """The command for each of `varying`, which all have the same keys; `shared` has the other arguments."""
        fixed = self._with_quoted(shared, self._quoted, shared.keys())
        rest = [quoted for quoted in self._quoted if not quoted.arguments <= shared.keys()]
        put = self._format.format_map
        if rest:
            return [put(self._with_quoted({**fixed, **one}, rest)) for one in varying]
        return [put({**fixed, **one}) for one in varying]

    def render(self, values: Mapping[str, object]) -> str:
        """The command for these arguments."""
        return self.render_all(values, [{}])[0]

    @staticmethod
    def _with_quoted(
        values: Mapping[str, object], quoted: list[_Quoted], known: Set[str] | None = None
    ) -> dict[str, object]:
        """The values, and the quoted forms of those fields of which all arguments are known."""
        prepared = dict(values)
        for key, pattern, arguments in quoted:
            if known is None or arguments <= known:
                prepared[key] = shlex.quote(pattern.format_map(values))
        return prepared


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
