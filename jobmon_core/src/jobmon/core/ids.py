"""Identifiers as types of their own, so that a task's id is never passed where a workflow's is meant."""

from typing import NewType

WorkflowId = NewType("WorkflowId", int)
WorkflowRunId = NewType("WorkflowRunId", int)
ArrayId = NewType("ArrayId", int)
TaskId = NewType("TaskId", int)
TaskInstanceId = NewType("TaskInstanceId", int)
BatchId = NewType("BatchId", int)
GateId = NewType("GateId", int)
ToolVersionId = NewType("ToolVersionId", int)
TemplateVersionId = NewType("TemplateVersionId", int)
ResourcesId = NewType("ResourcesId", int)
