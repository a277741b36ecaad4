"""Bodies: requests are strict, answers lenient, and what is sent arrives."""

import inspect
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobmon.core import wire
from jobmon.core.wire import advance, auth, base, bind, clusters, status, work

MODULES = (advance, auth, base, bind, clusters, status, work)
STRUCTS = {
    name: found
    for module in MODULES
    for name, found in vars(module).items()
    if inspect.isclass(found) and issubclass(found, msgspec.Struct) and found.__module__ == module.__name__
}
REQUESTS = [name for name, found in STRUCTS.items() if issubclass(found, wire.Request)]
ANSWERS = [name for name, found in STRUCTS.items() if issubclass(found, wire.Answer)]


def a_value(kind: Any) -> Any:
    """Some value of a declared type, as simple as possible but not empty."""
    info = msgspec.inspect.type_info(kind)
    return _value(info)


def _value(info: msgspec.inspect.Type) -> Any:
    i = msgspec.inspect
    if isinstance(info, i.StructType):
        return info.cls(**{field.name: _value(field.type) for field in info.fields})
    if isinstance(info, i.UnionType):
        return _value(info.types[0])
    if isinstance(info, i.ListType):
        return [_value(info.item_type)]
    if isinstance(info, i.DictType):
        return {_value(info.key_type): _value(info.value_type)}
    simple = {i.IntType: 7, i.FloatType: 1.5, i.StrType: "täxt", i.BoolType: True, i.NoneType: None}
    return simple[type(info)]


def fields(found: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(found)


def test_all_names_exactly_the_structs() -> None:
    assert set(wire.__all__) == STRUCTS.keys()
    assert wire.__all__ == sorted(wire.__all__)
    assert set(REQUESTS) | set(ANSWERS) == STRUCTS.keys()


@pytest.mark.parametrize("name", STRUCTS)
def test_each_is_frozen_given_by_name_and_says_what_it_is_for(name: str) -> None:
    found = STRUCTS[name]

    assert found.__struct_config__.frozen
    assert found.__doc__ and not found.__doc__.startswith(name + "(")
    assert all(
        field.required or field.default is not msgspec.NODEFAULT or field.default_factory
        for field in fields(found)
    )
    with pytest.raises(TypeError):
        found(1)


@pytest.mark.parametrize("name", STRUCTS)
def test_what_is_sent_arrives(name: str) -> None:
    found = STRUCTS[name]
    sent = a_value(found)

    assert msgspec.json.decode(msgspec.json.encode(sent), type=found) == sent


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_with_an_unknown_field_is_refused(name: str) -> None:
    found = STRUCTS[name]
    body = msgspec.to_builtins(a_value(found)) | {"unheard_of": 1}

    with pytest.raises(msgspec.ValidationError, match="unknown field `unheard_of`"):
        msgspec.json.decode(msgspec.json.encode(body), type=found)


@pytest.mark.promise("F67")
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_with_an_unknown_field_is_read_without_it(name: str) -> None:
    found = STRUCTS[name]
    sent = a_value(found)
    body = msgspec.to_builtins(sent) | {"unheard_of": [1, {"a": 2}]}

    assert msgspec.json.decode(msgspec.json.encode(body), type=found) == sent


@pytest.mark.parametrize("name", STRUCTS)
def test_a_missing_field_that_has_no_default_is_named(name: str) -> None:
    found = STRUCTS[name]
    whole = msgspec.to_builtins(a_value(found))
    for field in fields(found):
        body = msgspec.json.encode({key: value for key, value in whole.items() if key != field.encode_name})
        if field.required:
            with pytest.raises(msgspec.ValidationError, match=f"`{field.encode_name}`"):
                msgspec.json.decode(body, type=found)
        else:
            assert isinstance(msgspec.json.decode(body, type=found), found)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_value_of_the_wrong_kind_is_refused(name: str) -> None:
    found = STRUCTS[name]
    whole = msgspec.to_builtins(a_value(found))
    for field in fields(found):
        wrong = 5 if isinstance(whole[field.encode_name], dict) else {"": [[]]}
        body = msgspec.json.encode(whole | {field.encode_name: wrong})

        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(body, type=found)


@pytest.mark.promise("F72")
@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.text())
def test_any_text_gets_through_as_it_is(text: str) -> None:
    sent = wire.Outcome(instance_id=1, token=text, status="E", message=text)

    assert msgspec.json.decode(msgspec.json.encode(sent), type=wire.Outcome) == sent
