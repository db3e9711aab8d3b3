"""An inventory of a tool list: what each tool can do, why that is thought, and a policy to start from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from toolguard._core.call import Tool
from toolguard._core.policy import Defaults, Effect, Policy
from toolguard._core.risk import Risk, RiskClass
from toolguard.analysis import classify_tool
from toolguard.analysis.cues import cues_of
from toolguard.policytools.offered import UNKNOWN_SOURCE, placed

__all__ = ["Entry", "inventory", "starter"]

_PER_CALL = {"sql": "SQL", "shell": "a command", "url": "a URL", "code": "code"}
_DECISIVE = ("recipient", "url", "path", "money", "sql", "shell", "cloud", "method")
_ORDER = {c: i for i, c in enumerate(RiskClass)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One tool of the inventory.

    Attributes:
        per_call: kinds of free-form argument (``SQL``, ``a URL``, …) for which each call is judged anew.
        decisive: arguments an approver will want to see in clear.
        disagreements: where what the tool declares and what it says of itself do not fit together, in plain words.
        named: whether a policy names it; None where none was given.
        effect: what that policy's defaults do to a call of it, no rule considered.
    """

    tool: Tool
    risk: Risk
    per_call: tuple[str, ...] = ()
    decisive: tuple[str, ...] = ()
    disagreements: tuple[str, ...] = ()
    named: bool | None = None
    effect: Effect | None = None


def inventory(tools: Iterable[Tool], policy: Policy | None = None) -> tuple[Entry, ...]:
    """The tools with their risk, the most severe first. Two tools of one name both stand in it, and are told of."""
    listed = tuple(tools if policy is None else (placed(tool, policy) for tool in tools))
    names: dict[str, int] = {}
    for tool in listed:
        names[tool.name.casefold()] = names.get(tool.name.casefold(), 0) + 1
    entries = [_entry(tool, policy, twin=names[tool.name.casefold()] > 1) for tool in listed]
    return tuple(sorted(entries, key=lambda e: (-e.risk.level, -_ORDER[e.risk.risk_class], e.tool.name)))


def _entry(tool: Tool, policy: Policy | None, *, twin: bool) -> Entry:
    risk = classify_tool(tool)
    kinds = cues_of(tool).kinds
    free = {kind for found in kinds.values() for kind in found}
    plan = None if policy is None else policy.plan(tool)
    effect = None
    if policy is not None and plan is not None:
        level = plan.rule.risk if plan.rule.risk is not None else risk.level
        effect = (
            Effect.DENY
            if plan.drifted
            else policy.defaults.by_risk.get(level, Effect.DENY)
            if plan.known
            else policy.defaults.unknown_tool
        )
    return Entry(
        tool=tool,
        risk=risk,
        per_call=tuple(said for kind, said in _PER_CALL.items() if kind in free),
        decisive=tuple(sorted(name for name, found in kinds.items() if found & {*_DECISIVE} and _is_top(tool, name))),
        disagreements=tuple(_disagreements(tool, risk, twin)),
        named=None if plan is None else plan.known,
        effect=effect,
    )


def _is_top(tool: Tool, name: str) -> bool:
    properties = tool.schema.get("properties")
    return isinstance(properties, dict) and name in properties


def _disagreements(tool: Tool, risk: Risk, twin: bool) -> Iterable[str]:
    hints = tool.annotations
    own = [e for e in risk.evidence if e.source != "annotation" and e.risk_class is not RiskClass.READ]
    worst = max(own, key=lambda e: e.level, default=None)
    if hints.read_only and worst is not None:
        yield f"it declares itself read-only, but {worst.text}"
    if hints.destructive is False and any(e.risk_class is RiskClass.DESTRUCTIVE for e in own):
        found = next(e for e in own if e.risk_class is RiskClass.DESTRUCTIVE)
        yield f"it declares that it destroys nothing, but {found.text}"
    if hints.read_only and hints.destructive:
        yield "it declares itself read-only and destructive at once"
    if not tool.description.strip():
        yield "it has no description, so only its name and arguments were read"
    if not tool.schema.get("properties"):
        yield "it declares no arguments, so what a call passes cannot be checked beforehand"
    if twin:
        yield "another tool has this name; a guard takes a name once"


def starter(entries: Iterable[Entry], *, name: str, pin: bool = False) -> str:
    """A policy that names these tools, for a person to go on from: what each is thought to be stands beside it.

    Args:
        name: the policy's name.
        pin: also bind each tool to the digest of its schema and description, so that any change of it is refused.
    """
    listed = tuple(entries)
    lines = [
        "# A policy to start from, written from a list of tools: read it, change it, then sign it.",
        "#",
        "#   toolguard policy check THIS-FILE                                   is it in order?",
        "#   toolguard policy lint THIS-FILE --tools …                          does it fit these tools?",
        "#   toolguard policy explain THIS-FILE --tools … --tool NAME --args …  what would it decide, and why?",
        "apiVersion: toolguard/v1",
        "kind: ToolPolicy",
        f"metadata: {{name: {_word(name)}, version: 1}}",
        "defaults:",
        "  unknown_tool: deny                # a tool that stands not below never runs",
        *_by_risk(),
        "approvals:",
        "  default:                          # the people who answer for what is asked",
        '    approvers: ["group:approvers"]  # a group of your directory',
        "    expires: 1h",
        *_of_servers(listed),
        "tools:",
    ]
    for entry in sorted(listed, key=lambda e: e.tool.name):
        lines += (
            _tool_lines(entry, pin) if _nameable(entry.tool) else [_comment(f"left out: {entry.tool.name}{_UNNAMED}")]
        )
    return "\n".join(lines) + "\n"


_UNNAMED = " (a name or source with *, ?, control characters or outer white space would not name this tool alone)"


def _nameable(tool: Tool) -> bool:
    """Whether a policy can name this tool and no other: its name and source hold nothing a pattern reads otherwise."""
    texts = (tool.name,) if tool.identity.source == UNKNOWN_SOURCE else (tool.name, tool.identity.source)
    return all(t and t == t.strip() and t.isprintable() and not {"*", "?"} & {*t} for t in texts)


def _comment(text: str) -> str:
    """A comment of one line, whatever a tool's author wrote into names: nothing of it can become policy."""
    return "  # " + "".join(c if c.isprintable() else " " for c in text)


def _of_servers(entries: Iterable[Entry]) -> list[str]:
    """How an application says where an MCP server's tools come from: nothing in the tools themselves does."""
    servers = sorted({e.tool.identity.source for e in entries if e.tool.identity.source.startswith("mcp:")})
    return [_comment(f'tools of this server: guard_tools(tools, guard=guard, source="{s}")')[2:] for s in servers]


def _by_risk() -> list[str]:
    stated = ", ".join(f"{level.label}: {effect.label}" for level, effect in Defaults().by_risk.items())
    return [f"  by_risk: {{{stated}}}"]


def _tool_lines(entry: Entry, pin: bool) -> list[str]:
    because = "; ".join(dict.fromkeys(e.text for e in entry.risk.evidence[:3] if e.level is entry.risk.level))
    tool, level = entry.tool, entry.risk.level.label
    lines = [_comment(f"{level} ({entry.risk.risk_class.value.replace('_', ' ')}): {because}")]
    if entry.per_call:
        lines.append(f"  # judged anew for each call: it takes {', '.join(entry.per_call)}")
    lines += [_comment(f"note: {said}") for said in entry.disagreements]
    said = []
    if tool.identity.source == UNKNOWN_SOURCE:
        lines.append("  # its list does not say where it comes from: add source: before you trust it with identifiers")
    else:
        said.append(f"source: {_word(tool.identity.source)}")
    if pin:
        said.append(f"digest: {_word(tool.identity.digest)}")
    decisive = [n for n in entry.decisive if n and n == n.strip() and n.isprintable() and "." not in n]
    if decisive:
        said.append(f"decisive: [{', '.join(map(_word, decisive))}]")
    return [*lines, f"  {_word(tool.name)}: {{{', '.join(said)}}}"]


def _word(text: str) -> str:
    """A YAML scalar: plain where that is beyond doubt, else quoted as JSON is."""
    plain = text.replace("_", "").replace("-", "").replace(".", "")
    sure = plain.isascii() and plain.isalnum() and text[0].isalpha() and text.casefold() not in _RESERVED
    return text if sure else json.dumps(text, ensure_ascii=True)


_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})
