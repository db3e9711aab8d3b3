"""Which argument of a tool needs which analyser: worked out once per tool, so that a call pays only for its own.

The schema says it for most arguments. What the schema leaves open is told by the shape of the content: any text
may turn out to be a URL, SQL, a path or a FHIR request, so undeclared text gets a quick look at its first letters.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from toolguard._core.call import Json, Tool
from toolguard._core.risk import Evidence, Risk
from toolguard.analysis.code import code_evidence
from toolguard.analysis.cues import cues_of, kinds_of_name
from toolguard.analysis.fhir import fhir_evidence, is_fhir
from toolguard.analysis.iam import iam_evidence, is_cloud_action
from toolguard.analysis.language import read_name
from toolguard.analysis.lexicon import READ_VERBS
from toolguard.analysis.notes import CODE, DESTRUCTIVE, EXFILTRATION, HIGH, MEDIUM, READ, WRITE, note, risk_of
from toolguard.analysis.outside import amount_of, money_evidence, recipient_evidence
from toolguard.analysis.path import path_evidence
from toolguard.analysis.pointers import pointing
from toolguard.analysis.programs import ARGUMENTS, command_lines
from toolguard.analysis.schema import fields_of
from toolguard.analysis.tool import classify_tool, read_effects
from toolguard.analysis.url import is_url, url_evidence
from toolguard.analysis.words import bag, unmask

__all__ = ["Plan", "analyser_for", "classify_call"]

MAX_VALUES = 5_000
"""Values looked at in one call."""
MAX_DEPTH = 16
MAX_TEXT = 200_000
"""Characters of text that are still opened as JSON."""
_HTTP_METHODS = bag("get head options post put patch delete purge")
MANY = 1_000
"""Items from which on a limit counts as bulk."""
_ORDER = ("sql", "shell", "code", "url", "path", "cloud", "recipient", "money", "method", "limit")
_CLOSED = ("closed",)
"""Kinds of a field whose content is not looked at: its schema fixes it, or it is prose for people."""

# The first look at text that no schema explains. Anchored or short, so that it costs nothing on prose.
_SQL_SHAPE = re.compile(
    r"^[\s(]*(?:/\*.{0,200}?\*/\s*|--[^\n]{0,200}\n\s*){0,4}(?:select\b.{1,2000}?\bfrom\b|insert\s+into\b|update\s+\S+\s+set\b|delete\s+from\b|drop\s+(?:table|database|schema|view|index|user|role)\b|truncate\s+(?:table\s+)?\w|"
    r"alter\s+(?:table|role|user|database|system)\b|create\s+(?:table|function|role|user|or\s+replace|trigger|extension)\b|grant\s+\w+.{0,200}?\bto\b|exec(?:ute)?\s+\w*xp_|with\s+\w+\s+as\s*\(|copy\s+\S+\s+(?:to|from)\b)"
    r"|;\s*(?:drop|delete|truncate|update|insert|alter|exec|shutdown|grant)\s",
    re.IGNORECASE | re.DOTALL,
)
_SHELL_SHAPE = re.compile(
    r"^[^\n]{0,200}\$\([^)]|(?:^|[;&|]\s{0,20})(?:sudo\s|rm\s+-|curl\s+\S|wget\s+\S|chmod\s+[0-7+]|(?:ba|z|da)?sh\s+-c\b|python3?\s+-c\b|nc\s+-|dd\s+if=|mkfs\S*\s|base64\s+-d)|\|\s*(?:ba|z)?sh\b|>\s*/(?:etc|dev/sd)|/dev/tcp/",
    re.IGNORECASE,
)
_PATH_SHAPE = re.compile(r"^(?:/|\.\.?/|~/|[A-Za-z]:[\\/]|\\\\|file:)|\.\.[\\/]|%2e%2e|%252e", re.IGNORECASE)
_SQL_FIRST = bag("select insert update delete drop truncate alter create grant exec execute with copy")
_SHELL_FIRST = bag("sudo rm curl wget chmod sh bash zsh dash python python3 nc dd base64")
_PLACE = re.compile(r"[.:/\\\d]|localhost|[^\x00-\x7f]", re.IGNORECASE)
_SHELL_MARK = re.compile(r"[;&|$>]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The analysers of one tool. Build it once with `analyser_for`; it is safe to share between threads.

    ``kinds``: field name → analysers in order. ``()`` leaves it to the shape of the content, ``("closed",)`` skips it.
    ``program``: what a command line that the arguments hold begins with.
    """

    static: Risk
    kinds: Mapping[str, tuple[str, ...]]
    tops: Mapping[str, frozenset[str]]
    reads: bool
    program: tuple[str, ...] = ()
    free: frozenset[str] = field(init=False, repr=False)
    """Sources of the tool's own evidence that text in its arguments could do anything."""
    alone: Risk = field(init=False, repr=False)
    """What the tool alone shows, all of it."""

    def __post_init__(self) -> None:
        found = (e.source for e in self.static.evidence if e.risk_class is CODE and e.source.startswith("schema."))
        object.__setattr__(self, "free", frozenset(found))
        object.__setattr__(self, "alone", risk_of(self.static.evidence, self.static))

    def judge(self, data: Json) -> tuple[Risk, tuple[Evidence, ...]]:
        """The risk of one call, and what its arguments alone contributed, in one pass."""
        own = self.evidence(data)
        if not own and not self.free:
            return self.alone, own
        return risk_of(self._united(data, own), self.static), own

    def pointers(self, data: Json) -> tuple[str, ...]:
        """Arguments that hold a path, a URL or another reference to content elsewhere."""
        return pointing(data, self.kinds, _named)

    def risk(self, data: Json) -> Risk:
        """The risk of one call."""
        return self.judge(data)[0]

    def applicable(self, data: Json) -> tuple[Evidence, ...]:
        """Static evidence that still holds for this call, then the call's own (see `classify_call`)."""
        return self._united(data, self.evidence(data))

    def evidence(self, data: Json) -> tuple[Evidence, ...]:
        """What the arguments of one call show, beyond what the tool alone shows. Empty if nothing stands out."""
        if not data:
            return ()
        found = Findings(reads=self.reads, program=self.program)
        try:
            self._arguments(data, found)
            return found.done()
        except Exception:  # noqa: BLE001 - arguments that upset a reader are arguments nobody has read
            found.unread()
            return tuple(found.evidence)

    def _arguments(self, data: Json, found: Findings) -> None:
        known = self.kinds
        for name, value in data.items() if type(data) is dict or isinstance(data, Mapping) else (("", data),):
            kinds = known.get(name)
            if kinds is None:
                if value is None or type(value) is bool or (type(value) is str and len(value) < 3):
                    continue
                kinds = _named(name)
            if kinds is not _CLOSED or type(value) in (dict, list, tuple):
                self._value(value, kinds, found, 0)

    def _united(self, data: Json, own: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
        static, free = self.static.evidence, self.free
        if not free:
            return (*static, *own)
        answered = {e.source.replace("args.", "schema.", 1) for e in own}
        if answered & {"schema.code", "schema.sql"}:
            answered.add("schema.shell")  # a command may carry nothing but another language
        answered.update(source for source in free if self._absent(source, data))
        settled = free <= answered
        kept = (e for e in static if not (e.source in free & answered or (settled and _speaks_of_text(e))))
        return (*kept, *own)

    def _absent(self, source: str, data: Json) -> bool:
        """Whether the arguments that ``source`` speaks of are not given at all in this call."""
        tops = self.tops.get(source)
        return bool(tops) and isinstance(data, Mapping) and not any(data.get(top) for top in tops or ())

    def _value(self, value: Json, kinds: tuple[str, ...], found: Findings, depth: int) -> None:
        """Look at one value and all inside it. Fields inside are looked at by their own name, else by what holds them."""
        found.left -= 1
        own = type(value)
        if depth > MAX_DEPTH or found.left < 0:
            found.unread()
        elif own is str:
            self._text(value, kinds, found, depth)
        elif own is int or own is float:
            self._number(value, kinds, found)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                inner = self.kinds.get(key)
                if inner is None:
                    inner = _named(key) or kinds
                self._value(item, inner, found, depth + 1)
        elif isinstance(value, list | tuple):
            if "shell" in kinds and value and all(isinstance(v, str) for v in value):
                _by_kind("shell", shlex.join(value), found)
                for at, item in enumerate(value):
                    words = item.split() if isinstance(item, str) else []
                    if len(words) > 1 and (not self.program or at == 0 or words[0] == self.program[0]):
                        _by_kind("shell", item, found)  # a list of whole commands
                return
            if {"recipient", "money"}.intersection(kinds):
                for kind in ("recipient", "money"):
                    if kind in kinds:
                        _by_kind(kind, list(value), found)
                kinds = tuple(k for k in kinds if k not in ("recipient", "money"))
                if not kinds:
                    return
            for item in value:
                self._value(item, kinds, found, depth + 1)
        elif isinstance(value, str):
            self._text(value, kinds, found, depth)
        elif value is not None and not isinstance(value, bool):
            self._number(value, kinds, found)

    def _text(self, value: str, kinds: tuple[str, ...], found: Findings, depth: int) -> None:
        if not kinds:
            _by_shape(value, found)
        for kind in kinds:
            _by_kind(kind, value, found)
        self._json(value, kinds, found, depth)

    def _number(self, value: Json, kinds: tuple[str, ...], found: Findings) -> None:
        for kind in kinds:
            if kind in ("money", "limit", "recipient"):
                _by_kind(kind, value, found)

    def _json(self, text: str, kinds: tuple[str, ...], found: Findings, depth: int) -> None:
        """Text that holds a JSON object, list or string is opened and looked at as well."""
        if text[:16].lstrip()[:1] not in ("{", "[", '"') or len(text) > MAX_TEXT:
            return
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            return
        if inner != text:
            self._value(inner, kinds, found, depth + 1)


@dataclass(slots=True, kw_only=True)
class Findings:
    """Evidence of one call as it grows. FHIR requests wait for the HTTP method, which may come last."""

    reads: bool
    program: tuple[str, ...] = ()
    method: str = ""
    fhir: list[str] = field(default_factory=list)
    evidence: dict[Evidence, None] = field(default_factory=dict)
    left: int = MAX_VALUES

    def add(self, items: Iterable[Evidence]) -> None:
        for item in items:
            self.evidence[item] = None

    def unread(self) -> None:
        self.evidence[note("args", CODE, HIGH, "the arguments are nested too deeply or too large to be read")] = None

    def done(self) -> tuple[Evidence, ...]:
        if self.method in ("delete", "purge"):
            self.add([note("args.method", DESTRUCTIVE, HIGH, "the HTTP method deletes")])
        elif self.method in ("post", "put", "patch"):
            self.add([note("args.method", WRITE, MEDIUM, "the HTTP method writes")])
        # Without a method, a tool that may write is judged by the worse of reading and writing.
        for method in (self.method,) if self.method else ("get",) if self.reads else ("get", "post"):
            for text in self.fhir:
                self.add(fhir_evidence(text, method))
        return tuple(self.evidence)


def _speaks_of_text(item: Evidence) -> bool:
    """Evidence about what the free-form text might do, now that the text has been read."""
    if item.source == "description":
        return item.risk_class in (CODE, DESTRUCTIVE)
    return item.source == "name" and item.risk_class is CODE


@lru_cache(maxsize=2048)
def _named(name: str) -> tuple[str, ...]:
    kinds = kinds_of_name(name)
    return _CLOSED if kinds == {"prose"} else tuple(k for k in _ORDER if k in kinds)


def analyser_for(tool: Tool, static: Risk | None = None) -> Plan:
    """The plan of ``tool``. ``static`` is its `classify_tool` result, worked out here if not given.

    Parsers that the plan needs are imported now (up to a second), so that no call pays for it.
    """
    static = static if static is not None else classify_tool(tool)
    kinds: dict[str, tuple[str, ...]] = {}
    cues = cues_of(tool)
    for name, found in cues.kinds.items():
        kinds[name] = _CLOSED if found == {"prose"} else tuple(k for k in _ORDER if k in found)
    if cues.program and not cues.kinds:
        kinds.update(dict.fromkeys(ARGUMENTS, ("shell",)))
    for item in fields_of(tool.schema):
        if not item.free and not kinds[item.name]:
            kinds[item.name] = _CLOSED
    reads = static.risk_class is READ or read_name(tool.name).head in READ_VERBS
    used = {k for ks in kinds.values() for k in ks} | {e.source.removeprefix("schema.") for e in static.evidence}
    if "sql" in used:
        _warm("sql")
    if "shell" in used or cues.program:
        _warm("shell")
    return Plan(static=static, kinds=kinds, tops=cues.tops, reads=reads, program=cues.program)


def _warm(language: str) -> None:
    try:
        if language == "sql":
            from toolguard.analysis import sql

            sql.warm()
        else:
            from toolguard.analysis import shell

            shell.warm()
    except ImportError:
        return  # said again, as evidence, in every call that needs the parser


def classify_call(tool: Tool, static: Risk, data: Json) -> tuple[Evidence, ...]:
    """All evidence that holds for one call: ``static``'s, and what the arguments in ``data`` show.

    Evidence that a free-form argument *could* do anything (source ``schema.sql``, ``schema.shell``,
    ``schema.code``) is replaced by what it does, if it was read. Build a `Plan` once where calls repeat.
    """
    return analyser_for(tool, static).applicable(data)


def _by_kind(kind: str, value: Json, found: Findings) -> None:
    """Look at one value of a known kind."""
    if kind == "money":
        found.add(money_evidence(value))
    elif kind == "recipient":
        found.add(recipient_evidence(value))
    elif kind == "limit":
        number = value if type(value) is int else amount_of(value)
        if number is not None and (number >= MANY or number < 0):
            found.add([note("args.limit", EXFILTRATION, MEDIUM, f"it asks for {MANY} items or more")])
    elif kind == "method" and isinstance(value, str):
        word = unmask(value).strip().lower()
        if word in _HTTP_METHODS:
            found.method = word
        else:
            found.add(_order(value))
    elif isinstance(value, str):
        found.add(_language(kind, value, found))


def _language(kind: str, text: str, found: Findings) -> Iterable[Evidence]:
    """What text in a known language, or an address, does."""
    if kind == "sql":
        from toolguard.analysis.sql import sql_evidence

        return sql_evidence(text)
    if kind == "shell":
        from toolguard.analysis.shell import shell_evidence

        if found.program:
            return [e for line in command_lines(found.program, text) for e in shell_evidence(line)]
        return shell_evidence(text)
    if kind == "code":
        return code_evidence(text)
    if not text.strip():
        return ()
    if kind in ("url", "path") and is_fhir(text):
        found.fhir.append(text)
    if kind == "url" and not _PLACE.search(text):
        return ()  # "origin": "JFK" is no address
    if kind == "url" or (kind == "path" and is_url(text)):
        return url_evidence(text)
    if kind == "path":
        return path_evidence(text, writes=not found.reads)
    if kind == "cloud":
        return iam_evidence(text) if is_cloud_action(text) else _order(text)
    return ()


def _order(text: str) -> Iterable[Evidence]:
    """What the word says that a tool of many uses is told to do (``action="delete"``); nothing if it is no verb."""
    if len(text) > 64 or not read_name(text).head:
        return ()
    found = read_effects(text, "", source="args.action")
    return [e for e in found if e.level >= MEDIUM]


def _by_shape(text: str, found: Findings) -> None:
    """A quick look at text that no name explains. Each check waits for the one character it cannot do without."""
    head = text[:4_000]
    if not head.isascii():
        head = unmask(head)
    start = head.lstrip()
    if "/" in start or "\\" in start or "%" in start:
        _by_address(text, start, found)
    elif ":" in start and is_url(start) and not _has_space(start):
        found.add(url_evidence(text.strip()))
    elif "$" in start and is_fhir(start) and not _has_space(start):
        found.fhir.append(text)
    first = start[:12].split(None, 1)[0].lower() if " " in start else ""
    if (first in _SQL_FIRST or ";" in start or start[:1] in "/-(") and _SQL_SHAPE.search(head):
        from toolguard.analysis.sql import sql_evidence

        found.add(e for e in sql_evidence(text) if e.level >= MEDIUM)
    if (first in _SHELL_FIRST or _SHELL_MARK.search(start)) and _SHELL_SHAPE.search(head):
        from toolguard.analysis.shell import shell_evidence

        found.add(e for e in shell_evidence(text) if e.level >= MEDIUM)


def _by_address(text: str, start: str, found: Findings) -> None:
    if not _has_space(start):
        if is_fhir(start):
            found.fhir.append(text)
            return
        if is_url(start):
            found.add(url_evidence(text.strip()))
            return
    if _PATH_SHAPE.search(start[:300]) and "\n" not in start[:300]:
        found.add(e for e in path_evidence(text, writes=not found.reads) if e.level >= MEDIUM)


def _has_space(text: str) -> bool:
    return len(text.split(None, 2)) > 1
