"""Tokens: what is remembered of them, for how long, and at which price."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from fakes.site import SECRET, Lab
from jobmon.core import routes
from jobmon.core.exceptions import Unauthorized
from jobmon.server.auth import doorkeeper as module
from jobmon.server.auth import signed
from jobmon.server.auth.doorkeeper import Doorkeeper, Site
from jobmon.server.auth.memory import MOST, Memory
from jobmon.server.auth.principal import EMBEDDED, GUEST, NOBODY
from jobmon.server.auth.signed import Signed
from jobmon.server.db import Database, now
from jobmon.server.store import api_tokens, users
from jobmon.server.tables import api_token


@pytest.fixture(autouse=True)
def remembered_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_SECONDS", 1000.0)
    monkeypatch.setattr(module, "OWNER_SECONDS", 1000.0)


@pytest.fixture
def statements(database: Database) -> list[str]:
    """All that is asked of the database from now on."""
    asked: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    return asked


def doorkeeper(lab: Lab) -> Doorkeeper:
    return Doorkeeper(lab.database, SECRET, "", Site())


@pytest.mark.parametrize("name", ["ann", "ann's work", "ann's drive"])
def test_a_token_that_was_shown_lately_costs_no_question_to_the_database(
    lab: Lab, statements: list[str], name: str
) -> None:
    door = doorkeeper(lab)
    header = f"Bearer {lab.tokens[name]}"
    first = door.identify(header)
    statements.clear()

    assert {door.identify(header) for _ in range(100)} == {first}
    assert statements == []


def test_a_heartbeat_asks_nothing_for_the_sake_of_who_sends_it(lab: Lab, statements: list[str]) -> None:
    body = {"runner": "r", "node": "n", "sequence": 1}
    lab.ask("ann's work", routes.WORK, body)
    statements.clear()

    lab.ask("ann's work", routes.WORK, body)

    assert [statement for statement in statements if "user_account" in statement or "api_token" in statement] == []


def test_the_owner_of_a_run_is_asked_once(lab: Lab, statements: list[str]) -> None:
    door = doorkeeper(lab)
    thing = door.thing("run", lab.run_id)
    statements.clear()

    assert door.thing("run", lab.run_id) == thing
    assert (thing.what, thing.owner, thing.groups) == (f"workflow run {lab.run_id}", "ann", {"lab"})
    assert statements == []


def test_only_the_hash_of_a_token_is_stored(lab: Lab) -> None:
    with lab.database.engine.connect() as connection:
        rows = connection.execute(sa.select(api_token)).all()

    assert not [row for row in rows for token in lab.tokens.values() if token in str(row)]
    assert {len(row.digest) for row in rows} == {64}


def test_a_use_is_noted_once_an_hour(lab: Lab) -> None:
    doorkeeper(lab).identify(f"Bearer {lab.tokens['ann']}")
    first = _used_at(lab)
    doorkeeper(lab).identify(f"Bearer {lab.tokens['ann']}")

    assert first is not None
    assert _used_at(lab) == first


def _used_at(lab: Lab) -> float | None:
    digest = api_tokens.digest_of(lab.tokens["ann"])
    with lab.database.engine.connect() as connection:
        return connection.execute(sa.select(api_token.c.used_at).where(api_token.c.digest == digest)).scalar_one()


def test_a_token_that_is_made_after_it_was_tried_opens(lab: Lab) -> None:
    door = doorkeeper(lab)
    token = api_tokens.PREFIX + "made-later"
    with pytest.raises(Unauthorized, match="jobmon login"):
        door.identify(f"Bearer {token}")
    with lab.database.engine.begin() as connection:
        ann = users.known(connection, "ann").id
        row = {"digest": api_tokens.digest_of(token), "user_id": ann, "scope": "user", "note": ""}
        connection.execute(sa.insert(api_token).values(**row, created_at=0, expires_at=9e9))

    assert door.identify(f"Bearer {token}").name == "ann"


@pytest.mark.parametrize(
    "token, said",
    [
        ("expired", r"token \d+ of ann has expired; `jobmon login`"),
        ("revoked", r"token \d+ of ann was revoked; `jobmon login`"),
        ("dora", "the user dora is disabled"),
        ("old work", "this token of a run of ann has expired"),
        ("garbage", "not one of this server"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(lab: Lab, token: str, said: str) -> None:
    with pytest.raises(Unauthorized, match=said):
        doorkeeper(lab).identify(f"Bearer {lab.tokens[token]}")


def test_logging_out_takes_effect_at_once(lab: Lab) -> None:
    before = lab.ask("ann", routes.WHOAMI).status_code
    lab.ask("ann", routes.LOGOUT, {})

    assert (before, lab.ask("ann", routes.WHOAMI).status_code) == (200, 401)
    assert lab.ask("ann's work", routes.WORK, {"runner": "r", "node": "n", "sequence": 1}).status_code == 200


def test_revoking_all_of_a_users_tokens_voids_the_derived_ones_too(lab: Lab) -> None:
    with lab.database.engine.begin() as connection:
        users.revoke_all(connection, "ann", now(connection))

    for name in ("ann", "ann's work", "ann's drive"):
        with pytest.raises(Unauthorized, match="revoked"):
            doorkeeper(lab).identify(f"Bearer {lab.tokens[name]}")
    assert doorkeeper(lab).identify(f"Bearer {lab.signed('ann', 'work', 9e9, epoch=1)}").scope == "work"
    assert doorkeeper(lab).identify(f"Bearer {lab.tokens['bob']}").name == "bob"


def test_the_passes_of_a_run_open_what_they_are_for(lab: Lab) -> None:
    made = lab.ask("ann", routes.PASSES, {}, run_id=lab.run_id).json
    lab.tokens |= {"its drive": made["drive"], "its work": made["work"]}

    assert lab.ask("its drive", routes.PASSES, {}, run_id=lab.run_id).status_code == 200
    assert lab.ask("its work", routes.PASSES, {}, run_id=lab.run_id).status_code == 403
    assert lab.ask("its work", routes.WORK, {"runner": "r", "node": "n", "sequence": 1}).status_code == 200
    assert made["renew_seconds"] > 3600


def test_without_users_the_token_of_the_owner_opens_everything(database: Database) -> None:
    door = Doorkeeper(database, SECRET, "the-token", None)

    assert door.identify("Bearer the-token") == EMBEDDED
    assert {door.identify(header) for header in ("", "Bearer ", "Bearer x", "the-token", "Basic the-token")} == {
        NOBODY
    }


def test_with_users_no_empty_token_opens_anything(lab: Lab) -> None:
    assert {doorkeeper(lab).identify(header) for header in ("", "Bearer", "Bearer ", "Basic x")} == {GUEST}


TOKEN = signed.write(SECRET, Signed("ann.b@x", "work", 3, 1000.0))


def test_a_signed_token_says_what_was_written() -> None:
    assert signed.read(SECRET, TOKEN) == Signed("ann.b@x", "work", 3, 1000.0)


@pytest.mark.parametrize("at", range(len(signed.PREFIX), len(TOKEN)))
def test_a_signed_token_with_any_character_changed_is_none(at: int) -> None:
    changed = TOKEN[:at] + ("A" if TOKEN[at] != "A" else "B") + TOKEN[at + 1 :]

    assert signed.read(SECRET, changed) is None


@pytest.mark.parametrize("token", ["jmd_", "jmd_.", "jmd_x", "jmd_é.é", "jmd_x.y"])
def test_what_is_no_signed_token_is_none(token: str) -> None:
    assert signed.read(SECRET, token) is None
    assert signed.read(b"t" * 32, TOKEN) is None


def test_a_memory_forgets_in_time_and_does_not_grow_without_end() -> None:
    at = [0.0]
    memory: Memory[int, float] = Memory(10, lambda: at[0])

    assert memory.get(1, lambda: at[0]) == 0.0
    at[0] = 9.0
    assert memory.get(1, lambda: at[0]) == 0.0
    at[0] = 10.0
    assert memory.get(1, lambda: at[0]) == 10.0
    for key in range(2 * MOST):
        memory.get(key, lambda: 0.0)
    assert len(memory._values) <= MOST
