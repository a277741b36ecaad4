"""XML as Grid Engine prints it: two blanks for each level, an empty element in two tags."""

from collections.abc import Iterable
from xml.sax.saxutils import escape

Node = tuple[str, "str | list[Node]"]  # a name, perhaps with attributes, and a text or what is in it
HEAD = "<?xml version='1.0'?>"
SCHEMAS = "http://arc.liv.ac.uk/repos/darcs/sge/source/dist/util/resources/schemas"


def document(name: str, schema: str, nodes: Iterable[Node]) -> str:
    """A whole one."""
    head = f'{name}  xmlns:xsd="{SCHEMAS}/{schema}"'
    return "\n".join([HEAD, *lines((head, list(nodes)), 0)]) + "\n"


def lines(node: Node, depth: int) -> list[str]:
    """Of one element."""
    head, content = node
    indent, name = "  " * depth, head.split(maxsplit=1)[0]
    if isinstance(content, str):
        return [f"{indent}<{head}>{quoted(content)}</{name}>"]
    inner = [line for one in content for line in lines(one, depth + 1)]
    return [f"{indent}<{head}>", *inner, f"{indent}</{name}>"]


def quoted(text: str) -> str:
    """With its five entities."""
    return escape(text, {"'": "&apos;", '"': "&quot;"})
