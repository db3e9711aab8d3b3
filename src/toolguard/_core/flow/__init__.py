"""The flow: the one place that orders what happens to a call.

    authorise:  take in → resolve → detect, analyse → classify → decide → record → deny | ask | permit
    execute:    digest again → claim + record executing → invoke → mask the result → record

Generators that yield steps; drivers (sync and async) carry them out. A generator is never stored: what
survives a restart is in the store, and running the flow again finds it there.
"""

from toolguard._core.flow.authorise import authorise
from toolguard._core.flow.claim import abandon
from toolguard._core.flow.execute import execute
from toolguard._core.flow.judge import judge
from toolguard._core.flow.masking import mask_value
from toolguard._core.flow.reveal import Clear, reveal_text
from toolguard._core.flow.setting import Done, Flow, Judged, Permit, ResultShape, Setting, Suspension

__all__ = [
    "Clear",
    "Done",
    "Flow",
    "Judged",
    "Permit",
    "ResultShape",
    "Setting",
    "Suspension",
    "abandon",
    "authorise",
    "execute",
    "judge",
    "mask_value",
    "reveal_text",
]
