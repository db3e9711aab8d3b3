"""One tree of errors.

Every message is lower case, without a full stop, and says what happened, why, and what to do next.
No message ever holds an argument value, a piece of message text or anything else that could be PHI:
names that people configured (tools, rules, groups, files) are shown with ``!r``, values never.
"""

from __future__ import annotations

from toolguard.shown import Shown

__all__ = [
    "ApprovalError",
    "BadArgumentsError",
    "ConfigError",
    "ConflictError",
    "ContentError",
    "CredentialError",
    "DatasetError",
    "EvidenceError",
    "DeniedError",
    "DetectionError",
    "HistoryLimitError",
    "IdentityError",
    "InvalidatedError",
    "KeyUnavailableError",
    "LimitError",
    "MissingExtraError",
    "NotAllowedError",
    "NotFoundError",
    "PolicyError",
    "PolicyRefusedError",
    "RegisterMovedError",
    "ReplayError",
    "ResultWithheldError",
    "ServiceError",
    "StoreError",
    "Suspended",
    "TamperedError",
    "ToolFailedError",
    "ToolguardError",
    "UnknownToolError",
]


class ToolguardError(Exception):
    """Base of every error this package raises.

    ``code`` is a stable, machine-readable reason; it is what spans, problem details and exit codes carry.
    """

    code: str = "error"
    model_text: str = "This call was refused and did not run. Do not retry it."
    """Constant text, safe to hand to the model as the tool's answer."""


class ConfigError(ToolguardError):
    """A configuration, key file or directory file is missing or wrong."""

    code = "config"


class MissingExtraError(ConfigError, ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    code = "missing_extra"


class PolicyError(Shown, ConfigError):
    """A policy file cannot be loaded. ``problems`` holds one entry per fault, each with its position."""

    code = "policy"

    def __init__(self, message: str, problems: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class PolicyRefusedError(PolicyError):
    """A policy that can be read is not put into force. ``reason`` is a code, such as ``unsigned`` or ``own_author``."""

    code = "policy_refused"

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class IdentityError(ToolguardError):
    """Nobody, or the wrong body, stands behind a call."""

    code = "identity"


class BadArgumentsError(ToolguardError):
    """Arguments cannot be frozen, validated or carried: the tool did not run."""

    code = "bad_arguments"
    model_text = "The arguments do not fit this tool, which did not run. Correct them and call it again."


class DetectionError(ToolguardError):
    """A detector failed or ran out of time; what it should have looked at is withheld."""

    code = "detection"


class ContentError(ToolguardError):
    """What an argument refers to (a file, a row set) cannot be read, or is no longer what was approved.

    ``code``: ``content_missing``, ``content_not_regular``, ``content_unreadable``, ``content_too_large``,
    ``content_slow``, ``content_unstable`` (it changed while it was read), ``content_changed`` or
    ``content_not_bound`` (no reader is named for the argument).
    """

    code = "content_unreadable"
    model_text = "Something this call refers to cannot be read as it must be, so it did not run. Do not retry it."

    def __init__(self, message: str, *, code: str = "content_unreadable") -> None:
        super().__init__(message)
        self.code = code


class CredentialError(ToolguardError):
    """A credential cannot be had: not declared for the tool, not now, or its provider failed. Never names the value."""

    code = "credential"
    model_text = "The tool has no access to what it needs right now. Do not retry it; tell the user."


class DatasetError(ToolguardError):
    """A data set cannot be masked as asked; what was masked before stays, and nothing unmasked was written."""

    code = "dataset"


class EvidenceError(ToolguardError):
    """An evidence pack or a report cannot be made, or one cannot be read."""


class StoreError(ToolguardError):
    """The store cannot be read or written (locked, full, gone); nothing was decided."""

    code = "store"


class ServiceError(StoreError):
    """The approval service cannot be reached, or what answered is not it; nothing ran."""

    code = "service"
    model_text = "Approvals cannot be asked for right now, so this call did not run. Do not retry it; tell the user."


class ConflictError(StoreError):
    """A compare-and-set lost: someone else changed the row first. Nothing was written."""

    code = "conflict"


class RegisterMovedError(ConflictError):
    """An act of the approval service came in between: read the register again and judge by it. Nothing was written."""

    code = "register_moved"


class LimitError(ConflictError):
    """Too many requests of one run or person, or no use left. Nothing was written."""

    code = "limit"


class HistoryLimitError(LimitError):
    """Another call came first, and with this one a limit on calls or patients would be passed. Nothing was written."""

    code = "history_limit"


class TamperedError(StoreError):
    """What the store holds does not fit what the approval service signed: it was edited, or set back."""

    code = "tampered"


class NotFoundError(StoreError):
    """No such object, or none that this caller may see."""

    code = "not_found"


class KeyUnavailableError(ConfigError):
    """A key is missing, unreadable or of the wrong kind."""

    code = "key"


class ApprovalError(ToolguardError):
    """A verdict was refused. ``code`` says why (``self_approval``, ``expired``, ``stale``, …)."""

    code = "approval"

    def __init__(self, message: str, *, code: str = "approval") -> None:
        super().__init__(message)
        self.code = code


class NotAllowedError(ToolguardError):
    """The call did not run. Base of every refusal by decision."""

    code = "denied"
    model_text = "This call was refused by policy and did not run. Do not retry it."

    def __init__(
        self, message: str, *, code: str | None = None, model_text: str | None = None, call_id: str | None = None
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if model_text is not None:
            self.model_text = model_text
        self.call_id = call_id


class DeniedError(NotAllowedError):
    """Policy or a person said no."""

    code = "denied"


class UnknownToolError(NotAllowedError):
    """The tool is not known to the guard, or its name is taken by another tool."""

    code = "unknown_tool"
    model_text = "No such tool is available. Do not retry it."


class InvalidatedError(NotAllowedError):
    """Arguments, policy, tool or identity are no longer what was approved."""

    code = "invalidated"
    model_text = "The approval no longer fits this call, which did not run. Ask again with a new call."


class ReplayError(NotAllowedError):
    """This call was already claimed or has already run."""

    code = "replay"
    model_text = "This call has already been carried out or tried once. Do not retry it."


class ToolFailedError(ToolguardError):
    """The tool ran and raised. The text names the exception's class only.

    Attributes:
        error_type: the exception's class name.
        masked_message: its message after masking, fit for the model.
        original: the exception itself, for the application; its text may hold PHI.
    """

    code = "tool_failed"

    def __init__(self, message: str, *, error_type: str, masked_message: str, original: Exception) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.masked_message = masked_message
        self.original = original
        self.model_text = f"The tool failed: {masked_message}" if masked_message else "The tool failed."


class ResultWithheldError(ToolguardError):
    """The tool ran, but its result could not be masked, may not be shown or could not be recorded."""

    code = "result_withheld"
    model_text = "The tool ran, but its result cannot be shown. Do not retry it."

    def __init__(self, message: str, *, call_id: str | None = None) -> None:
        super().__init__(message)
        self.call_id = call_id


class Suspended(Shown, ToolguardError):  # noqa: N818 - a pause is not a failure, and the word is the product's
    """The call waits for a person. Nothing ran; the same call may be made again once it is decided.

    Attributes:
        approval_id: the waiting approval.
        call_digest: what the approval is bound to.
        tool: the tool's name.
        expires_at: UTC seconds since the epoch after which a late yes no longer counts.
    """

    code = "suspended"
    model_text = (
        "The call needs a person's approval and has not run. Do not repeat it; tell the user that it is waiting."
    )

    def __init__(self, message: str, *, approval_id: str, call_digest: str, tool: str, expires_at: float) -> None:
        super().__init__(message)
        self.approval_id = approval_id
        self.call_digest = call_digest
        self.tool = tool
        self.expires_at = expires_at

    def to_dict(self) -> dict[str, str | float]:
        """The pause as plain data (no argument values)."""
        return {
            "approval_id": self.approval_id,
            "call_digest": self.call_digest,
            "tool": self.tool,
            "expires_at": self.expires_at,
        }
