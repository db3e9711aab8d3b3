"""What a person said no to, recognised however it is written: the target of a call in a form made for comparing.

The form feeds no digest that lets anything run; it only refuses, so it may take two things for one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from toolguard._core.approval import Approval, State
from toolguard._core.call import Json, canonical, keyed_digest
from toolguard._core.flow.judge import at
from toolguard._core.flow.setting import Flow, Judged, Setting
from toolguard._core.spelling import plain
from toolguard._core.steps import Recent, Requester

__all__ = ["denied_before", "target_of"]


def denied_before(setting: Setting, judged: Judged, requester: Requester, now: float) -> Flow[bool]:
    """Whether a person said no to this, or to the same target, so short a while ago that the no still holds."""
    holds = max((rule.denial_memory for rule in judged.decision.approver_rules), default=0.0)
    if holds <= 0:
        return False
    recent: tuple[Approval, ...] = yield Recent(requester.person, setting.tool.name, now - holds)
    target = target_of(setting, judged)
    return any(
        a.state is State.DENIED
        and now < a.changed + holds
        and (a.request.args_digest == judged.args_digest or a.request.target == target)
        for a in recent
    )


def target_of(setting: Setting, judged: Judged) -> str:
    """A keyed digest of what the call is aimed at: its decisive arguments, or all where the policy names none."""
    data = judged.arguments.data
    named = {name: at(data, name) for name in setting.plan.rule.decisive}
    aimed = {name: _alike(value) for name, value in named.items() if value is not None}
    return keyed_digest(setting.scope.digest_key, "toolguard.target", canonical(aimed or [_alike(data)]))


_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,2})?")


def _alike(value: Json) -> Json:
    """Case, width, spacing, what cannot be seen, how a number is written and the order of a list make no other target."""
    if isinstance(value, Mapping):
        return {plain(str(name)): _alike(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        inner = {canonical(each): each for each in map(_alike, value)}
        return [inner[key] for key in sorted(inner)]
    if value is None or isinstance(value, bool):
        return value
    text = plain(str(value))
    return f"{Decimal(text).normalize():f}" if _NUMBER.fullmatch(text) else text
