"""Callers of a later minor version: what they say besides is left out, for a server of this one cannot know it.

From everybody else an unknown field is refused, because it is a mistake in writing.
"""

import re
from functools import cache

from msgspec.inspect import DictType, ListType, StructType, Type, UnionType, type_info

from jobmon.core.routes import API_VERSION
from jobmon.core.wire import Request

_MINOR = int(API_VERSION.partition(".")[2])


def is_newer(version: str) -> bool:
    """Whether `version` is a later minor one than ours; the major one is the same."""
    minor = re.fullmatch(r"\d+\.([0-9]{1,9})", version)
    return minor is not None and int(minor[1]) > _MINOR


def known(body: object, kind: type[Request]) -> object:
    """`body` without the fields that `kind` does not have; what is wrong with the others is for others to say."""
    return _known(body, _info(kind))


_info = cache(type_info)


def _known(value: object, info: Type) -> object:
    if isinstance(info, UnionType):
        info = next((one for one in info.types if isinstance(one, StructType | ListType | DictType)), info)
    if isinstance(info, StructType) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in info.fields}
        return {name: _known(part, fields[name]) for name, part in value.items() if name in fields}
    if isinstance(info, ListType) and isinstance(value, list) and _holds_structs(info.item_type):
        return [_known(part, info.item_type) for part in value]
    if isinstance(info, DictType) and isinstance(value, dict):
        return {name: _known(part, info.value_type) for name, part in value.items()}
    return value


def _holds_structs(info: Type) -> bool:
    """Else its parts need not be looked at: columns are long."""
    return isinstance(info, StructType | UnionType | ListType | DictType)
