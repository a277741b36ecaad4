"""Arguments of typed functions as text and back: JSON, read by the function's own annotations."""

import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from jobmon.core.hashing import canonical

Serializers = Mapping[type, tuple[Callable[[Any], str], Callable[[str], Any]]]

_SCALARS: dict[type, tuple[type, ...]] = {
    str: (str,),
    int: (Integral,),  # numpy's too
    float: (Real,),
    bool: (bool,),
    type(None): (type(None),),
}
_COLLECTIONS = (list, tuple, set, frozenset)


def serialize(value: object, annotation: Any, serializers: Serializers) -> str:
    """The value as JSON. Raises TypeError, saying what does not fit, for a value of another type."""
    if not fits(value, annotation, serializers):
        raise TypeError(f"{value!r} is not of the type {_shown(annotation)}")
    plain = _encode(value, annotation, serializers)
    return canonical(plain).decode() if not isinstance(plain, float) else json.dumps(plain)


def deserialize(text: str, annotation: Any, serializers: Serializers) -> Any:
    """The value that `serialize` made this text of. Raises ValueError for any other text."""
    return _decode(json.loads(text), annotation, serializers)


def fits(value: object, annotation: Any, serializers: Serializers) -> bool:
    """Whether the value is of the annotated type, down to the members of collections."""
    if annotation is Any or annotation is None:
        return annotation is Any or value is None
    if annotation in serializers:
        return isinstance(value, annotation)
    if annotation in _SCALARS:
        same = isinstance(value, _SCALARS[annotation])
        return same and (annotation is bool or not isinstance(value, bool))
    origin, members = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, member, serializers) for member in members)
    if origin is typing.Literal:
        return value in members
    if origin is dict:
        of = members[1] if members else Any
        return isinstance(value, dict) and all(
            isinstance(key, str) and fits(item, of, serializers) for key, item in value.items()
        )
    if origin in _COLLECTIONS:
        if not isinstance(value, origin):
            return False
        items = list(typing.cast("Iterable[Any]", value))
        kinds = _kinds(origin, members, len(items))
        return len(kinds) == len(items) and all(
            fits(item, kind, serializers) for item, kind in zip(items, kinds, strict=True)
        )
    raise TypeError(f"there is no serializer for the type {_shown(annotation)}; give one in serializers=")


def _kinds(origin: type, members: tuple[Any, ...], count: int) -> list[Any]:
    """The annotation of each member of a collection of `count`."""
    if origin is tuple and members and members[-1] is not Ellipsis:
        return list(members)
    return [members[0] if members else Any] * count


def _choice(value: object, annotation: Any, serializers: Serializers) -> Any:
    """The member of a union that the value is of; any other annotation is itself."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return next(kind for kind in typing.get_args(annotation) if fits(value, kind, serializers))
    return annotation


def _encode(value: Any, annotation: Any, serializers: Serializers) -> Any:
    annotation = _choice(value, annotation, serializers)
    if annotation in serializers:
        return serializers[annotation][0](value)
    origin, members = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin is dict:
        return {key: _encode(item, members[1] if members else Any, serializers) for key, item in value.items()}
    if origin in _COLLECTIONS:
        items = list(value)
        kinds = _kinds(origin, members, len(items))
        plain = [_encode(item, kind, serializers) for item, kind in zip(items, kinds, strict=True)]
        return sorted(plain, key=json.dumps) if origin in (set, frozenset) else plain
    return annotation(value) if annotation in (int, float, str) else value


def _decode(plain: Any, annotation: Any, serializers: Serializers) -> Any:
    origin, members = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(plain, members, serializers)
    if annotation in serializers:
        if not isinstance(plain, str):
            raise ValueError(f"{plain!r} is not the text of a {_shown(annotation)}")
        return serializers[annotation][1](plain)
    if origin is dict and isinstance(plain, dict):
        return {key: _decode(item, members[1] if members else Any, serializers) for key, item in plain.items()}
    if origin in _COLLECTIONS and isinstance(plain, list):
        kinds = _kinds(origin, members, len(plain))
        if len(kinds) == len(plain):
            return origin(_decode(item, kind, serializers) for item, kind in zip(plain, kinds, strict=True))
    if annotation is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if fits(plain, annotation, serializers):
        return plain
    raise ValueError(f"{plain!r} is not of the type {_shown(annotation)}")


def _decode_union(plain: Any, members: tuple[Any, ...], serializers: Serializers) -> Any:
    exact = [kind for kind in members if kind in _SCALARS and type(plain) is kind]
    for kind in [*exact, *members]:
        try:
            return _decode(plain, kind, serializers)
        except (ValueError, TypeError):
            continue
    raise ValueError(f"{plain!r} is none of {', '.join(map(_shown, members))}")


def _shown(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) if isinstance(annotation, type) else str(annotation)  # type: ignore[return-value]
