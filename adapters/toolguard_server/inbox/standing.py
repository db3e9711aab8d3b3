"""Letting a yes stand, as a form: what may differ from call to call, how long and how often, or just as somebody said before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolguard.authority import Answer, Approval, StandingTerms, State, Vary, Verdict
from toolguard.errors import ApprovalError
from toolguard_server.inbox.pages import is_number
from toolguard_server.problems import Problem

__all__ = ["Differing", "Offered", "standing_of", "terms_of"]

_MOST = 6
"""Arguments a form offers to let differ; a policy's author who wants more standing writes a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Differing:
    """An argument later calls may have another value for. ``number``: up to a limit; ``decides``: never without one."""

    name: str
    number: bool
    decides: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What of a yes to a request may stand: ``minutes`` and ``uses`` at most.

    ``earlier`` are the yeses so far; where there is one, a later one lets the same stand (``same``), or nothing stands.
    """

    minutes: int
    uses: int
    differing: tuple[Differing, ...]
    earlier: tuple[Verdict, ...]
    same: StandingTerms | None


def standing_of(approval: Approval) -> Offered | None:
    """What may stand; None where nothing may."""
    request = approval.request
    limits = [rule.standing for rule in request.approver_rules]
    named = [limit for limit in limits if limit is not None]
    if approval.state is not State.PENDING or request.risk_level == "critical" or not named or len(named) < len(limits):
        return None
    latest = {v.person: v for v in approval.verdicts if v.person not in request.excluded}
    earlier = tuple(v for v in latest.values() if v.answer is Answer.APPROVE)
    said = {v.standing for v in earlier}
    return Offered(
        minutes=int(min(limit.seconds for limit in named) // 60),
        uses=min(limit.uses for limit in named),
        differing=_differing(approval),
        earlier=earlier,
        same=said.pop() if len(said) == 1 else None,
    )


def _differing(approval: Approval) -> tuple[Differing, ...]:
    request = approval.request
    if not isinstance(request.view, Mapping):
        return ()
    deciding = {name.partition(".")[0] for name in request.decisive}
    found = []
    for name, value in request.view.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if name in request.arg_digests and (number or name not in deciding):
            found.append(Differing(name=name, number=number, decides=name in deciding))
    return tuple(found[:_MOST])


def terms_of(approval: Approval, form: Mapping[str, str]) -> StandingTerms | None:
    """What a form lets stand; None where the yes is for one call.

    Raises:
        ApprovalError: ``standing_refused``.
        Problem: ``invalid``.
    """
    offered = standing_of(approval)
    if "standing_same" in form:
        if offered is None or offered.same is None:
            raise ApprovalError("what was to stand is no longer the same; look again", code="standing_refused")
        return offered.same
    minutes, uses = form.get("standing_minutes", ""), form.get("standing_uses", "")
    if minutes in ("", "0"):
        return None
    if not (is_number(minutes) and is_number(uses)):
        raise Problem("invalid", "say how long the yes stands and for how many calls; open the request again")
    vary = tuple(
        _vary(i, each, form) for i, each in enumerate(offered.differing if offered else ()) if f"vary{i}" in form
    )
    return StandingTerms(
        seconds=int(minutes) * 60.0, uses=int(uses), session_only="standing_session" in form, vary=vary
    )


def _vary(i: int, each: Differing, form: Mapping[str, str]) -> Vary:
    most = form.get(f"most{i}", "").strip() if each.number else ""
    if not most and each.decides:
        raise ApprovalError(
            f"{each.name!r} decides the call, so it can differ only up to a limit; give one", code="standing_refused"
        )
    try:
        return Vary(argument=each.name, at_most=float(most) if most else None)
    except ValueError:
        raise ApprovalError(f"the limit of {each.name!r} is not a number", code="standing_refused") from None
