"""What a SQL text does: every statement of it, under every dialect it could be read in.

Two readings are united. Tokens (comments and strings gone) show the keyword each statement begins with and
what no parser models well (GRANT, COPY … PROGRAM, xp_cmdshell). The syntax tree shows what hides deeper: a
DELETE inside a WITH, a condition that is always true, a dangerous function. Dialects disagree about where a
string or a comment ends, so a text with backslashes, ``#``, ``$$`` or nested comments is read in each of them.
What cannot be parsed runs code nobody has read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from toolguard._core.risk import Evidence, Risk
from toolguard.analysis import sql_rules, sql_tree
from toolguard.analysis.notes import CODE, HIGH, LOW, READ, note, risk_of
from toolguard.analysis.words import unmask

__all__ = ["MAX_SQL", "classify_sql", "sql_evidence", "sql_facts", "warm"]

MAX_SQL = 20_000
"""Characters. Longer texts are not parsed."""
MAX_STATEMENTS = 50
MAX_WORDS = 3_000
"""Words of SQL (a token each). Beyond, no syntax tree is built."""
_SOURCE = "args.sql"
_DIALECTS = ("postgres", "mysql", "tsql", "oracle", "snowflake", "bigquery", "sqlite", "clickhouse")
"""Tried in this order where the first does not read a text."""

_quiet: ContextVar[bool] = ContextVar("toolguard_sql_quiet", default=False)


@dataclass(slots=True, kw_only=True)
class Reading:
    """What was learned of one text. ``parsed`` is False if some reading of it failed."""

    evidence: dict[Evidence, None] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    tables: dict[str, None] = field(default_factory=dict)
    functions: dict[str, None] = field(default_factory=dict)
    statements: int = 0
    limit: int = -1
    parsed: bool = True
    failed: set[tuple[str, str]] = field(default_factory=set)


def warm() -> None:
    """Import the parser and build its tables now, not in the first call."""
    parser = _parser()
    for dialect in _DIALECTS:
        parser.parse("SELECT a FROM t WHERE a = 1", read=dialect)


def classify_sql(text: str) -> Risk:
    """The risk of running ``text`` as SQL."""
    return risk_of(sql_evidence(text))


def sql_evidence(text: str) -> tuple[Evidence, ...]:
    """Everything ``text`` does. Never empty."""
    return tuple(_read(text).evidence)


def sql_facts(text: str) -> dict[str, object]:
    """Facts for conditions: ``kind tables functions writes destructive privilege statements limit parsed level``.

    ``kind`` is the gravest statement's leading keyword in lower case; ``limit`` is -1 where none is set.
    Where the text cannot be parsed, ``parsed`` is False and ``writes`` and ``destructive`` are True.
    """
    reading = _read(text)
    risk = risk_of(tuple(reading.evidence))
    classes = risk.classes
    return {
        "kind": sql_rules.gravest(reading.kinds) if reading.parsed else "unknown",
        "tables": sorted(reading.tables),
        "functions": sorted(reading.functions),
        "writes": not reading.parsed or risk.risk_class is not READ or len(classes) > 1,
        "destructive": not reading.parsed or "destructive" in classes,
        "privilege": not reading.parsed or "privilege" in classes,
        "statements": reading.statements,
        "limit": reading.limit,
        "parsed": reading.parsed,
        "level": risk.level.label,
    }


UNREADABLE = "the SQL upset the reader and was not understood"


def _read(text: str) -> Reading:
    reading = Reading()
    try:
        _read_into(text, reading)
    except Exception:  # noqa: BLE001 - SQL that upsets the reader is SQL nobody has read
        reading.parsed = False
        reading.evidence[note(_SOURCE, CODE, HIGH, UNREADABLE)] = None
    return reading


def _read_into(text: str, reading: Reading) -> None:

    def say(item: Evidence) -> None:
        reading.evidence[item] = None

    if len(text) > MAX_SQL:
        reading.parsed = False
        say(note(_SOURCE, CODE, HIGH, f"the SQL is longer than {MAX_SQL} characters and was not read"))
        return
    folded = unmask(text)
    if not folded.strip(" ;\t\r\n"):
        reading.kinds.append("empty")
        say(note(_SOURCE, READ, LOW, "the SQL is empty"))
        return
    try:
        parser = _parser()
    except ImportError:
        reading.parsed = False
        say(note(_SOURCE, CODE, HIGH, "the SQL parser is not installed, so the SQL was not read"))
        return
    # With look-alike letters, judge what a lenient engine would run as well as what stands there.
    for form in dict.fromkeys((folded, text)):
        plain, executable = _executable_comments(form)
        if executable:
            say(note(_SOURCE, CODE, HIGH, "a comment holds SQL that MySQL runs"))
        for dialect, variant in _variants(plain):
            _read_as(parser, variant, dialect, reading)
    if not reading.evidence:
        say(note(_SOURCE, READ, LOW, "the SQL only reads"))


def _read_as(parser: Any, text: str, dialect: str, reading: Reading) -> None:
    say = reading.evidence.setdefault
    try:
        tokens = list(parser.tokenize(text, read=dialect))
        statements = sql_rules.split(_opened(parser, tokens, dialect))
    except Exception:  # noqa: BLE001 - whatever the tokenizer trips over, the text is unread: fail closed
        reading.parsed = False
        say(note(_SOURCE, CODE, HIGH, "the SQL cannot be split into words"))
        return
    if len(tokens) > MAX_WORDS:
        reading.parsed = False
        say(note(_SOURCE, CODE, HIGH, f"the SQL has more than {MAX_WORDS} words and was not read"))
        return
    reading.statements = max(reading.statements, len(statements))
    if len(statements) > MAX_STATEMENTS:
        reading.parsed = False
        say(note(_SOURCE, CODE, HIGH, f"the SQL holds more than {MAX_STATEMENTS} statements"))
        return
    opaque = False
    for words in statements:
        verdict = sql_rules.judge(words)
        reading.kinds.append(verdict.kind)
        for item in verdict.evidence:
            say(item)
        opaque = opaque or verdict.needs_tree
    if statements and sql_rules.runs_explained(statements[0]):
        inner = _EXPLAINED.search(text)
        if inner is not None:
            _read_as(parser, text[inner.start() :], dialect, reading)
    if len(statements) > 1:
        for item in sql_rules.several(statements):
            say(item)
    if opaque:
        known = any(item.level >= HIGH for item in reading.evidence)  # it is held in any case: no long search
        trees = _trees(parser, text, dialect, reading.failed, 3 if known else len(_DIALECTS))
        if trees is None:
            reading.parsed = False
            say(note(_SOURCE, CODE, HIGH, "the SQL cannot be parsed"))
            return
        for tree in trees:
            sql_tree.walk(tree, reading, say)


_EXPLAINED = re.compile(
    r"\b(?:select|insert|update|delete|merge|replace|with|create|execute|declare|refresh)\b", re.IGNORECASE
)


_SWALLOWERS = ("COMMAND", "SHOW", "RENAME", "FETCH")


def _opened(parser: Any, tokens: list[Any], dialect: str) -> list[Any]:
    """``tokens`` with the tail of EXPLAIN, CALL, DO … opened, which the tokenizer hands over as one string."""
    out: list[Any] = []
    for i, token in enumerate(tokens):
        swallowed = token.token_type.name == "STRING" and i > 0 and tokens[i - 1].token_type.name in _SWALLOWERS
        if swallowed and tokens[i - 1].text.upper() != "EXECUTE":
            out += parser.tokenize(token.text, read=dialect)
        else:
            out.append(token)
    return out


_TOP = re.compile(r"\b(update|delete)\s+top\s*\(\s*\w+\s*\)(?:\s*percent\b)?", re.IGNORECASE)


_MARKS = tuple(
    (name, re.compile(marks, re.IGNORECASE))
    for name, marks in (
        (
            "tsql",
            r"\btop\s*\(?\d|\bnolock\b|\b(?:cross|outer)\s+apply\b|\bdbo\.|\[[a-z]|\boutput\s+(?:inserted|deleted)\b",
        ),
        ("snowflake", r"\bflatten\s*\(|:\w+::|\$\d|@[~\w]"),
        ("sqlite", r"\bmatch\s+'|\binsert\s+or\b"),
        ("oracle", r"\brownum\b|\bconnect\s+by\b|\bdual\b|\binsert\s+all\b"),
        ("bigquery", r"`[^`]+\.[^`]+`|\bstruct\b|\bexcept\s*\("),
        ("clickhouse", r"\)\(|\barrayjoin\b|\bengine\s*="),
    )
)
"""What gives a dialect away, so that the likely ones are tried first."""


def _trees(parser: Any, text: str, dialect: str, failed: set[tuple[str, str]], most: int) -> list[Any] | None:
    """The syntax trees of ``text``; where its own dialect fails, those of the first dialect that reads it.

    ``failed`` remembers across readings of one text what did not work; at most ``most`` dialects are tried.
    """
    text = _TOP.sub(r"\1", text)  # a limit that the parser does not know; without it more rows are meant, never fewer
    likely = [name for name, marks in _MARKS if marks.search(text)]
    for name in list(dict.fromkeys((dialect, *likely, *_DIALECTS)))[:most]:
        if (name, text) in failed:
            continue
        token = _quiet.set(True)
        try:
            return [tree for tree in parser.parse(text, read=name) if tree is not None]
        except (parser.errors.SqlglotError, ValueError, TypeError, AttributeError, KeyError, IndexError):
            failed.add((name, text))
        except RecursionError:
            return None
        finally:
            _quiet.reset(token)
    return None


_MYSQL_COMMENT = re.compile(r"/\*[!+M](?:!?\d*)(.*?)\*/", re.DOTALL)


def _executable_comments(text: str) -> tuple[str, bool]:
    """``text`` with MySQL's ``/*! … */`` opened, and whether there was one. Optimizer hints (``/*+``) stay shut."""
    found = False

    def open_up(match: re.Match[str]) -> str:
        nonlocal found
        if match.group(0)[2] == "+":
            return " "
        found = True
        return f" {match.group(1)} "

    return (_MYSQL_COMMENT.sub(open_up, text), found) if "/*" in text else (text, False)


_DASHES = re.compile(r"--(?=[^\s-])")


def _variants(text: str) -> Iterator[tuple[str, str]]:
    """Each (dialect, text) the words could be read as, the usual one first."""
    yield "postgres", text
    if (
        "`" in text
        or "#" in text
        or "\\" in text
        or "$$" in text
        or text.count("/*") > text.count("*/")
        or text.count("/*") > 1
        or '"' in text
    ):
        yield "mysql", text
    if _DASHES.search(text):
        yield "mysql", _DASHES.sub("- - ", text)
    if "[" in text:
        yield "tsql", text


class _Silence(logging.Filter):
    """sqlglot warns with the statement's text in the message; a statement may hold PHI, so ours are dropped."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not _quiet.get()


@cache
def _parser() -> Any:
    import sqlglot  # here, not above: importing it takes most of a second

    logging.getLogger("sqlglot").addFilter(_Silence())
    return sqlglot
