"""What a session was told of its conversation: who said what, and what results brought."""

from __future__ import annotations

import threading
from collections.abc import Callable

from toolguard._core.call import Json
from toolguard._core.conversation import Conversation
from toolguard._core.flow import Setting
from toolguard._core.policy import ToolPlan
from toolguard._core.provenance import UNTRACED, CameFrom, Provenance
from toolguard._core.steps import Origin
from toolguard.ports import Aiming
from toolguard.running import current_call

__all__ = ["Said"]

_CAME_FROM = {
    Origin.USER: CameFrom.USER,
    Origin.SYSTEM: CameFrom.SYSTEM,
    Origin.RESULT: CameFrom.RESULT,
    Origin.TRUSTED: CameFrom.RESULT,
}
"""What the model wrote is nobody's word, and is not remembered."""


class Said:
    """One session's conversation, shared by all that go by its name in this process."""

    def __init__(self, outer: Said | None = None) -> None:
        self._lock: threading.Lock = threading.Lock() if outer is None else outer._lock
        self._conversation: Conversation = Conversation() if outer is None else outer._conversation
        self._inner = outer is not None

    def inner(self) -> Said:
        """The same for a session that belongs to this one: what is called the user's there, an agent here wrote."""
        return Said(self)

    @property
    def cold(self) -> bool:
        return self._conversation.cold

    def message(self, masked: Json, origin: Origin) -> None:
        """Part of the context, as the model sees it.

        While a tool runs nobody types: what is called the user's then is what a model wrote for an agent inside it.
        """
        came = _CAME_FROM.get(origin)
        if came is None:
            return
        inside = came is not CameFrom.RESULT and (self._inner or current_call() is not None)
        with self._lock:
            self._conversation.tell(
                masked, CameFrom.RESULT if inside else came, records=origin is Origin.TRUSTED and not inside
            )

    def result(self, setting: Setting, masked: Json) -> None:
        """What a tool returned. Its fields belong together unless strangers write them."""
        rule = setting.plan.rule
        trusted = rule.trusted_results or rule.content == "trusted"
        records = trusted or (rule.content is None and not setting.tool.annotations.open_world)
        with self._lock:
            self._conversation.tell(masked, CameFrom.RESULT, records=records, strange=not trusted)

    def tracer(self, analysis: Aiming | None, plan: ToolPlan) -> Callable[[Json, Json], Provenance] | None:
        """Where the deciding values of a call came from; None where nobody can tell which they are."""
        if analysis is None:
            return None

        def trace(data: Json, written: Json) -> Provenance:
            aims = analysis.aims(data, plan.rule.decisive)
            if not aims:
                return UNTRACED
            with self._lock:
                return self._conversation.trace_call(aims, data, written, plan.tool.schema)

        return trace
