"""Every role on every route: one table, and what the running application answers."""

import re
from typing import Any, get_args

import pytest

from fakes.site import Lab
from jobmon.core import routes
from jobmon.core.routes import Action, Route
from jobmon.server.auth.decision import OPENS, RESERVED, TO_OTHERS

ALL = {name: route for name, route in vars(routes).items() if isinstance(route, Route)}

# What comes of asking about the workflow of `ann`: + it is carried out, - Forbidden, ? Unauthorized.
TABLE = """
                     ann bob eve olga adam  ann's_drive eve's_drive  ann's_work eve's_work  metrics  nobody
HEALTH               +   +   +   +    +     +           +            +          +           +        +
READY                +   +   +   +    +     +           +            +          +           +        +
OPENAPI              +   +   +   +    +     +           +            +          +           +        +
METRICS              -   -   -   +    +     -           -            -          -           +        ?
NONCE                +   +   +   +    +     -           -            -          -           -        +
MUNGE                +   +   +   +    +     -           -            -          -           -        +
PEER                 ?   ?   ?   ?    ?     -           -            -          -           -        ?
WHOAMI               +   +   +   +    +     +           +            -          -           -        ?
TOOL                 +   +   +   +    +     -           -            -          -           -        ?
BIND                 +   +   +   +    +     -           -            -          -           -        ?
CHUNK                +   -   -   -    -     -           -            -          -           -        ?
IDENTITIES           +   +   +   +    +     +           +            -          -           -        ?
START_RUN            +   -   -   -    -     -           -            -          -           -        ?
DEFERRED             +   -   -   -    -     -           -            -          -           -        ?
LEASE                +   -   -   -    -     +           -            -          -           -        ?
PASSES               +   -   -   -    -     +           -            -          -           -        ?
ADVANCE              +   -   -   -    -     +           -            -          -           -        ?
WORK                 +   -   -   -    -     +           -            +          -           -        ?
WATCH                +   +   -   +    +     -           -            -          -           -        ?
END                  +   -   -   +    +     -           -            -          -           -        ?
LIMIT                +   -   -   +    +     -           -            -          -           -        ?
WORKFLOW_ATTRIBUTES  +   -   -   -    -     -           -            -          -           -        ?
TASK_ATTRIBUTES      +   -   -   -    -     -           -            -          -           -        ?
WORKFLOWS            +   +   +   +    +     +           +            -          -           -        ?
TASKS                +   +   +   +    +     +           +            -          -           -        ?
TASK_DETAILS         +   +   -   +    +     -           -            -          -           -        ?
ERRORS               +   +   -   +    +     -           -            -          -           -        ?
USAGE                +   +   +   +    +     -           -            -          -           -        ?
CLUSTERS             +   +   +   +    +     +           +            -          -           -        ?
CLUSTER_ADD          -   -   -   -    +     -           -            -          -           -        ?
CLUSTER_QUEUES       -   -   -   -    +     -           -            -          -           -        ?
LOGOUT               +   +   +   +    +     +           +            -          -           -        ?
"""
HEAD, *LINES = TABLE.strip().splitlines()
CALLERS = [caller.replace("_", " ") for caller in HEAD.split()]
EXPECTED = {line.split()[0]: dict(zip(CALLERS, line.split()[1:], strict=True)) for line in LINES}
SIGNS = {401: "?", 403: "-"}


def asked(lab: Lab, caller: str, name: str) -> str:
    """The sign of what comes of asking."""
    route: Route[Any, Any] = ALL[name]
    own = {"workflow_id": lab.workflow_id, "run_id": lab.run_id, "task_id": lab.task_id}
    ids = {id: own[id] for id in re.findall(r"\{(\w+)\}", route.path)}
    claim = {"batch_id": lab.batch_id, "start": 0}
    body = {"runner": "r", "node": "n", "sequence": 1, "claims": [claim]} if name == "WORK" else {}
    query = f"?task_id={lab.task_id}" if name == "TASK_DETAILS" else ""
    reply = lab.ask("" if caller == "nobody" else caller, route, body, query, **ids)
    assert reply.status_code != 500, reply.text
    return SIGNS.get(reply.status_code, "+")


def test_the_table_has_every_route_and_every_scope_and_role() -> None:
    assert EXPECTED.keys() == ALL.keys()
    assert {"user", "drive", "work", "metrics", "guest", "nobody", "everything"} == OPENS.keys()
    assert TO_OTHERS.keys() == {"user", "operator", "admin"}


@pytest.mark.parametrize("caller", CALLERS)
def test_each_caller_may_do_what_the_table_says_and_nothing_else(lab: Lab, caller: str) -> None:
    found = {name: asked(lab, caller, name) for name in EXPECTED}

    assert found == {name: row[caller] for name, row in EXPECTED.items()}


def test_what_is_void_opens_nothing_that_is_closed(lab: Lab) -> None:
    closed = [name for name, route in ALL.items() if route.action != "open"]
    for token in ("expired", "revoked", "garbage", "dora", "old work"):
        assert [name for name in closed if asked(lab, token, name) != "?"] == []


def test_the_application_has_no_route_without_a_declared_action(lab: Lab) -> None:
    declared = {
        (route.method, (route.prefix + route.path).replace("{", "<int:").replace("}", ">")): route.action
        for route in ALL.values()
    }
    for rule in lab.client.application.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            assert declared.pop((method, rule.rule)) in get_args(Action)

    assert declared == {}


def test_every_action_is_opened_to_somebody_and_no_table_names_another_one() -> None:
    actions = set(get_args(Action))

    assert set().union(*OPENS.values()) == actions
    assert set(RESERVED) <= actions
    assert set().union(*TO_OTHERS.values()) <= actions


def test_nobody_can_change_anything_without_a_token(lab: Lab, record_property) -> None:
    actions = {"write", "create", "stop", "drive", "work", "administer"}
    changing = [name for name, route in ALL.items() if route.action in actions]
    for name in changing:
        assert asked(lab, "nobody", name) == "?", name

    every = f"{len(ALL)} routes asked by {len(CALLERS)} kinds of callers"
    record_property("G16", f"0 of {len(changing)} routes that change something are open to nobody; {every}")
