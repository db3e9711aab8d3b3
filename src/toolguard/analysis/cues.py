"""What arguments are about, from their names and descriptions: SQL, a command, code, a URL, a path, money, people.

A cue for free-form text (SQL, shell, code) is evidence by itself: such a tool can do anything its text says.
Its source begins with ``schema.``; per call it gives way to the analysis of the text (see `plan`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from toolguard._core.call import Tool
from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, COMMUNICATION, EXFILTRATION, FINANCIAL, HIGH, MEDIUM, note
from toolguard.analysis.programs import ARGUMENTS, program_of
from toolguard.analysis.schema import Field, fields_of
from toolguard.analysis.words import bag, split_words, unmask

__all__ = ["Cues", "cues_of", "kinds_of_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cues:
    """``kinds``: name of a declared field (any depth) → the analysers its content needs; ``evidence``: what the schema
    says; ``tops``: source of such evidence (``schema.sql``) → the arguments it speaks of; ``program``: the words of a
    command line that the tool stands for, its arguments being the rest.
    """

    kinds: Mapping[str, frozenset[str]]
    evidence: tuple[Evidence, ...]
    tops: Mapping[str, frozenset[str]]
    program: tuple[str, ...] = ()


# Names of arguments that announce a kind of content: the whole name, its last word, or the first of two.
_NAMES: tuple[tuple[str, frozenset[str]], ...] = (
    ("sql", bag("sql rawsql sqlquery querysql sqltext sqlstatement statement statements ddl dml")),
    ("shell", bag("command commands cmd cmds shell bash argv commandline cmdline terminal powershell exec")),
    (
        "url",
        bag("url urls uri uris endpoint webhook webhooks href website callback origin host hostname domain baseurl"),
    ),
    ("path", bag("path paths file files filename filepath filenames directory dir folder destination source src dst")),
    (
        "recipient",
        bag("to cc bcc recipient recipients email emails mailto receiver receivers addressee attendees participants"),
    ),
    ("money", bag("amount amounts price sum total cents payment iban notional")),
    ("method", bag("method httpmethod verb")),
    ("cloud", bag("action actions operation")),
)
_CODE = bag("code script scripts python javascript js program snippet eval lambda macro sourcecode")
_RUNNERS = bag("run execute exec eval python code interpreter script sandbox repl notebook compile")
_PROSE = bag(
    "title subject headline body text content message description comment comments note notes summary markdown reason prompt question answer bio abstract html caption"
)
_MOVERS = bag("move rename copy convert migrate translate route directions cp mv")
_MAIL = bag("email mail message messages")
_WRITTEN = bag("subject body text message content html template amount")
_NO_CONTENT = bag("id ids type kind name count size status state timeout version format mode at date time")


@lru_cache(maxsize=2048)
def kinds_of_name(name: str) -> frozenset[str]:
    """The kinds of content an argument's name announces; ``prose`` for plain text, empty if it announces nothing."""
    words = split_words(name)
    if not words:
        return frozenset()
    whole, last = "".join(words), words[-1]
    found = {
        kind
        for kind, vocabulary in _NAMES
        if whole in vocabulary
        or (last in vocabulary)
        or (len(words) == 2 and words[0] in vocabulary and last not in _NO_CONTENT)
    }
    if "sql" in words and last not in _NO_CONTENT:
        found.add("sql")
    if whole in _CODE or (last in _CODE and words[0] in ("python", "js", "javascript", "source", "shell", "custom")):
        found.add("code")
    if last in ("limit", "count", "size", "max", "top") or whole in ("perpage", "pagesize", "maxresults", "numresults"):
        found.add("limit")
    if not found and last in _PROSE:
        found.add("prose")
    return frozenset(found)


_SQL_TEXT = re.compile(r"\bsql\b|\bselect\s.{1,150}?\sfrom\b", re.IGNORECASE | re.DOTALL)
_NOT_SQL = re.compile(r"\b(?:nosql|jql|cql|logql|promql|graphql|kql|lucene)\b", re.IGNORECASE)
_SHELL_TEXT = re.compile(
    r"\b(?:shell|bash|terminal|command[- ]line|powershell)\b.{0,20}\bcommands?\b|\bcommand to (?:run|execute)\b",
    re.IGNORECASE,
)
_CODE_TEXT = re.compile(
    r"\b(?:python|javascript|code|script)\b.{0,30}\b(?:run|execut|evaluat)|\b(?:run|execut|evaluat)\w*\b.{0,30}\b(?:code|script)",
    re.IGNORECASE,
)


def _kinds_of_field(field: Field, tool: Tool, tool_words: frozenset[str]) -> frozenset[str]:
    """What `kinds_of_name` says, corrected by what the schema and the tool say."""
    kinds = set(kinds_of_name(field.name))
    last = field.words[-1] if field.words else ""
    if not field.free:
        kinds -= {"sql", "shell", "code", "url", "path", "cloud", "recipient", "prose"}
    else:
        if last in ("query", "queries", "q") and _speaks_sql(field.description, tool, tool_words):
            kinds.add("sql")
        if not kinds & {"shell", "sql"} and last not in _NO_CONTENT and _SHELL_TEXT.search(field.description):
            kinds.add("shell")
        if (
            "code" in kinds
            and field.name.lower() == "code"
            and not (tool_words & _RUNNERS or _CODE_TEXT.search(field.description))
        ):
            kinds.discard("code")  # an ICD code, a country code
    if "shell" in kinds and last in ("command", "commands") and "enum" in field.description.lower():
        kinds.add("shell")
    if field.kinds and "limit" in kinds and field.kinds.isdisjoint(("integer", "number", "string")):
        kinds.discard("limit")
    if "recipient" in kinds and field.name == "to" and tool_words & _MOVERS and not tool_words & _MAIL:
        kinds.discard("recipient")  # where a thing goes, not to whom
    if (
        "recipient" in kinds
        and last == "to"
        and ("date" in field.description.lower() or "time" in field.description.lower())
    ):
        kinds.discard("recipient")
    return frozenset(kinds)


def _speaks_sql(text: str, tool: Tool, tool_words: frozenset[str]) -> bool:
    if "sql" in tool_words or (_SQL_TEXT.search(text) and not _NOT_SQL.search(text)):
        return True
    return bool(_SQL_TEXT.search(tool.description[:4_000])) and not _NOT_SQL.search(tool.description[:200])


_ONLY_EXPLAINS = re.compile(
    r"\b(?:without (?:running|executing|evaluating)|(?:does|is|will|are) not (?:be )?(?:run|execut|evaluat)\w*|never (?:runs?|execut\w*)) (?:it|them|the (?:quer|statement|code|command|script)\w*)\b",
    re.IGNORECASE,
)
"""The author says that the text it takes is not run. What a call hands over is read all the same."""
_FREE_FORM = {"sql": "takes free-form SQL", "shell": "takes a free-form command", "code": "takes code to run"}


def cues_of(tool: Tool, *, acts: bool = True) -> Cues:
    """What ``tool``'s schema (and a description that speaks for a missing one) says. ``acts``: it does more than read."""
    tool_words = frozenset(split_words(tool.name))
    kinds: dict[str, frozenset[str]] = {}
    evidence: dict[Evidence, None] = {}
    tops: dict[str, frozenset[str]] = {}
    program = program_of(tool.name)
    fields = fields_of(tool.schema)
    names = frozenset(f.name.lower() for f in fields)
    span = {"from", "to"} <= names and names.isdisjoint(_WRITTEN)
    for field in fields:
        found = _kinds_of_field(field, tool, tool_words)
        if program and field.free and field.name.lower() in ARGUMENTS and not found & {"sql", "code"}:
            found = frozenset(("shell",))
        kinds[field.name] = kinds.get(field.name, frozenset()) | found
        if span and field.name.lower() == "to":
            found -= {"recipient"}  # from … to …: a span, not people
            kinds[field.name] = found
        for kind in sorted(found & _FREE_FORM.keys()) if not _ONLY_EXPLAINS.search(tool.description[:4_000]) else ():
            source = f"schema.{kind}"
            evidence[note(source, CODE, HIGH, f"argument {field.name!r} {_FREE_FORM[kind]}")] = None
            tops[source] = tops.get(source, frozenset()) | {field.top}
        if acts and "money" in found:
            evidence[note("schema", FINANCIAL, MEDIUM, f"argument {field.name!r} is an amount of money")] = None
        if acts and "recipient" in found:
            evidence[note("schema", COMMUNICATION, MEDIUM, f"argument {field.name!r} names recipients")] = None
        if acts and "url" in found and {"webhook", "webhooks", "callback"}.intersection(field.words):
            evidence[note("schema", EXFILTRATION, MEDIUM, f"argument {field.name!r} says where data is sent")] = None
    if not any(k & _FREE_FORM.keys() for k in kinds.values()):
        for item in _undeclared(tool, tool_words):
            evidence[item] = None
    stands = program if any("shell" in found for found in kinds.values()) or not kinds else ()
    return Cues(kinds=kinds, evidence=tuple(evidence), tops=tops, program=stands)


def _undeclared(tool: Tool, tool_words: frozenset[str]) -> Iterator[Evidence]:
    """A tool whose name or description speaks of free-form text although no argument is declared for it."""
    text = unmask(tool.description[:4_000])
    if "sql" in tool_words or (
        tool_words & {"query", "database"}
        and re.search(r"\bselect\b.{1,150}?\bfrom\b", text, re.IGNORECASE | re.DOTALL)
    ):
        yield note("schema.sql", CODE, HIGH, "the tool speaks of SQL without declaring where")
    elif tool_words & {"shell", "bash", "terminal", "exec"}:
        yield note("schema.shell", CODE, HIGH, "the tool speaks of a shell without declaring where")
    if re.search(
        r"\b(?:make|send|perform|issue)\w*\b[^.]{0,40}\bhttp requests?\b|\bany \w+ (?:api )?endpoint\b|\b(?:post|put)(?:s|ing)? (?:data )?to (?:any|a given|an arbitrary) (?:url|address|host|server)\b",
        text,
        re.IGNORECASE,
    ):
        yield note("schema.url", EXFILTRATION, MEDIUM, "the tool makes requests of the caller's choice")
