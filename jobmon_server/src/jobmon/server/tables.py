"""The schema, the same on SQLite, MariaDB/MySQL and PostgreSQL.

What changes often (task, task_instance) is kept narrow and apart from what is only read (task_spec,
attempt_result), because a million tasks are written many times and read once. Rows that come in millions
have no foreign keys: their ids are reserved in blocks by the same transaction that names their parents.
Times are seconds since 1970 by the database's clock.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

from jobmon.core.transitions import Kind, statuses

SCHEMA_VERSION = 1

metadata = MetaData()

_MYSQL: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}
_NEVER_AGAIN: dict[str, Any] = {"sqlite_autoincrement": True}  # the id of a deleted row: somebody may still use it
Id = BigInteger().with_variant(Integer, "sqlite")
LongText = Text().with_variant(Text(2**24 - 1), "mysql", "mariadb")
Name = String(255)
Hash = String(64)


def _table(name: str, *items: SchemaItem, **options: Any) -> Table:
    return Table(name, metadata, *items, **_MYSQL, **options)


def _id(autoincrement: bool = True) -> Column[Any]:
    return Column("id", Id, primary_key=True, autoincrement=autoincrement)


def _ref(name: str, nullable: bool = False) -> Column[Any]:
    return Column(name, Id, nullable=nullable)


def _count(name: str) -> Column[Any]:
    return Column(name, Id, nullable=False, default=0, server_default="0")


def _status() -> Column[Any]:
    return Column("status", String(1), nullable=False)


def _one_of(kind: Kind) -> CheckConstraint:
    letters = ", ".join(f"'{letter}'" for letter in statuses(kind))
    return CheckConstraint(f"status IN ({letters})", name=f"ck_{kind}_status")


id_block = _table(
    "id_block",
    Column("kind", String(32), primary_key=True),
    Column("next_id", Id, nullable=False),
)

server_state = _table(
    "server_state",
    Column("name", String(64), primary_key=True),
    Column("value", String(255), nullable=False),
)

role_lease = _table(
    "role_lease",
    Column("name", String(64), primary_key=True),
    Column("epoch", Id, nullable=False),  # grows with each change of holder
    Column("holder", Name, nullable=False),  # one server process of all that there ever were
    Column("deadline_at", Double, nullable=False),
)

tool = _table("tool", _id(), Column("name", Name, nullable=False, unique=True))

tool_version = _table(
    "tool_version",
    _id(),
    _ref("tool_id"),
    Column("request_id", String(64), nullable=True, unique=True),
    Index("ix_tool_version_tool", "tool_id"),
)

template_version = _table(
    "template_version",
    _id(),
    _ref("tool_version_id"),
    Column("name", Name, nullable=False),
    Column("template_key", Hash, nullable=False),
    Column("command_template", LongText, nullable=False),
    Column("arguments", LongText, nullable=False),  # JSON: {"node": [...], "task": [...], "op": [...]}
    UniqueConstraint("tool_version_id", "template_key", name="uq_template_version"),
)

workflow = _table(
    "workflow",
    _id(),
    _ref("tool_version_id"),
    Column("args_hash", Hash, nullable=False),
    Column("args", LongText, nullable=False),
    Column("name", Name, nullable=False),
    Column("description", LongText, nullable=False),
    Column("owner", Name, nullable=False),
    Column("run_dir", LongText, nullable=False),
    Column("request_id", String(64), nullable=False, unique=True),
    Column("identity_hash", Hash, nullable=False),
    Column("order_hash", Hash, nullable=False),
    Column("spec_hash", Hash, nullable=False),
    _status(),
    Column("status_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("deadline_at", Double, nullable=False),  # of its bind and its first run, while it is registering
    Column("bound_at", Double, nullable=True),  # when its last chunk came
    Column("max_concurrently_running", Id, nullable=False),
    _ref("first_task_id"),
    _count("task_count"),
    _ref("first_gate_id"),
    _count("gate_count"),
    _count("next_chunk"),
    _ref("current_run_id", nullable=True),
    _one_of("workflow"),
    UniqueConstraint("tool_version_id", "args_hash", name="uq_workflow_args"),
    Index("ix_workflow_owner", "owner", "id"),
    Index("ix_workflow_status", "status", "deadline_at"),
    **_NEVER_AGAIN,
)

workflow_attribute = _table(
    "workflow_attribute",
    Column("workflow_id", Id, primary_key=True, autoincrement=False),
    Column("name", Name, primary_key=True),
    Column("value", Name, nullable=True),
)

workflow_run = _table(
    "workflow_run",
    _id(),
    _ref("workflow_id"),
    Column("request_id", String(64), nullable=False, unique=True),
    _status(),
    Column("status_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("user", Name, nullable=False),
    Column("host", Name, nullable=False),
    Column("pid", Id, nullable=False),
    Column("client_version", String(32), nullable=False),
    Column("fail_fast", Boolean, nullable=False),
    Column("timeout_at", Double, nullable=False),
    Column("goal", String(1), nullable=False, default=""),  # the end it was told to come to: S, E or nothing
    Column("reason", LongText, nullable=False),
    Column("notice", LongText, nullable=False),
    _count("fence"),
    Column("holder", String(64), nullable=False, default=""),
    Column("holder_host", Name, nullable=False, default=""),
    Column("holder_pid", Id, nullable=False, default=0),
    Column("deadline_at", Double, nullable=False),  # of the distributor's lease
    _count("previously_complete"),
    _one_of("workflow_run"),
    Index("ix_workflow_run_workflow", "workflow_id"),
    Index("ix_workflow_run_status", "status", "deadline_at"),
    **_NEVER_AGAIN,
)

array = _table(
    "task_array",  # `array` is a word of SQL
    _id(),
    _ref("workflow_id"),
    _ref("template_version_id"),
    Column("name", Name, nullable=False),
    Column("max_concurrently_running", Id, nullable=False),
    # Tasks by where they are. All of these change in `advance` alone, under the run's row lock.
    _count("total"),
    _count("queued"),  # Q
    _count("delayed"),  # E and A: wait for their back-off or for resources
    _count("active"),  # an attempt of theirs is not absorbed yet
    _count("done"),
    _count("fatal"),
    _count("retries"),
    UniqueConstraint("workflow_id", "name", name="uq_array_name"),
    **_NEVER_AGAIN,
)

resources = _table(
    "resources",
    _id(),
    _ref("workflow_id"),
    Column("digest", Hash, nullable=False),
    Column("cluster", Name, nullable=False),
    Column("requested", LongText, nullable=False),  # JSON: core.resources.Resources
    Column("scales", LongText, nullable=False),
    Column("fallback_queues", LongText, nullable=False),
    Column("original_id", Id, nullable=True),  # scaled from this one ...
    Column("step", SmallInteger, nullable=False, default=0),  # ... this many times
    Column("refused", LongText, nullable=True),  # why their cluster will never take them, in its own words
    UniqueConstraint("workflow_id", "digest", name="uq_resources"),
    **_NEVER_AGAIN,
)

gate = _table(
    "gate",
    _id(autoincrement=False),
    _ref("workflow_id"),
    _count("remaining"),
    Column("state", String(1), nullable=False),  # S shut, O open, P passed: all of its tasks are queued
    _count("passed_upto"),  # tasks up to this id are queued
    Index("ix_gate_state", "workflow_id", "state", "id"),
)

gate_member = _table(
    "gate_member",
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("gate_id", Id, primary_key=True, autoincrement=False),
)
gate_member.dialect_options["sqlite"]["with_rowid"] = False

task = _table(
    "task",
    _id(autoincrement=False),
    _ref("workflow_id"),
    _ref("array_id"),
    _ref("gate_id"),
    _ref("resources_id"),
    _status(),
    Column("max_attempts", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("failures", SmallInteger, nullable=False, default=0, server_default="0"),  # count against max
    Column("system_failures", SmallInteger, nullable=False, default=0, server_default="0"),
    Column("deferred", Boolean, nullable=False),
    Column("due_at", Double, nullable=True),  # end of the back-off, while E
    _one_of("task"),
    Index("ix_task_pick", "array_id", "status", "id"),
    Index("ix_task_gate", "gate_id", "id"),
)

task_spec = _table(
    "task_spec",
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("name", Name, nullable=False),
    Column("command", LongText, nullable=False),
    Column("node_args", LongText, nullable=False),
    Column("node_hash", String(32), nullable=False),
)

task_attribute = _table(
    "task_attribute",
    Column("task_id", Id, primary_key=True, autoincrement=False),
    Column("name", Name, primary_key=True),
    Column("value", Name, nullable=True),
)

batch = _table(
    "batch",
    _id(),
    _ref("workflow_id"),
    _ref("workflow_run_id"),
    _ref("array_id"),
    _ref("resources_id"),
    Column("name", String(64), nullable=False, unique=True),
    Column("status", String(1), nullable=False),  # I intended, O launched, W not taken
    Column("job_id", Name, nullable=False, default=""),
    Column("size", Integer, nullable=False),
    _ref("first_instance_id"),
    Column("fence", Id, nullable=False),  # whose intent: another one has to look first
    Column("created_at", Double, nullable=False),
    Index("ix_batch_status", "workflow_id", "status"),
)

task_instance = _table(
    "task_instance",
    _id(autoincrement=False),
    _ref("task_id"),
    _ref("workflow_id"),
    _ref("batch_id"),
    Column("attempt", SmallInteger, nullable=False),
    _status(),
    Column("status_at", Double, nullable=False),
    Column("deadline_at", Double, nullable=False),
    Column("runner", String(64), nullable=False, server_default=""),
    Column("sequence", Id, nullable=False, server_default="0"),  # of the runner's newest sign of life
    Column("node", Name, nullable=False, server_default=""),
    _ref("place", nullable=True),  # the attempt in whose place on the cluster it was started, when not in its own
    _one_of("task_instance"),
    Index("ix_instance_task", "task_id"),
    Index("ix_instance_active", "workflow_id", "status", "deadline_at"),
)

attempt_result = _table(
    "attempt_result",
    Column("task_instance_id", Id, primary_key=True, autoincrement=False),
    Column("failure_class", String(16), nullable=False),
    Column("exit_code", Integer, nullable=True),
    Column("peak_memory_bytes", Id, nullable=True),
    Column("cpu_seconds", Double, nullable=True),
    Column("wall_seconds", Double, nullable=True),
)

error_log = _table(
    "error_log",
    _id(),
    _ref("workflow_id"),
    _ref("task_id"),
    _ref("task_instance_id"),
    Column("error_at", Double, nullable=False),
    Column("description", LongText, nullable=False),
    Index("ix_error_instance", "task_instance_id"),
    Index("ix_error_workflow", "workflow_id", "id"),
)

completion = _table(
    "completion",
    _id(),
    _ref("workflow_id"),
    _ref("task_id"),
    _ref("task_instance_id"),
    Column("status", String(1), nullable=False),
    Column("failure_class", String(16), nullable=False),
    Index("ix_completion_workflow", "workflow_id", "id"),
)

spare_place = _table(
    "spare_place",
    _id(),
    _ref("workflow_id"),
    _ref("task_instance_id"),  # started elsewhere: what the cluster holds for it is not needed
    Column("at", Double, nullable=False),
    Index("ix_spare_place_workflow", "workflow_id", "id"),
)

audit = _table(
    "audit",
    _id(),
    Column("kind", String(1), nullable=False),  # T task, I task instance, R workflow run, W workflow
    _ref("entity_id"),
    _ref("workflow_id"),
    Column("old", String(1), nullable=False),
    Column("new", String(1), nullable=False),
    Column("at", Double, nullable=False),
    Column("actor", String(64), nullable=False),
    Column("why", String(255), nullable=False),
    Index("ix_audit_workflow", "workflow_id", "id"),
)

cluster = _table(
    "cluster",
    _id(),
    Column("name", Name, nullable=False, unique=True),
    Column("kind", Name, nullable=False),
    Column("options", LongText, nullable=False, default="{}"),  # JSON: name -> text
)

queue = _table(
    "queue",
    _id(),
    _ref("cluster_id"),
    Column("name", Name, nullable=False),
    Column("limits", LongText, nullable=False),  # JSON: core.resources.QueueLimits
    UniqueConstraint("cluster_id", "name", name="uq_queue"),
)

user_account = _table(
    "user_account",
    _id(),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("member_of", LongText, nullable=False),  # JSON: names of groups
    Column("disabled", Boolean, nullable=False),
    _count("epoch"),  # tokens that were derived under another one are void
    Column("created_at", Double, nullable=False),
    CheckConstraint("role IN ('user', 'operator', 'admin')", name="ck_user_account_role"),
)

api_token = _table(
    "api_token",
    _id(),
    Column("digest", Hash, nullable=False, unique=True),  # sha256: the token itself is nowhere
    _ref("user_id"),
    Column("scope", String(16), nullable=False),
    Column("note", Name, nullable=False, server_default=""),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("revoked_at", Double, nullable=True),
    Column("used_at", Double, nullable=True),  # to the hour
    Index("ix_api_token_user", "user_id", "id"),
)

used_nonce = _table(
    "used_nonce",
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index("ix_used_nonce_expires", "expires_at"),
)
