"""toolguard: the guard between a model and its tools.

    from toolguard import Caller, Guard

    guard = Guard.from_config("toolguard.toml")
    with guard.session(caller=Caller.of("ana.ruiz", agent="discharge-agent", tenant="st-elsewhere")) as session:
        session.call(look_up_patient, {"mrn": "…"})
"""

from toolguard._core.call import Annotations, Assurance, Caller, CallRef, Person, Tool, ToolIdentity
from toolguard._core.flow.reveal import Clear
from toolguard._core.flow.setting import Done, Permit, ResultShape
from toolguard._core.mask import Finding
from toolguard._core.policy import Decision, Effect
from toolguard._core.risk import Evidence, Risk, RiskClass, RiskLevel
from toolguard._core.steps import Origin
from toolguard.bound import BoundTool
from toolguard.drive import CurrentCall, current_call
from toolguard.errors import *  # noqa: F403 - the whole tree of errors is public
from toolguard.guard import Guard, Session, current_session

__all__ = [
    "Annotations",
    "Assurance",
    "BoundTool",
    "CallRef",
    "Caller",
    "Clear",
    "CurrentCall",
    "Decision",
    "Done",
    "Effect",
    "Evidence",
    "Finding",
    "Guard",
    "Origin",
    "Permit",
    "Person",
    "ResultShape",
    "Risk",
    "RiskClass",
    "RiskLevel",
    "Session",
    "Tool",
    "ToolIdentity",
    "current_call",
    "current_session",
]
