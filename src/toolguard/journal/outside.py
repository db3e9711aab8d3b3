"""The journal held against a log that others keep (an EHR's, a cloud's): what had an effect and was not recorded, and what
was recorded and had none.

Of the other log only the mapped columns are read, and of those only what is shaped like an id or a time is shown.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolguard._core.audit import AuditRecord, Kind
from toolguard.errors import ToolguardError

__all__ = ["FIELDS", "Effect", "EffectFinding", "EffectReport", "read_effects", "reconcile_effects"]

FIELDS = ("call_id", "tool", "at")
"""What a column of the other log may stand for: the call's id (ours, or the provider's), the tool's name, when."""
_SHOWN = re.compile(r"[A-Za-z0-9_.:\-/]{1,128}")
_ENDS = frozenset({Kind.CALL_RETURNED, Kind.CALL_FAILED, Kind.CALL_INDETERMINATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One line of the other log. ``at`` in UTC seconds."""

    line: int
    at: float
    call_id: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFinding:
    """Codes: ``unrecorded`` (an effect no record stands behind), ``denied`` (an effect of a call that, by the journal, never
    ran), ``without_effect`` (an execution the other log does not have). ``line`` is 0 for the last.
    """

    code: str
    at: float
    line: int = 0
    call: str = ""
    tool: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectReport:
    """What `reconcile_effects` found. ``complete`` is said of guarded calls only: of the tools the other log knows."""

    effects: int
    executions: int
    matched: int
    findings: tuple[EffectFinding, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 each has the other, 1 something ran that was denied, 2 one is without the other (or there is nothing)."""
        codes = {finding.code for finding in self.findings}
        return 1 if "denied" in codes else 2 if codes or not self.effects else 0


def read_effects(path: Path, columns: Mapping[str, str]) -> Iterator[Effect]:
    """The lines of a JSONL or CSV file. ``columns``: field (see `FIELDS`) → its column, in JSON with dots for what is inside.

    Raises:
        ToolguardError: the file cannot be read, or a line lacks a column or a time.
    """
    unknown = sorted(set(columns) - set(FIELDS))
    if unknown or "at" not in columns or not {"call_id", "tool"} & set(columns):
        raise ToolguardError(
            "a log needs its columns for 'at' and for 'call_id' or 'tool'; write --map call_id=event.id,tool=action,at=time"
        )
    try:
        with path.open("r", encoding="utf-8-sig", newline="") as file:
            for line, row in _rows(file, is_csv=path.suffix.lower() == ".csv"):
                yield _effect(line, row, columns)
    except (OSError, UnicodeDecodeError) as fault:
        raise ToolguardError(f"the log {str(path)!r} cannot be read ({type(fault).__name__})") from None


def _rows(file: Iterable[str], *, is_csv: bool) -> Iterator[tuple[int, Any]]:
    if is_csv:
        reader = csv.DictReader(file)
        for row in reader:
            yield reader.line_num, row
        return
    for line, text in enumerate(file, start=1):
        if text.strip():
            try:
                yield line, json.loads(text)
            except (ValueError, RecursionError):
                raise ToolguardError(f"line {line} of the log is not JSON; give JSON lines, or CSV as '.csv'") from None


def _effect(line: int, row: Any, columns: Mapping[str, str]) -> Effect:
    found: dict[str, Any] = {}
    for name, column in columns.items():
        value: Any = row
        for part in [column] if isinstance(row, dict) and column in row else column.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if value is None and name == "at":
            raise ToolguardError(f"line {line} of the log has no {column!r}; mend --map")
        found[name] = value
    return Effect(
        line=line,
        at=_moment(line, found["at"]),
        call_id="" if found.get("call_id") is None else str(found["call_id"]),
        tool="" if found.get("tool") is None else str(found["tool"]),
    )


def _moment(line: int, value: Any) -> float:
    """UTC seconds of a number (seconds, milliseconds, …) or an ISO 8601 text; without a zone it is UTC."""
    try:
        number = float(value)
        while number > 1e11:
            number /= 1000.0
        if math.isfinite(number):
            return number
    except (TypeError, ValueError):
        pass
    try:
        moment = dt.datetime.fromisoformat(str(value))
    except ValueError:
        raise ToolguardError(f"line {line} of the log has no time we can read; give ISO 8601 or seconds") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


@dataclass(slots=True)
class _Ran:
    """One execution of the journal."""

    call: str
    tool: str
    began: float
    ended: float
    matched: bool = False


def reconcile_effects(
    records: Iterable[AuditRecord], effects: Iterable[Effect], *, within: float = 5.0
) -> EffectReport:
    """Hold the journal's executions against the effects of another log.

    By the call's id where the other log has it; else by tool and time, nearest first, ``within`` seconds around the
    execution. Executions count where the other log has their tool and covers their time.
    """
    ran, idle, ids = _executions(records)
    told = sorted(effects, key=lambda effect: effect.at)
    rest: list[Effect] = []
    findings: list[EffectFinding] = []
    matched = 0
    for effect in told:
        call = ids.get(effect.call_id, effect.call_id)
        one = ran.get(call)
        if one is not None and not one.matched:
            one.matched = True
            matched += 1
        elif one is None and call and call in idle:
            findings.append(_finding("denied", effect, call))
        elif one is not None or effect.call_id or not effect.tool:
            findings.append(_finding("unrecorded", effect))
        else:
            rest.append(effect)
    left, paired = _by_time(rest, [r for r in ran.values() if not r.matched], within)
    matched += paired
    findings += [_finding("unrecorded", effect) for effect in left]
    tools = {effect.tool for effect in told} - {""}
    first, last = (told[0].at - within, told[-1].at + within) if told else (0.0, -1.0)
    covered = [r for r in ran.values() if r.ended >= first and r.began <= last and (not tools or r.tool in tools)]
    findings += [
        EffectFinding(code="without_effect", at=r.began, call=r.call, tool=r.tool) for r in covered if not r.matched
    ]
    return EffectReport(effects=len(told), executions=len(covered), matched=matched, findings=tuple(findings))


def _executions(records: Iterable[AuditRecord]) -> tuple[dict[str, _Ran], set[str], dict[str, str]]:
    """What ran, calls that did not, and provider's ids → calls (only those that mean one call)."""
    ran: dict[str, _Ran] = {}
    known: set[str] = set()
    ids: dict[str, str] = {}
    several: set[str] = set()
    for record in records:
        draft = record.draft
        if not draft.call:
            continue
        known.add(draft.call)
        given = str(draft.body.get("gen_ai.tool.call.id", ""))
        if given and ids.setdefault(given, draft.call) != draft.call:
            several.add(given)
        if draft.kind is Kind.CALL_EXECUTING or draft.kind in _ENDS:
            tool = str(draft.body.get("gen_ai.tool.name", ""))
            one = ran.setdefault(draft.call, _Ran(call=draft.call, tool=tool, began=draft.started, ended=draft.at))
            one.began, one.ended = min(one.began, draft.started), max(one.ended, draft.at)
    return ran, known - ran.keys(), {given: call for given, call in ids.items() if given not in several}


def _by_time(effects: list[Effect], ran: list[_Ran], within: float) -> tuple[list[Effect], int]:
    """Effects that found no execution of their tool near them, and how many did."""
    waiting: dict[str, list[_Ran]] = {}
    for one in sorted(ran, key=lambda r: r.began):
        waiting.setdefault(one.tool, []).append(one)
    left: list[Effect] = []
    for effect in effects:
        near = [
            (max(one.began - effect.at, effect.at - one.ended, 0.0), n)
            for n, one in enumerate(waiting.get(effect.tool, ()))
            if one.began - within <= effect.at <= one.ended + within
        ]
        if near:
            waiting[effect.tool].pop(min(near)[1]).matched = True
        else:
            left.append(effect)
    return left, len(effects) - len(left)


def _finding(code: str, effect: Effect, call: str = "") -> EffectFinding:
    shown = [text if _SHOWN.fullmatch(text) else "" for text in (call or effect.call_id, effect.tool)]
    return EffectFinding(code=code, at=effect.at, line=effect.line, call=shown[0], tool=shown[1])
