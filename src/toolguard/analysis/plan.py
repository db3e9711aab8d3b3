"""Which argument of a tool needs which analyser: worked out once per tool, so that a call pays only for its own.

The schema says it for most arguments. What the schema leaves open is told by the shape of the content: any text
may turn out to be a URL, SQL, a path or a FHIR request, so undeclared text gets a quick look at its first letters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from toolguard._core.call import Json, Tool
from toolguard._core.risk import Evidence, Risk
from toolguard.analysis.code import code_evidence
from toolguard.analysis.cues import cues_of, fields_of
from toolguard.analysis.fhir import fhir_evidence, is_fhir
from toolguard.analysis.iam import iam_evidence, is_cloud_action
from toolguard.analysis.lexicon import READ_VERBS
from toolguard.analysis.notes import CODE, DESTRUCTIVE, EXFILTRATION, HIGH, MEDIUM, WRITE, note, risk_of
from toolguard.analysis.outside import amount_of, money_evidence, recipient_evidence
from toolguard.analysis.path import path_evidence
from toolguard.analysis.tool import classify_tool
from toolguard.analysis.url import is_url, url_evidence
from toolguard.analysis.words import unmask

__all__ = ["Plan", "analyser_for", "classify_call"]

MAX_LEAVES = 2_000
MAX_TEXT = 100_000
_DEPTH = 12
_ORDER = ("sql", "shell", "code", "url", "path", "cloud", "recipient", "money", "method", "limit")
_FREE = frozenset(("sql", "shell", "code"))
_HTTP_METHODS = frozenset(("get", "head", "options", "post", "put", "patch", "delete", "purge"))

# The first look at text that no schema explains. Anchored or short, so that it costs nothing on prose.
_SQL_SHAPE = re.compile(
    r"^[\s(]*(?:/\*.{0,200}?\*/\s*|--[^\n]{0,200}\n\s*){0,4}(?:select\b.{1,2000}?\bfrom\b|insert\s+into\b|update\s+\S+\s+set\b|delete\s+from\b|drop\s+(?:table|database|schema|view|index|user|role)\b|truncate\s+(?:table\s+)?\w|"
    r"alter\s+(?:table|role|user|database|system)\b|create\s+(?:table|function|role|user|or\s+replace|trigger|extension)\b|grant\s+\w+.{0,200}?\bto\b|exec(?:ute)?\s+\w*xp_|with\s+\w+\s+as\s*\(|copy\s+\S+\s+(?:to|from)\b)"
    r"|;\s*(?:drop|delete|truncate|update|insert|alter|exec|shutdown|grant)\s",
    re.IGNORECASE | re.DOTALL,
)
_SHELL_SHAPE = re.compile(
    r"\$\([^)]|`[^`]+`|(?:^|[;&|]\s*)(?:sudo\s|rm\s+-|curl\s+\S|wget\s+\S|chmod\s+[0-7+]|(?:ba|z|da)?sh\s+-c\b|python3?\s+-c\b|nc\s+-|dd\s+if=|mkfs|base64\s+-d)|\|\s*(?:ba|z)?sh\b|>\s*/(?:etc|dev/sd)|/dev/tcp/",
    re.IGNORECASE,
)
_PATH_SHAPE = re.compile(r"^(?:/|\.\.?/|~/|[A-Za-z]:[\\/]|\\\\|file:)|\.\.[\\/]|%2e%2e|%252e", re.IGNORECASE)
_INTEREST = re.compile(r"[:/\\;`$|%]|\b(?:select|insert|update|delete|drop|truncate|alter|grant|create|exec|rm|curl|wget|sudo|with|copy)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The analysers of one tool. Build it once with `analyser_for`; it is safe to share between threads."""

    static: Risk
    kinds: Mapping[str, tuple[str, ...]]
    closed: frozenset[str]
    reads: bool
    warmed: bool = field(default=False)

    def evidence(self, data: Json) -> tuple[Evidence, ...]:
        """What the arguments of one call show, beyond what the tool alone shows. Empty if nothing stands out."""
        if type(data) is not dict or not data:
            return () if data is None or data == {} else _odd(data)
        found: dict[Evidence, None] = {}
        self._look(data, found)
        return tuple(found)

    def risk(self, data: Json) -> Risk:
        """The risk of one call: `classify_call`, combined."""
        return risk_of(self.applicable(data), self.static)

    def applicable(self, data: Json) -> tuple[Evidence, ...]:
        """Static evidence that still holds for this call, then the call's own (see `classify_call`)."""
        own = self.evidence(data)
        answered = {e.source.replace("args.", "schema.", 1) for e in own}
        free = {e.source for e in self.static.evidence if e.source.startswith("schema.") and e.risk_class is CODE}
        if not free:
            return (*self.static.evidence, *own)
        # A nested language answers for the argument that carried it (a shell command that runs Python).
        seen = free & (answered | ({"schema.shell"} if answered & {"schema.code", "schema.sql"} and "schema.shell" in free else set()))
        settled = free <= seen and bool(own)
        kept = [
            e
            for e in self.static.evidence
            if not (e.source in seen or (settled and e.source == "description" and e.risk_class in (CODE, DESTRUCTIVE)))
            and not (settled and e.source == "name" and e.risk_class is CODE)
        ]
        return (*kept, *own)

    def _look(self, data: Mapping[str, Json], found: dict[Evidence, None]) -> None:
        method = ""
        fhir: list[str] = []
        for name, value in data.items():
            kinds = self.kinds.get(name)
            if kinds is None:
                if type(value) is str and len(value) < 4 or value is None or type(value) in (int, bool, float):
                    continue
                if name in self.closed and type(value) is str:
                    continue
                for text in _leaves(value):
                    for item in _by_shape(text, self.reads, fhir):
                        found[item] = None
                continue
            for kind in kinds:
                if kind == "method":
                    method = str(value).strip().lower() if isinstance(value, str) else method
                else:
                    for item in _by_kind(kind, value, self.reads, fhir):
                        found[item] = None
        if method:
            for item in _method(method):
                found[item] = None
        for text in fhir:
            for item in fhir_evidence(text, method or ("get" if self.reads else "post")):
                found[item] = None


def analyser_for(tool: Tool, static: Risk | None = None) -> Plan:
    """The plan of ``tool``. ``static`` is its `classify_tool` result, worked out here if not given.

    Parsers that the plan needs are imported now (up to a second), so that no call pays for it.
    """
    cues = cues_of(tool)
    kinds = {name: tuple(k for k in _ORDER if k in found) for name, found in cues.kinds.items() if found}
    closed = set()
    tops = {name for name in (tool.schema.get("properties") or {})}
    open_tops = {f.top for f in fields_of(tool.schema) if f.free}
    for name in tops:
        if name not in kinds and name not in open_tops:
            closed.add(name)
    static = static if static is not None else classify_tool(tool)
    reads = static.risk_class.value == "read" or (bool(tool.annotations.trusted) and bool(tool.annotations.read_only))
    used = {k for ks in kinds.values() for k in ks}
    if "sql" in used or "schema.sql" in {e.source for e in static.evidence}:
        _warm("sql")
    if "shell" in used or "schema.shell" in {e.source for e in static.evidence}:
        _warm("shell")
    reads = reads or tool.name.split("_", 1)[0] in READ_VERBS
    return Plan(static=static, kinds=kinds, closed=frozenset(closed), reads=reads, warmed=True)


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


def _odd(data: Json) -> tuple[Evidence, ...]:
    found: dict[Evidence, None] = {}
    fhir: list[str] = []
    for text in _leaves(data):
        for item in _by_shape(text, False, fhir):
            found[item] = None
    return tuple(found)


def _leaves(value: Json, depth: int = 0) -> Iterator[str]:
    """Every text in ``value``; text that holds JSON is opened too."""
    if isinstance(value, str):
        yield value
        head = value[:64].lstrip()[:1]
        if head in ("{", "[", '"') and depth < _DEPTH and len(value) <= MAX_TEXT:
            try:
                inner = json.loads(value)
            except (ValueError, RecursionError):
                return
            if not isinstance(inner, str) or inner != value:
                yield from _leaves(inner, depth + 1)
    elif depth > _DEPTH:
        yield "\x00deep"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _leaves(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, depth + 1)


def _texts(value: Json) -> list[str]:
    """The texts of a declared argument, at most 2000; a list of words counts as one text as well."""
    texts: list[str] = []
    for text in _leaves(value):
        texts.append(text)
        if len(texts) >= MAX_LEAVES:
            break
    return texts


def _by_kind(kind: str, value: Json, reads: bool, fhir: list[str]) -> Iterator[Evidence]:
    if kind == "money":
        yield from money_evidence(value)
        return
    if kind == "recipient":
        yield from recipient_evidence(value)
        return
    if kind == "limit":
        number = amount_of(value)
        if number is not None and number >= 1_000:
            yield note("args.limit", EXFILTRATION, MEDIUM, "it asks for a thousand items or more")
        return
    texts = _texts(value)
    if len(texts) >= MAX_LEAVES:
        yield note(f"args.{kind}", CODE, HIGH, f"an argument holds more than {MAX_LEAVES} texts and was not read")
        return
    if kind == "shell" and isinstance(value, list) and value and all(isinstance(v, str) for v in value):
        texts = [_joined(value)]
    for text in texts:
        yield from _language(kind, text, reads, fhir)


def _joined(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def _language(kind: str, text: str, reads: bool, fhir: list[str]) -> Iterator[Evidence]:
    if text == "\x00deep":
        yield note(f"args.{kind}", CODE, HIGH, "an argument is nested too deeply to be read")
    elif kind == "sql":
        from toolguard.analysis.sql import sql_evidence

        yield from sql_evidence(text)
    elif kind == "shell":
        from toolguard.analysis.shell import shell_evidence

        yield from shell_evidence(text)
    elif kind == "code":
        yield from code_evidence(text)
    elif kind == "url":
        if is_fhir(text):
            fhir.append(text)
        if text.strip():
            yield from url_evidence(text)
    elif kind == "path":
        if is_fhir(text):
            fhir.append(text)
        elif is_url(text):
            yield from url_evidence(text)
        elif text.strip():
            yield from path_evidence(text, writes=not reads)
    elif kind == "cloud" and is_cloud_action(text):
        yield from iam_evidence(text)


def _by_shape(text: str, reads: bool, fhir: list[str]) -> Iterator[Evidence]:
    """A quick look at text that no schema explains. Long prose is looked at only where it begins."""
    if text == "\x00deep":
        yield note("args", CODE, HIGH, "an argument is nested too deeply to be read")
        return
    head = text[:4_000]
    if not head.isascii():
        head = unmask(head)
    if not _INTEREST.search(head):
        return
    stripped = head.lstrip()
    if is_url(stripped) and not any(c.isspace() for c in stripped[:200].rstrip()):
        if is_fhir(stripped):
            fhir.append(text)
        yield from url_evidence(text.strip())
    elif is_fhir(stripped) and not any(c.isspace() for c in stripped.rstrip()):
        fhir.append(text)
    elif _PATH_SHAPE.search(stripped[:300]) and not any(c in stripped[:300] for c in "\n<>"):
        yield from (e for e in path_evidence(text, writes=not reads) if e.level >= MEDIUM)
    if _SQL_SHAPE.search(head):
        from toolguard.analysis.sql import sql_evidence

        yield from (e for e in sql_evidence(text) if e.level >= MEDIUM)
    if _SHELL_SHAPE.search(head):
        from toolguard.analysis.shell import shell_evidence

        yield from (e for e in shell_evidence(text) if e.level >= MEDIUM)


def _method(method: str) -> Iterator[Evidence]:
    if method in ("delete", "purge"):
        yield note("args.method", DESTRUCTIVE, HIGH, "the HTTP method deletes")
    elif method in ("post", "put", "patch"):
        yield note("args.method", WRITE, MEDIUM, "the HTTP method writes")
