"""The first schema."""

import sqlalchemy as sa

from jobmon.server.migrations import steps
from jobmon.server.migrations.steps import Id, LongText

revision = "0001"
down_revision = None
serves_from = "0001"


def upgrade() -> None:
    """All tables."""
    steps.create_table(
        "id_block",
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("next_id", Id, nullable=False),
    )
    steps.create_table(
        "server_state",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )
    steps.create_table(
        "role_lease",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("epoch", Id, nullable=False),
        sa.Column("holder", sa.String(255), nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=False),
    )
    steps.create_table(
        "tool",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
    )
    steps.create_table(
        "tool_version",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("tool_id", Id, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True, unique=True),
    )
    steps.create_index("ix_tool_version_tool", "tool_version", ["tool_id"])
    steps.create_table(
        "template_version",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("tool_version_id", Id, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("template_key", sa.String(64), nullable=False),
        sa.Column("command_template", LongText, nullable=False),
        sa.Column("arguments", LongText, nullable=False),
        sa.UniqueConstraint("tool_version_id", "template_key", name="uq_template_version"),
    )
    steps.create_table(
        "workflow",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("tool_version_id", Id, nullable=False),
        sa.Column("args_hash", sa.String(64), nullable=False),
        sa.Column("args", LongText, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", LongText, nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("run_dir", LongText, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False, unique=True),
        sa.Column("identity_hash", sa.String(64), nullable=False),
        sa.Column("order_hash", sa.String(64), nullable=False),
        sa.Column("spec_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("status_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=False),
        sa.Column("bound_at", sa.Double(), nullable=True),
        sa.Column("max_concurrently_running", Id, nullable=False),
        sa.Column("first_task_id", Id, nullable=False),
        sa.Column("task_count", Id, nullable=False, server_default="0"),
        sa.Column("first_gate_id", Id, nullable=False),
        sa.Column("gate_count", Id, nullable=False, server_default="0"),
        sa.Column("next_chunk", Id, nullable=False, server_default="0"),
        sa.Column("current_run_id", Id, nullable=True),
        sa.CheckConstraint("status IN ('G', 'Q', 'A', 'F', 'H', 'I', 'O', 'R', 'D')", name="ck_workflow_status"),
        sa.UniqueConstraint("tool_version_id", "args_hash", name="uq_workflow_args"),
        sqlite_autoincrement=True,
    )
    steps.create_index("ix_workflow_owner", "workflow", ["owner", "id"])
    steps.create_index("ix_workflow_status", "workflow", ["status", "deadline_at"])
    steps.create_table(
        "workflow_attribute",
        sa.Column("workflow_id", Id, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.String(255), nullable=True),
    )
    steps.create_table(
        "workflow_run",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False, unique=True),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("status_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", Id, nullable=False),
        sa.Column("client_version", sa.String(32), nullable=False),
        sa.Column("fail_fast", sa.Boolean(), nullable=False),
        sa.Column("timeout_at", sa.Double(), nullable=False),
        sa.Column("goal", sa.String(1), nullable=False),
        sa.Column("reason", LongText, nullable=False),
        sa.Column("notice", LongText, nullable=False),
        sa.Column("fence", Id, nullable=False, server_default="0"),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("holder_host", sa.String(255), nullable=False),
        sa.Column("holder_pid", Id, nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=False),
        sa.Column("previously_complete", Id, nullable=False, server_default="0"),
        sa.CheckConstraint(
            "status IN ('G', 'B', 'I', 'O', 'R', 'D', 'E', 'S', 'C', 'H', 'T', 'A')", name="ck_workflow_run_status"
        ),
        sqlite_autoincrement=True,
    )
    steps.create_index("ix_workflow_run_status", "workflow_run", ["status", "deadline_at"])
    steps.create_index("ix_workflow_run_workflow", "workflow_run", ["workflow_id"])
    steps.create_table(
        "task_array",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("template_version_id", Id, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("max_concurrently_running", Id, nullable=False),
        sa.Column("total", Id, nullable=False, server_default="0"),
        sa.Column("queued", Id, nullable=False, server_default="0"),
        sa.Column("delayed", Id, nullable=False, server_default="0"),
        sa.Column("active", Id, nullable=False, server_default="0"),
        sa.Column("done", Id, nullable=False, server_default="0"),
        sa.Column("fatal", Id, nullable=False, server_default="0"),
        sa.Column("retries", Id, nullable=False, server_default="0"),
        sa.UniqueConstraint("workflow_id", "name", name="uq_array_name"),
        sqlite_autoincrement=True,
    )
    steps.create_table(
        "resources",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("cluster", sa.String(255), nullable=False),
        sa.Column("requested", LongText, nullable=False),
        sa.Column("scales", LongText, nullable=False),
        sa.Column("fallback_queues", LongText, nullable=False),
        sa.Column("original_id", Id, nullable=True),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.Column("refused", LongText, nullable=True),
        sa.UniqueConstraint("workflow_id", "digest", name="uq_resources"),
        sqlite_autoincrement=True,
    )
    steps.create_table(
        "gate",
        sa.Column("id", Id, primary_key=True, autoincrement=False),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("remaining", Id, nullable=False, server_default="0"),
        sa.Column("state", sa.String(1), nullable=False),
        sa.Column("passed_upto", Id, nullable=False, server_default="0"),
    )
    steps.create_index("ix_gate_state", "gate", ["workflow_id", "state", "id"])
    steps.create_table(
        "gate_member",
        sa.Column("task_id", Id, primary_key=True, autoincrement=False),
        sa.Column("gate_id", Id, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    steps.create_table(
        "task",
        sa.Column("id", Id, primary_key=True, autoincrement=False),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("array_id", Id, nullable=False),
        sa.Column("gate_id", Id, nullable=False),
        sa.Column("resources_id", Id, nullable=False),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("failures", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("system_failures", sa.SmallInteger(), nullable=False, server_default="0"),
        sa.Column("deferred", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.CheckConstraint("status IN ('G', 'Q', 'A', 'E', 'I', 'O', 'R', 'D', 'F')", name="ck_task_status"),
    )
    steps.create_index("ix_task_gate", "task", ["gate_id", "id"])
    steps.create_index("ix_task_pick", "task", ["array_id", "status", "id"])
    steps.create_table(
        "task_spec",
        sa.Column("task_id", Id, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("command", LongText, nullable=False),
        sa.Column("node_args", LongText, nullable=False),
        sa.Column("node_hash", sa.String(32), nullable=False),
    )
    steps.create_table(
        "task_attribute",
        sa.Column("task_id", Id, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("value", sa.String(255), nullable=True),
    )
    steps.create_table(
        "batch",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("workflow_run_id", Id, nullable=False),
        sa.Column("array_id", Id, nullable=False),
        sa.Column("resources_id", Id, nullable=False),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("job_id", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_instance_id", Id, nullable=False),
        sa.Column("fence", Id, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
    )
    steps.create_index("ix_batch_status", "batch", ["workflow_id", "status"])
    steps.create_table(
        "task_instance",
        sa.Column("id", Id, primary_key=True, autoincrement=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("attempt", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("status_at", sa.Double(), nullable=False),
        sa.Column("deadline_at", sa.Double(), nullable=False),
        sa.Column("runner", sa.String(64), nullable=False, server_default=""),
        sa.Column("sequence", Id, nullable=False, server_default="0"),
        sa.Column("node", sa.String(255), nullable=False, server_default=""),
        sa.Column("place", Id, nullable=True),
        sa.CheckConstraint(
            "status IN ('I', 'O', 'W', 'R', 'D', 'T', 'E', 'Z', 'U', 'X', 'F', 'K')",
            name="ck_task_instance_status",
        ),
    )
    steps.create_index("ix_instance_active", "task_instance", ["workflow_id", "status", "deadline_at"])
    steps.create_index("ix_instance_task", "task_instance", ["task_id"])
    steps.create_table(
        "attempt_result",
        sa.Column("task_instance_id", Id, primary_key=True, autoincrement=False),
        sa.Column("failure_class", sa.String(16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("peak_memory_bytes", Id, nullable=True),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("wall_seconds", sa.Double(), nullable=True),
    )
    steps.create_table(
        "error_log",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("task_instance_id", Id, nullable=False),
        sa.Column("error_at", sa.Double(), nullable=False),
        sa.Column("description", LongText, nullable=False),
    )
    steps.create_index("ix_error_instance", "error_log", ["task_instance_id"])
    steps.create_index("ix_error_workflow", "error_log", ["workflow_id", "id"])
    steps.create_table(
        "completion",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("task_id", Id, nullable=False),
        sa.Column("task_instance_id", Id, nullable=False),
        sa.Column("status", sa.String(1), nullable=False),
        sa.Column("failure_class", sa.String(16), nullable=False),
    )
    steps.create_index("ix_completion_workflow", "completion", ["workflow_id", "id"])
    steps.create_table(
        "spare_place",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("task_instance_id", Id, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
    )
    steps.create_index("ix_spare_place_workflow", "spare_place", ["workflow_id", "id"])
    steps.create_table(
        "audit",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("kind", sa.String(1), nullable=False),
        sa.Column("entity_id", Id, nullable=False),
        sa.Column("workflow_id", Id, nullable=False),
        sa.Column("old", sa.String(1), nullable=False),
        sa.Column("new", sa.String(1), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("why", sa.String(255), nullable=False),
    )
    steps.create_index("ix_audit_workflow", "audit", ["workflow_id", "id"])
    steps.create_table(
        "cluster",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(255), nullable=False, unique=True),
        sa.Column("kind", sa.String(255), nullable=False),
        sa.Column("options", LongText, nullable=False),
    )
    steps.create_table(
        "queue",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("cluster_id", Id, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("limits", LongText, nullable=False),
        sa.UniqueConstraint("cluster_id", "name", name="uq_queue"),
    )
    steps.create_table(
        "user_account",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("member_of", LongText, nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("epoch", Id, nullable=False, server_default="0"),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("role IN ('user', 'operator', 'admin')", name="ck_user_account_role"),
    )
    steps.create_table(
        "api_token",
        sa.Column("id", Id, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("user_id", Id, nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("note", sa.String(255), nullable=False, server_default=""),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("used_at", sa.Double(), nullable=True),
    )
    steps.create_index("ix_api_token_user", "api_token", ["user_id", "id"])
    steps.create_table(
        "used_nonce",
        sa.Column("nonce", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Double(), nullable=False),
    )
    steps.create_index("ix_used_nonce_expires", "used_nonce", ["expires_at"])
