"""A server with users, in this process: the people of a small lab, and a token for each way to come in."""

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fakes.stored_workflow import StoredWorkflow
from jobmon.core.routes import Route
from jobmon.server import tables
from jobmon.server.admission import Admission
from jobmon.server.auth import signed
from jobmon.server.auth.doorkeeper import Site
from jobmon.server.auth.signed import Signed
from jobmon.server.db import Database, now
from jobmon.server.metrics import Metrics
from jobmon.server.serve import make_app
from jobmon.server.service import Service
from jobmon.server.signals import Signals
from jobmon.server.store import api_tokens, users
from jobmon.server.store.work import Rules

SECRET = b"s" * 32
PEOPLE = {  # name: role, groups
    "ann": ("user", ["lab"]),
    "bob": ("user", ["lab", "other"]),
    "eve": ("user", ["other"]),
    "olga": ("operator", []),
    "adam": ("admin", []),
    "dora": ("user", ["lab"]),
}
COMMAND_CANARY = "canary-of-ann"


class Lab:
    """`ann` and `bob` share a group, `eve` is a stranger, `dora` is disabled; ann has a workflow that failed."""

    def __init__(self, database: Database, visibility: str = "group") -> None:
        self.database = database
        with database.engine.begin() as connection:
            at = now(connection)
            for name, (role, groups) in PEOPLE.items():
                users.add(connection, name, role, groups, at)
            self.tokens = {name: api_tokens.create(connection, name, at)[0] for name in PEOPLE}
            self.tokens["metrics"] = api_tokens.create(connection, "olga", at, "metrics")[0]
            self.tokens["expired"] = api_tokens.create(connection, "ann", at - 100, life_seconds=50)[0]
            self.tokens["revoked"] = api_tokens.create(connection, "ann", at)[0]
            api_tokens.revoke_digest(connection, api_tokens.digest_of(self.tokens["revoked"]), at)
            users.set_disabled(connection, "dora", True)
            for name in ("ann", "eve"):
                for scope in ("drive", "work"):
                    self.tokens[f"{name}'s {scope}"] = self.signed(name, scope, at + 1000)
            self.tokens["old work"] = self.signed("ann", "work", at - 1)
            self.tokens["garbage"] = "jmu_garbage"
            self._store(connection)
        site = Site(visibility)  # type: ignore[arg-type]
        rules = Rules(SECRET, 90, 279)
        hosts = frozenset({"localhost"})
        self.service = Service(
            database, Signals(), rules, "", "i", hosts, Metrics(database), Admission(1e9), "", site
        )
        self.client: FlaskClient = make_app(self.service).test_client()

    def signed(self, name: str, scope: str, expires_at: float, epoch: int = 0) -> str:
        return signed.write(SECRET, Signed(name, scope, epoch, expires_at))  # type: ignore[arg-type]

    def ask(self, who: str, route: Route, body: object = None, query: str = "", **ids: int) -> TestResponse:
        """As the holder of one of `tokens`; "" for nobody."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}
        url = route.url(**ids) + query
        return self.client.open(url, method=route.method, json=body, headers=headers)

    def _store(self, connection: sa.Connection) -> None:
        workflow = StoredWorkflow(connection, owner="ann")
        array = workflow.array("fit", key="fit-key")
        self.task_id = workflow.task(array, "F")
        self.done_id = workflow.task(array, "D")
        self.instance_id = workflow.attempt(self.task_id, "F", error=f"failed: {COMMAND_CANARY}")
        workflow.attempt(self.done_id, "D", result={"peak_memory_bytes": 1, "wall_seconds": 1.0})
        spec = tables.task_spec
        connection.execute(sa.update(spec).values(command=f"run {COMMAND_CANARY}"))
        self.workflow_id, self.run_id = workflow.id, workflow.run_id
        of = sa.select(tables.task_instance.c.batch_id).where(tables.task_instance.c.id == self.instance_id)
        self.batch_id = connection.execute(of).scalar_one()
