"""toolguard: the guard between a model and its tools.

from toolguard import Caller, Guard

guard = Guard.from_config("toolguard.toml")
with guard.session(caller=Caller.of("ana.ruiz", agent="discharge-agent", tenant="st-elsewhere")) as session:
    session.call(look_up_patient, {"mrn": "…"})
"""

import os as _os
from typing import TYPE_CHECKING, Any

from toolguard._core.call import Annotations, Assurance, Caller, CallRef, Person, Tool, ToolIdentity
from toolguard._core.flow.reveal import Clear
from toolguard._core.flow.setting import Done, Permit, ResultShape
from toolguard._core.mask import Finding
from toolguard._core.policy import Decision, Effect
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard._core.steps import Origin
from toolguard.errors import CredentialError, DeniedError, IdentityError, Suspended, ToolguardError
from toolguard.shown import Look as _Look
from toolguard.shown import Shown as _Shown

if TYPE_CHECKING:
    from toolguard.bound import BoundTool, from_function
    from toolguard.credentials import Credential
    from toolguard.guard import Guard, Session, current_session
    from toolguard.running import CurrentCall, acredential, credential, current_call

__all__ = [
    "Annotations",
    "Assurance",
    "BoundTool",
    "CallRef",
    "Caller",
    "Clear",
    "Credential",
    "CredentialError",
    "CurrentCall",
    "Decision",
    "DeniedError",
    "Done",
    "Effect",
    "Evidence",
    "Finding",
    "Guard",
    "IdentityError",
    "Origin",
    "Permit",
    "Person",
    "ResultShape",
    "Risk",
    "RiskClass",
    "RiskLevel",
    "Session",
    "Suspended",
    "Tool",
    "ToolIdentity",
    "ToolguardError",
    "acredential",
    "credential",
    "current_call",
    "current_session",
    "from_function",
]


def _refuse_clash() -> None:
    """Another project on the index is called ``toolguard`` and brings the same import name."""
    site = _os.path.dirname(_os.path.dirname(__file__))  # noqa: PTH120 - pathlib would double the time of this import
    if any(n.startswith("toolguard-") and n.endswith(".dist-info") for n in _os.listdir(site)):  # noqa: PTH208 - as above
        raise ImportError(
            "another distribution called 'toolguard' is installed beside this one and both own this import name; "
            "remove both with 'pip uninstall toolguard toolguard-middleware', then install toolguard-middleware again"
        )


_refuse_clash()

_LATER = {
    "BoundTool": "toolguard.bound",
    "Credential": "toolguard.credentials",
    "CurrentCall": "toolguard.running",
    "Guard": "toolguard.guard",
    "Session": "toolguard.guard",
    "acredential": "toolguard.running",
    "credential": "toolguard.running",
    "current_call": "toolguard.running",
    "current_session": "toolguard.guard",
    "from_function": "toolguard.bound",
}
"""Names whose modules bring in parsers and pydantic: loaded when they are first asked for."""


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'toolguard' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(module), name)


def _how(shown: object) -> _Look:
    from toolguard.display import view

    return view(shown)


_Shown.how = staticmethod(_how)
