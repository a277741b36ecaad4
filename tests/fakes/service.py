"""A service over a database of a test, which takes any host for its own."""

from typing import Any

from jobmon.server.admission import Admission
from jobmon.server.db import Database
from jobmon.server.metrics import Metrics
from jobmon.server.service import Service
from jobmon.server.signals import Signals
from jobmon.server.store.work import Rules

TOKEN = "a-token-for-everything"
METRICS_TOKEN = "a-token-for-metrics"
OWNER = {"Authorization": f"Bearer {TOKEN}"}


def make_service(database: Database, **changes: Any) -> Service:
    """With generous limits unless `changes` say otherwise."""
    rules = Rules(secret=b"s" * 32, heartbeat_seconds=90, silence_seconds=279)
    made = Service(
        database,
        Signals(),
        rules,
        TOKEN,
        "instance1",
        frozenset(),
        Metrics(database),
        Admission(requests_per_second=1e6, bulk_at_once=100),
        METRICS_TOKEN,
    )
    return made._replace(**changes)
