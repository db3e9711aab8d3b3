"""What an approver is shown: the arguments the tool would get, as far as anybody may see them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from toolguard._core.call import Json, canonical
from toolguard._core.flow.judge import at
from toolguard._core.flow.masking import mask_value, token_findings
from toolguard._core.flow.setting import Flow, Judged
from toolguard._core.mask import Finding, apply_findings, leaf_text, merge_findings
from toolguard._core.policy import Handling, ToolPlan
from toolguard._core.steps import (
    Allocate,
    Origin,
)
from toolguard._core.vault import Namespace, Need, Token
from toolguard.errors import (
    DetectionError,
)

__all__ = ["decisive", "masked_reason", "view"]


def decisive(plan: ToolPlan, judged: Judged) -> tuple[dict[str, str], tuple[str, ...]]:
    """What decides the call, as far as anyone may see it (in clear where it is no identifier, else host or domain),
    and the names of what is shown in part only.
    """
    shown: dict[str, str] = {}
    covered: list[str] = []
    touching = [*judged.hidden, *(f for f in judged.present if plan.handling(f.path) is not Handling.PASS)]
    for name in plan.rule.decisive:
        value = at(judged.arguments.data, name)
        path = tuple(name.split("."))
        hidden = [f for f in touching if tuple(map(str, f.path[: len(path)])) == path]
        if value is not None:
            shown[name] = _site(value, hidden) if hidden else _short(value)
            covered += [name] if hidden else []
    return shown, tuple(covered)


def view(judged: Judged) -> Flow[Json]:
    """What an approver sees: the very arguments the tool would get, identifiers as the session's tokens.

    Arguments the policy passes are no identifiers by its own word, and are shown as they are.
    """
    data = judged.arguments.data
    known = {value: token for token, value in judged.names.items()}
    found = merge_findings(judged.hidden)
    old = {f: known[text] for f in found if (text := leaf_text(data, f)) in known}
    new: tuple[Finding, ...] = tuple(f for f in found if f not in old)
    needs = {f: Need(type=f.type, text=leaf_text(data, f), namespace=Namespace.PROTECTED) for f in new}
    tokens: Mapping[Need, Token] = (yield Allocate(tuple(dict.fromkeys(needs.values())))) if needs else {}
    if judged.stands:
        old |= {f: judged.stands[t] for f, t in token_findings(data) if t in judged.stands}
    return apply_findings(data, (*old, *new), lambda f, _: str(old[f] if f in old else tokens[needs[f]]))


def _short(value: Json) -> str:
    text = value if isinstance(value, str) else canonical(value).decode()
    return text if len(text) <= 256 else text[:256] + f"… ({len(text)} characters)"


def _site(value: Json, hidden: Iterable[Finding]) -> str:
    """The host of a URL or the domain of an address; nothing else of a value that holds identifiers is shown."""
    place = _PLACE.fullmatch(value) if isinstance(value, str) else None
    if place is None:
        return "(hidden)"
    group = "domain" if place["domain"] else "host"
    start, end = place.span(group)
    if any(f.start < end and start < f.end and f.type not in ("EMAIL", "URL") for f in hidden):
        return "(hidden)"
    return f"…@{place[group]}" if group == "domain" else f"{place['scheme']}://{place[group]}/…"


_NAME = r"[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*"
_PLACE = re.compile(
    rf"[^@]*@(?P<domain>{_NAME})>?\s*"
    rf"|(?P<scheme>https?|s?ftp|wss?)://(?:[^/@]*@)?(?P<host>{_NAME}(?::[0-9]{{1,5}})?)(?:[/?#].*)?",
    re.DOTALL,
)


def masked_reason(written: str) -> Flow[str]:
    """The agent's own words, masked; withheld where they cannot be."""
    if not written:
        return ""
    try:
        masked: Json = yield from mask_value(written[:2000], Origin.MODEL)
    except DetectionError:
        return "[reason withheld: it could not be checked for identifiers]"
    return str(masked)
