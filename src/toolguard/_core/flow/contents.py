"""Arguments that refer to content elsewhere: bound to it when asked, compared with it before the claim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from toolguard._core.approval import Approval, State
from toolguard._core.call import Json
from toolguard._core.flow.judge import at
from toolguard._core.flow.setting import Flow, Judged, Permit, Setting
from toolguard._core.steps import Digest, Reach, Reference
from toolguard.errors import ContentError

__all__ = ["contents", "reach", "same_contents"]

MAX_REFERENCES = 100
"""References in one call."""


def contents(setting: Setting, judged: Judged) -> Flow[tuple[dict[str, str], tuple[str, ...]]]:
    """What the call's references hold, as digests, and the arguments whose contents nothing binds.

    Raises:
        ContentError: a reference the policy names cannot be read, so nobody can approve what it holds.
    """
    declared = _references(setting, judged)
    bound: Mapping[str, str] = {}
    if declared:
        bound = cast("Mapping[str, str]", (yield Digest(declared)))
    rest = judged.arguments.data
    for name in setting.plan.rule.references:
        rest = _without(rest, name.split("."))
    return dict(sorted(bound.items())), setting.pointers(rest) if setting.pointers else ()


def same_contents(setting: Setting, judged: Judged, approval: Approval) -> Flow[bool]:
    """Whether every reference still holds what was approved. What cannot be read any more has changed."""
    if approval.state is State.EXECUTED:  # its result is given again; nothing runs
        return True
    try:
        declared = _references(setting, judged)
        now: Mapping[str, str] = (yield Digest(declared)) if declared else {}
    except ContentError:
        return False
    return dict(now) == dict(approval.request.bound)


def reach(setting: Setting, permit: Permit, span: str, now: float) -> Reach | None:
    """What the tool may reach for while this call executes; None where the policy names nothing."""
    rule, trail = setting.plan.rule, permit.trail
    if not rule.credentials and not rule.references:
        return None
    caller = setting.scope.caller
    return Reach(
        tool=setting.tool.name,
        tenant=caller.tenant,
        agent=caller.agent,
        until=now + setting.lease,
        credentials=rule.credentials,
        references=_references(setting, permit.judged),
        bound=permit.approval.request.bound if permit.approval else {},
        note=lambda kind, name, provider, reason, at, span_id: trail.credential(
            kind, name, provider, reason, at=at, span_id=span_id, parent_id=span
        ),
    )


def _references(setting: Setting, judged: Judged) -> tuple[Reference, ...]:
    """Every reference the policy declares and this call gives a value for; of a list, each item."""
    data = judged.arguments.data
    found = [
        Reference(path=path, reader=reader, value=value)
        for name, reader in setting.plan.rule.references.items()
        for path, value in _texts(name, at(data, name))
    ]
    if len(found) > MAX_REFERENCES:
        raise ContentError(
            f"a call of {setting.tool.name!r} refers to more than {MAX_REFERENCES} contents; refer to fewer at once",
            code="content_too_large",
        )
    return tuple(found)


def _without(data: Json, names: list[str]) -> Json:
    """``data`` without what stands at this path."""
    name, *inner = names
    if isinstance(data, list) and name.isdigit() and int(name) < len(data):
        return [
            _without(v, inner) if i == int(name) and inner else v for i, v in enumerate(data) if inner or i != int(name)
        ]
    if not isinstance(data, Mapping) or name not in data:
        return data
    return {k: _without(v, inner) if k == name else v for k, v in data.items() if inner or k != name}


def _texts(path: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(f"{path}.{index}", item)
    elif value is not None:
        raise ContentError(
            f"argument {path.split('.')[0]!r} should refer to content and is neither text nor a list of texts; "
            "mend the references of this tool in the policy",
            code="content_unreadable",
        )
