"""The risk of a tool list as a table with bars: what each tool can do, why that is thought, and what to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from markupsafe import Markup

from toolguard._core.risk import RiskLevel
from toolguard.display.page import View, bar, chip, el, join, page, table, tone_of
from toolguard.policytools.scan import Entry

__all__ = ["tools_view"]

_LONG = 30
"""Characters of a tool's name beyond which it is cut in the terminal's columns."""


def tools_view(entries: Iterable[Entry]) -> View:
    """What `toolguard.policytools.scan.inventory` gives, the most severe first."""
    listed = tuple(entries)
    counts = Counter(e.risk.level for e in listed)
    worst = max(counts, default=None)
    judged = any(e.named is not None for e in listed)
    head = ["tool", "risk", "kind of effect", "why, and what to look at"] + (["policy"] if judged else [])
    html = page(
        f"{len(listed)} tool{'' if len(listed) == 1 else 's'}",
        table(head, (_row(e, judged) for e in listed)) if listed else None,
        tone=tone_of(worst.label) if worst is not None else "",
        sub="What each can do at most, read from its name, description, schema and annotations. A call is judged anew.",
        chips=[
            chip(f"{counts[level]} {level.label}", tone_of(level.label))
            for level in sorted(RiskLevel, reverse=True)
            if counts[level]
        ],
    )
    width = min(max((len(e.tool.name) for e in listed), default=0), _LONG)
    lines = [f"{e.tool.name[:_LONG]:<{width}}  {e.risk.level.label:<8}  {e.risk.risk_class.value}" for e in listed]
    return View(html=html, text="\n".join(lines))


def _row(entry: Entry, judged: bool) -> list[object]:
    risk = entry.risk
    texts = list(dict.fromkeys(e.text for e in sorted(risk.evidence, key=lambda e: -e.level)))
    why: list[Markup] = [el("p", text) for text in texts[:3]]
    if len(texts) > 3:
        why.append(el("p", f"and {len(texts) - 3} more", class_="muted", title="; ".join(texts[3:])))
    if entry.per_call:
        why.append(el("p", f"each call is judged by its {' and '.join(entry.per_call)}", class_="muted"))
    why += [el("p", f"⚠ {said}", class_="soon") for said in entry.disagreements]
    level = join([chip(risk.level.label), bar(risk.level / RiskLevel.CRITICAL, tone_of(risk.level.label))])
    cells: list[object] = [el("b", entry.tool.name), level, risk.risk_class.value.replace("_", " "), join(why)]
    if judged:
        effect = [chip(entry.effect.label)] if entry.effect is not None else []
        cells.append(join([*effect, None if entry.named else el("p", "not named", class_="muted")]))
    return cells
