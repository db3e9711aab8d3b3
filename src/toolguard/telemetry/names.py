"""Names of span attributes.

The GenAI names are constants of our own: the Python package marks its own as moved. A test holds them
against the installed package. Everything the conventions have no word for is ``toolguard.*``.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "AGENT_NAME",
    "APPROVAL_ID",
    "APPROVAL_REQUESTED_AT",
    "ARGUMENTS",
    "CALL_ID",
    "CONVERSATION_ID",
    "ERROR_TYPE",
    "GUARDRAIL_ACTION",
    "GUARDRAIL_NAME",
    "GUARDRAIL_TRIGGERED",
    "HASH",
    "LOG_ID",
    "OPERATION_NAME",
    "OUTCOME",
    "PARKED_HASH",
    "PARKED_LOG_ID",
    "PARKED_SEQ",
    "PARKED_SINK",
    "POLICY_SHA256",
    "REASON_CODE",
    "RESULT",
    "RESUMED_SPAN_ID",
    "RESUMED_TRACE_ID",
    "SEQ",
    "TENANT",
    "TOOL_CALL_ID",
    "TOOL_NAME",
    "TOOL_TYPE",
]

OPERATION_NAME: Final = "gen_ai.operation.name"
TOOL_NAME: Final = "gen_ai.tool.name"
TOOL_TYPE: Final = "gen_ai.tool.type"
TOOL_CALL_ID: Final = "gen_ai.tool.call.id"
AGENT_NAME: Final = "gen_ai.agent.name"
CONVERSATION_ID: Final = "gen_ai.conversation.id"
ERROR_TYPE: Final = "error.type"

CALL_ID: Final = "toolguard.call.id"
APPROVAL_ID: Final = "toolguard.approval.id"
APPROVAL_REQUESTED_AT: Final = "toolguard.approval.requested_at"
OUTCOME: Final = "toolguard.decision.outcome"
POLICY_SHA256: Final = "toolguard.policy.sha256"
LOG_ID: Final = "toolguard.audit.log_id"
SEQ: Final = "toolguard.audit.seq"
HASH: Final = "toolguard.audit.hash"
TENANT: Final = "toolguard.tenant"
REASON_CODE: Final = "toolguard.decision.reason_code"
PARKED_LOG_ID: Final = "toolguard.parked.log_id"
PARKED_SEQ: Final = "toolguard.parked.seq"
PARKED_HASH: Final = "toolguard.parked.hash"
PARKED_SINK: Final = "toolguard.parked.sink"
RESUMED_TRACE_ID: Final = "toolguard.resumed.trace_id"
RESUMED_SPAN_ID: Final = "toolguard.resumed.span_id"
ARGUMENTS: Final = "gen_ai.tool.call.arguments"
RESULT: Final = "gen_ai.tool.call.result"
GUARDRAIL_NAME: Final = "gen_ai.guardrail.name"
GUARDRAIL_TRIGGERED: Final = "gen_ai.guardrail.triggered"
GUARDRAIL_ACTION: Final = "gen_ai.guardrail.action"
