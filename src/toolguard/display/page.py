"""What every view is made of: elements whose text is escaped, and one page with its style. No script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from toolguard.report import plain

__all__ = [
    "Tone",
    "View",
    "bar",
    "chip",
    "counted",
    "el",
    "facts",
    "join",
    "lines",
    "page",
    "section",
    "table",
    "tone_of",
]

Tone = str
"""``ok``, ``info``, ``warn``, ``bad`` or ``""``: the colour that goes with a word, never instead of one."""

_TONES = {
    **dict.fromkeys(("allow", "low", "allowed", "approved", "executed", "tightens", "passed", "ok"), "ok"),
    **dict.fromkeys(("mask", "medium", "executing", "note", "info"), "info"),
    **dict.fromkeys(
        ("require_approval", "high", "pending", "may loosen", "warning", "break_glass", "superseded", "withdrawn"), "warn"
    ),
    **dict.fromkeys(
        ("deny", "critical", "denied", "failed", "loosens", "error", "expired", "revoked", "invalidated", "indeterminate"),
        "bad",
    ),
}  # fmt: skip


def tone_of(word: str) -> Tone:
    """The tone of an effect, a level, a state or an outcome."""
    return _TONES.get(word, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How an object is shown: ``html`` in a notebook, ``text`` in a terminal."""

    html: Markup
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", lines(self.text))

    def _repr_html_(self) -> str:
        return str(self.html)

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def lines(text: str) -> str:
    """Text of several lines, with everything else in it visible that could steer a screen."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def _child(child: object) -> Markup:
    if child is None:
        return Markup("")
    return child if isinstance(child, Markup) else escape(plain(child))


def el(name: str, *children: object, **attributes: object) -> Markup:
    """An element. Text and attributes are escaped, and what could steer a screen is made visible; None is left out."""
    said = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), plain(value))
        for key, value in attributes.items()
        if value is not None and value != ""
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), said, join(children))  # noqa: S704 - names are our own


def counted(number: int, one: str) -> str:
    """``1 fault``, ``2 faults``."""
    return f"{number} {one}{'' if number == 1 else 's'}"


def join(children: Iterable[object], between: str = "") -> Markup:
    return escape(between).join(_child(child) for child in children)


def chip(word: str, tone: Tone | None = None) -> Markup:
    """A word in its colour."""
    return el("span", word.replace("_", " "), class_=f"chip {tone_of(word) if tone is None else tone}".strip())


def bar(share: float, tone: Tone = "", *, start: float = 0.0, title: str = "") -> Markup:
    """A bar from ``start`` over ``share`` of its track, both in [0, 1]; never too thin to be seen."""
    left = min(max(start, 0.0), 0.985)
    width = min(max(share, 0.015), 1.0 - left)
    style = f"left:{left * 100:.2f}%;width:{width * 100:.2f}%"
    return el("span", el("span", class_=f"bar {tone}".strip(), style=style), class_="track", title=title)


def section(title: str, *children: object) -> Markup:
    """A part under its heading; nothing where there is nothing in it."""
    body = join(children)
    return el("div", el("h4", title), body) if body else Markup("")


def facts(pairs: Iterable[tuple[str, object]]) -> Markup:
    """Names and values; what has no value is left out."""
    return el("dl", *(join([el("dt", name), el("dd", value)]) for name, value in pairs if value not in (None, "")))


def table(head: Iterable[str], rows: Iterable[Iterable[object]], *, numbers: Iterable[int] = ()) -> Markup:
    """A table that scrolls by itself where it is too wide. ``numbers`` are the columns that hold figures."""
    right = frozenset(numbers)

    def cells(name: str, row: Iterable[object], **scope: Any) -> Markup:
        return join(el(name, cell, class_="n" if i in right else None, **scope) for i, cell in enumerate(row))

    body = el("tbody", *(el("tr", cells("td", row)) for row in rows))
    return el("div", el("table", el("thead", el("tr", cells("th", head, scope="col"))), body), class_="scroll")


def page(title: str, *parts: object, tone: Tone = "", sub: object = None, chips: Iterable[object] = ()) -> Markup:
    """A whole view."""
    top = el("div", el("h3", title), *chips, None if sub is None else el("p", sub, class_="sub"), class_="top")
    return join([_style(), el("section", top, *parts, class_=f"tg {tone}".strip(), aria_label=title)])


@cache
def _style() -> Markup:
    text = files("toolguard.display").joinpath("style.css").read_text("utf-8")
    return Markup("<style>{}</style>").format(Markup(text))  # noqa: S704 - our own file
