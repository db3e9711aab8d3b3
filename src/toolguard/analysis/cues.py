"""What the arguments' names and schemas say: which of them carry SQL, a command, code, a URL, money, a recipient.

A cue for free-form text (SQL, shell, code) is evidence by itself: such a tool can do anything its text says.
Its source begins with ``schema.``; per call it is replaced by the analysis of the text (see `plan`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolguard._core.call import Json, Tool
from toolguard._core.risk import Evidence
from toolguard.analysis.language import read_name
from toolguard.analysis.notes import CODE, COMMUNICATION, EXFILTRATION, FINANCIAL, HIGH, LOW, MEDIUM, READ, note
from toolguard.analysis.words import split_words, unmask

__all__ = ["Cues", "Field", "cues_of", "fields_of"]

_MAX_FIELDS = 500
_MAX_DEPTH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One property of a schema. ``top`` is the argument it belongs to; ``words`` are those of its own name."""

    top: str
    name: str
    words: tuple[str, ...]
    kinds: frozenset[str]
    description: str
    free: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cues:
    """``kinds``: top-level argument → the analysers its content needs; ``evidence``: what the schema alone says."""

    kinds: Mapping[str, frozenset[str]]
    evidence: tuple[Evidence, ...]


# Argument names, by their last word or the whole, that announce a kind of content.
_SQL = frozenset("sql rawsql sqlquery querysql sqltext sqlstatement statement statements ddl dml".split())
_SHELL = frozenset("command commands cmd cmds shell bash argv commandline cmdline terminal powershell exec".split())
_CODE = frozenset("code script scripts python javascript js source program snippet expression eval lambda macro".split())
_URL = frozenset("url urls uri uris endpoint webhook href website callback origin host hostname domain baseurl".split())
_PATH = frozenset("path paths file files filename filepath filenames directory dir folder destination src dst".split())
_MAIL = frozenset("to cc bcc recipient recipients email emails mailto receiver receivers addressee attendees participants".split())
_MONEY = frozenset("amount amounts price sum total cents payment iban currency notional qty".split())
_METHOD = frozenset("method httpmethod verb".split())
_CLOUD = frozenset("action actions operation api".split())


def fields_of(schema: Mapping[str, Json]) -> list[Field]:
    """The properties of a JSON Schema, nested ones included, at most 500."""
    found: list[Field] = []
    for field in _walk(schema, "", schema, 0):
        found.append(field)
        if len(found) >= _MAX_FIELDS:
            break
    return found


def _walk(schema: Json, top: str, root: Mapping[str, Json], depth: int) -> Iterator[Field]:
    if depth > _MAX_DEPTH or not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        target: Json = root
        for part in reference[2:].split("/"):
            target = target.get(part, {}) if isinstance(target, Mapping) else {}
        yield from _walk(target, top, root, depth + 1)
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        for name, sub in properties.items():
            sub = sub if isinstance(sub, Mapping) else {}
            kinds = _types(sub)
            free = ("string" in kinds or "array" in kinds or not kinds) and "enum" not in sub and "const" not in sub
            yield Field(
                top=top or str(name),
                name=str(name),
                words=split_words(str(name)),
                kinds=kinds,
                description=str(sub.get("description") or ""),
                free=free,
            )
            yield from _walk(sub, top or str(name), root, depth + 1)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), Mapping):
            yield from _walk(schema[key], top, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list):
            for option in options:
                yield from _walk(option, top, root, depth + 1)


def _types(schema: Mapping[str, Json]) -> frozenset[str]:
    kinds = schema.get("type")
    names = {kinds} if isinstance(kinds, str) else {k for k in kinds if isinstance(k, str)} if isinstance(kinds, list) else set()
    for key in ("anyOf", "oneOf"):
        options = schema.get(key)
        if isinstance(options, list):
            names |= {k for o in options if isinstance(o, Mapping) for k in _types(o)}
    return frozenset(names)


_SQL_TEXT = re.compile(r"\bsql\b|\bselect\s+[\w*\"`$(),. ]+\s+from\b|\bql statement\b", re.IGNORECASE)
_SHELL_TEXT = re.compile(r"\b(?:shell|bash|terminal|command[- ]line|powershell|cli)\b.{0,20}\bcommands?\b|\bcommand to (?:run|execute)\b", re.IGNORECASE)
_NOT_SQL = re.compile(r"\b(?:nosql|jql|cql|logql|promql|graphql|kql)\b", re.IGNORECASE)


def _content_kinds(field: Field, tool: Tool, tool_words: frozenset[str]) -> Iterator[str]:
    """Which analysers ``field`` needs. Only text can carry SQL, commands, code, URLs and paths."""
    whole = "".join(field.words)
    last = field.words[-1] if field.words else ""
    text = field.description

    def named(vocabulary: frozenset[str]) -> bool:
        return whole in vocabulary or last in vocabulary or bool(field.words and field.words[0] in vocabulary and len(field.words) <= 2)

    if field.free:
        about_sql = "sql" in tool_words or (_SQL_TEXT.search(tool.description[:4000]) and not _NOT_SQL.search(tool.description[:200]))
        if "sql" in field.words or whole in _SQL or (last in ("statement", "statements")):
            yield "sql"
        elif last in ("query", "queries", "q") and ((_SQL_TEXT.search(text) and not _NOT_SQL.search(text)) or about_sql):
            yield "sql"
        if named(_SHELL) and last not in ("id", "name", "type"):
            yield "shell"
        elif _SHELL_TEXT.search(text) and last not in ("id", "name", "type", "timeout"):
            yield "shell"
        elif named(_CODE) and _runs_code(field, tool_words):
            yield "code"
        if named(_URL) and last not in ("id", "name"):
            yield "url"
        if named(_PATH) and last not in ("id", "type", "size"):
            yield "path"
        if named(_CLOUD):
            yield "cloud"
    if named(_MAIL):
        yield "recipient"
    if named(_METHOD):
        yield "method"
    if whole in _MONEY or last in _MONEY:
        yield "money"
    if last in ("count", "limit", "size", "max") and ("number" in field.kinds or "integer" in field.kinds):
        yield "limit"


def _runs_code(field: Field, tool_words: frozenset[str]) -> bool:
    """``code`` is often a mere identifier (ICD code, country code); the tool or the text must speak of running."""
    if field.words[-1:] == ("code",) and len(field.words) > 1:
        return field.words[0] in ("python", "js", "javascript", "source", "shell", "sql", "bash")
    runs = tool_words & frozenset("run execute exec eval python code interpreter script sandbox repl notebook compile".split())
    says = re.search(r"\b(?:python|javascript|code|script)\b.{0,30}\b(?:run|execut|evaluat)|\b(?:run|execut|evaluat)\w*\b.{0,30}\b(?:code|script)", field.description, re.IGNORECASE)
    return bool(runs or says) or field.words[-1] in ("script", "scripts", "python", "javascript")


_SCHEMA_NOTES = {
    "sql": (CODE, HIGH, "takes free-form SQL"),
    "shell": (CODE, HIGH, "takes a free-form command"),
    "code": (CODE, HIGH, "takes code to run"),
    "url": (EXFILTRATION, LOW, "takes a URL, which may lie outside"),
    "path": (READ, LOW, "takes a path"),
    "recipient": (COMMUNICATION, LOW, "takes recipients"),
    "money": (FINANCIAL, LOW, "takes an amount"),
}


def cues_of(tool: Tool) -> Cues:
    """What ``tool``'s schema (and a description that speaks for a missing schema) says."""
    reading = read_name(tool.name)
    tool_words = frozenset(reading.words)
    kinds: dict[str, set[str]] = {}
    evidence: dict[Evidence, None] = {}
    for field in fields_of(tool.schema):
        for kind in _content_kinds(field, tool, tool_words):
            kinds.setdefault(field.top, set()).add(kind)
            if kind in _SCHEMA_NOTES:
                risk_class, level, text = _SCHEMA_NOTES[kind]
                if kind == "path" or level is LOW:
                    continue
                evidence[note(f"schema.{kind}", risk_class, level, f"argument {field.top!r} {text}")] = None
    if not any(k & {"sql", "shell", "code"} for k in kinds.values()):
        for item in _undeclared(tool, tool_words):
            evidence[item] = None
    return Cues(kinds={name: frozenset(k) for name, k in kinds.items()}, evidence=tuple(evidence))


def _undeclared(tool: Tool, tool_words: frozenset[str]) -> Iterator[Evidence]:
    """A tool whose name or description speaks of free-form text although no argument is declared for it."""
    text = unmask(tool.description[:4_000])
    if "sql" in tool_words or (tool_words & {"query", "database"} and re.search(r"\bselect\b[^.]{1,80}\bfrom\b", text, re.IGNORECASE)):
        yield note("schema.sql", CODE, HIGH, "the tool speaks of SQL without declaring where")
    elif tool_words & {"shell", "bash", "terminal", "exec"}:
        yield note("schema.shell", CODE, HIGH, "the tool speaks of a shell without declaring where")
    if re.search(r"\b(?:make|send|perform|issue)\w*\b[^.]{0,40}\bhttp requests?\b|\bany \w+ (?:api )?endpoint\b", text, re.IGNORECASE):
        yield note("schema.url", EXFILTRATION, MEDIUM, "the tool makes requests of the caller's choice")
