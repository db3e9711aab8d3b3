"""The form for other arguments: one field an argument, as the approver sees it, and back to values, exactly.

What nobody changed stays the very value it was; text stays text; anything else is written as JSON. Nothing here decides whether
a proposal may be made: the authority looks at it (`toolguard.authority.proposal`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote_plus

from toolguard.authority import Approval, hides
from toolguard.errors import ApprovalError

__all__ = ["MOST_FIELDS", "Field", "arguments_of", "fields_for"]

_MOST = 40
_LONGEST = 30_000
"""Characters as a browser sends them: a form is 64 KiB at most, and a person may write more than stood there."""
MOST_FIELDS = 3 * _MOST
"""Fields such a form can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One argument. ``as_json``: its text is JSON, also where it is text that holds characters nobody can see."""

    name: str
    text: str
    as_json: bool


def fields_for(approval: Approval, typed: Mapping[str, str] | None = None) -> tuple[Field, ...]:
    """A field for each argument; with what was ``typed`` into a form that was refused. Empty where a form can not hold them."""
    view = approval.request.view
    if not isinstance(view, Mapping) or approval.request.truncated or len(view) > _MOST:
        return ()
    fields = tuple(_field(str(name), value) for name, value in view.items())
    if sum(len(quote_plus(f.text)) for f in fields) > _LONGEST:
        return ()
    if typed is None:
        return fields
    return tuple(
        Field(name=f.name, text=_escaped(typed.get(f"a{i}", f.text)), as_json=f.as_json) for i, f in enumerate(fields)
    )


def arguments_of(approval: Approval, form: Mapping[str, str]) -> dict[str, Any]:
    """What the form proposes.

    Raises:
        ApprovalError: ``proposal_invalid``.
    """
    fields = fields_for(approval)
    if not fields:
        _refuse("this request's arguments do not fit a form; propose others with 'toolguard approvals propose'")
    proposed: dict[str, Any] = {}
    for i, (field, value) in enumerate(zip(fields, approval.request.view.values(), strict=True)):
        text = form.get(f"a{i}")
        if text is None:
            _refuse("this form is not whole; open the request again")
        if f"x{i}" in form:
            continue
        lines = _lines(text)
        same = lines == field.text
        proposed[field.name] = value if same else _value(lines, field.name) if field.as_json else lines
    name = form.get("new_name", "").strip()
    if name:
        if name in proposed or name in approval.request.view:
            _refuse("the argument you add is there already; change it in its own field")
        proposed[name] = _guessed(_lines(form.get("new_value", "")))
    elif form.get("new_value", "").strip():
        _refuse("the argument you add needs a name")
    return proposed


def _field(name: str, value: Any) -> Field:
    if isinstance(value, str) and not any(c != "\n" and hides(c) for c in value):
        return Field(name=name, text=value, as_json=False)
    return Field(name=name, text=_escaped(json.dumps(value, ensure_ascii=False, indent=2)), as_json=True)


def _escaped(text: str) -> str:
    """With what nobody can see as JSON escapes it, so that nothing hides or reorders in the field."""
    return "".join(json.dumps(c)[1:-1] if c not in "\n\r" and hides(c) else c for c in text)


def _lines(text: str) -> str:
    """A browser sends a line end as two characters."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _value(text: str, name: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused_number)
    except (ValueError, RecursionError):
        _refuse(f"what is proposed for {name!r} is not JSON; write text in quotes, numbers and lists without")


def _guessed(text: str) -> Any:
    """JSON where it is JSON, else text."""
    try:
        return json.loads(text, parse_constant=_refused_number)
    except (ValueError, RecursionError):
        return text


def _refused_number(_: str) -> NoReturn:
    raise ValueError


def _refuse(why: str) -> NoReturn:
    raise ApprovalError(why, code="proposal_invalid")
