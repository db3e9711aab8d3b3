"""Rules on the words of one SQL statement: what its leading keyword and its telling phrases do.

A statement is a list of upper-case words; strings are ``'``, quoted names their own text in lower case after a
``"`` mark, so that a column called "drop" is not a DROP.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from toolguard._core.risk import Evidence, RiskClass, RiskLevel
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    HIGH,
    LOW,
    MEDIUM,
    PRIVILEGE,
    READ,
    WRITE,
    note,
)
from toolguard.analysis.sql_objects import TRANSACTION, asks_catalogue, pragma, unusual
from toolguard.analysis.words import bag

__all__ = ["Verdict", "gravest", "judge", "runs_explained", "several", "split"]

_SOURCE = "args.sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``kind``: the leading keyword in lower case; ``needs_tree``: the syntax tree must be read too."""

    kind: str
    evidence: tuple[Evidence, ...]
    needs_tree: bool


def split(tokens: Sequence[Any]) -> list[list[str]]:
    """The words of each statement. Empty statements are dropped."""
    statements: list[list[str]] = [[]]
    for token in tokens:
        kind = token.token_type.name
        if kind == "SEMICOLON":
            statements.append([])
        elif kind in ("STRING", "NATIONAL_STRING", "RAW_STRING", "HEREDOC_STRING", "UNICODE_STRING", "BYTE_STRING"):
            statements[-1].append("'")
        elif kind == "IDENTIFIER":
            statements[-1].append('"' + token.text.lower())
        else:
            statements[-1].extend(token.text.upper().split())
    return [words for words in statements if words]


# First word → what such a statement does. Statements that the tree explains better are in _TREE.
_FIRST: dict[str, tuple[RiskClass, RiskLevel, str]] = {
    "INSERT": (WRITE, MEDIUM, "inserts rows"),
    "REPLACE": (WRITE, MEDIUM, "replaces rows"),
    "UPSERT": (WRITE, MEDIUM, "inserts or updates rows"),
    "UPDATE": (WRITE, MEDIUM, "updates rows"),
    "DELETE": (WRITE, MEDIUM, "deletes rows"),
    "MERGE": (WRITE, MEDIUM, "merges rows"),
    "CREATE": (WRITE, MEDIUM, "creates a database object"),
    "ALTER": (WRITE, MEDIUM, "alters a database object"),
    "COMMENT": (WRITE, MEDIUM, "changes a comment"),
    "RENAME": (WRITE, MEDIUM, "renames a database object"),
    "REFRESH": (WRITE, MEDIUM, "refreshes a view"),
    "REINDEX": (WRITE, MEDIUM, "rebuilds an index"),
    "ANALYZE": (WRITE, MEDIUM, "updates statistics"),
    "OPTIMIZE": (WRITE, MEDIUM, "rebuilds a table"),
    "VACUUM": (WRITE, MEDIUM, "rewrites tables"),
    "CLUSTER": (WRITE, MEDIUM, "rewrites a table"),
    "BEGIN": (READ, LOW, "begins a transaction"),
    "START": (READ, LOW, "begins a transaction"),
    "COMMIT": (WRITE, MEDIUM, "commits a transaction"),
    "END": (WRITE, MEDIUM, "commits a transaction"),
    "ROLLBACK": (READ, LOW, "rolls a transaction back"),
    "ABORT": (READ, LOW, "rolls a transaction back"),
    "SAVEPOINT": (READ, LOW, "marks a transaction"),
    "RELEASE": (READ, LOW, "marks a transaction"),
    "USE": (WRITE, MEDIUM, "changes the database in use"),
    "SET": (WRITE, MEDIUM, "changes a setting"),
    "RESET": (WRITE, MEDIUM, "resets a setting"),
    "TRUNCATE": (DESTRUCTIVE, CRITICAL, "empties a table"),
    "DROP": (DESTRUCTIVE, HIGH, "drops a database object"),
    "UNDROP": (WRITE, MEDIUM, "restores a dropped object"),
    "PURGE": (DESTRUCTIVE, CRITICAL, "purges data for good"),
    "FLUSH": (DESTRUCTIVE, HIGH, "flushes server state"),
    "DISCARD": (DESTRUCTIVE, HIGH, "discards session state"),
    "DETACH": (DESTRUCTIVE, HIGH, "detaches a database"),
    "RESTORE": (DESTRUCTIVE, CRITICAL, "restores over a database"),
    "BACKUP": (EXFILTRATION, HIGH, "copies a whole database out"),
    "GRANT": (PRIVILEGE, HIGH, "grants privileges"),
    "REVOKE": (PRIVILEGE, HIGH, "revokes privileges"),
    "DENY": (PRIVILEGE, HIGH, "denies privileges"),
    "AUDIT": (PRIVILEGE, HIGH, "changes what is audited"),
    "NOAUDIT": (PRIVILEGE, HIGH, "changes what is audited"),
    "FLASHBACK": (DESTRUCTIVE, HIGH, "sets data back to an earlier state"),
    "REASSIGN": (PRIVILEGE, HIGH, "changes owners"),
    "SECURITY": (PRIVILEGE, HIGH, "changes security labels"),
    "EXEC": (CODE, HIGH, "runs a procedure or dynamic SQL"),
    "EXECUTE": (CODE, HIGH, "runs a procedure or dynamic SQL"),
    "CALL": (CODE, HIGH, "runs a stored procedure"),
    "DO": (CODE, HIGH, "runs an anonymous block"),
    "DECLARE": (CODE, HIGH, "runs a block of code"),
    "PREPARE": (CODE, HIGH, "prepares dynamic SQL"),
    "HANDLER": (READ, MEDIUM, "reads a table directly"),
    "PIVOT": (READ, LOW, "reads rows"),
    "UNPIVOT": (READ, LOW, "reads rows"),
    "EXISTS": (READ, LOW, "asks whether a table is there"),
    "LIST": (READ, LOW, "lists files of a stage"),
    "LS": (READ, LOW, "lists files of a stage"),
    "CHECK": (READ, LOW, "checks a table"),
    "CHECKSUM": (READ, LOW, "checks a table"),
    "SUMMARIZE": (READ, LOW, "shows figures of a table"),
    "REMOVE": (DESTRUCTIVE, HIGH, "removes files of a stage"),
    "RM": (DESTRUCTIVE, HIGH, "removes files of a stage"),
    "INSTALL": (CODE, HIGH, "installs code"),
    "UNINSTALL": (CODE, HIGH, "removes installed code"),
    "ATTACH": (CODE, HIGH, "attaches a database file"),
    "IMPORT": (WRITE, HIGH, "imports data or code"),
    "LOAD": (CODE, HIGH, "loads a file or library"),
    "COPY": (WRITE, HIGH, "copies between tables and files"),
    "BULK": (WRITE, HIGH, "loads a file"),
    "PUT": (EXFILTRATION, HIGH, "uploads a file"),
    "GET": (EXFILTRATION, HIGH, "downloads files"),
    "UNLOAD": (EXFILTRATION, HIGH, "writes rows to outside storage"),
    "EXPORT": (EXFILTRATION, HIGH, "writes rows to outside storage"),
    "NOTIFY": (WRITE, MEDIUM, "notifies listeners"),
    "LISTEN": (READ, LOW, "listens"),
    "UNLISTEN": (READ, LOW, "stops listening"),
    "LOCK": (DESTRUCTIVE, HIGH, "locks tables against others"),
    "UNLOCK": (WRITE, MEDIUM, "unlocks tables"),
    "KILL": (DESTRUCTIVE, HIGH, "ends other sessions"),
    "SHUTDOWN": (DESTRUCTIVE, CRITICAL, "shuts the server down"),
    "RESTART": (DESTRUCTIVE, CRITICAL, "restarts the server"),
    "CHECKPOINT": (WRITE, MEDIUM, "forces a checkpoint"),
    "RECONFIGURE": (PRIVILEGE, HIGH, "changes the server's configuration"),
    "CHANGE": (PRIVILEGE, HIGH, "changes replication"),
    "DBCC": (DESTRUCTIVE, HIGH, "runs a console command"),
    "WAITFOR": (CODE, HIGH, "makes the server wait"),
    "IF": (CODE, HIGH, "runs a block of code"),
    "WHILE": (CODE, HIGH, "runs a block of code"),
    "SHOW": (READ, LOW, "shows settings or structure"),
    "DESCRIBE": (READ, LOW, "describes a table"),
    "DESC": (READ, LOW, "describes a table"),
    "EXPLAIN": (READ, LOW, "explains a plan"),
    "VALUES": (READ, LOW, "gives constant rows"),
    "PRAGMA": (WRITE, MEDIUM, "reads or changes a setting"),
    "SELECT": (READ, LOW, "reads rows"),
    "WITH": (READ, LOW, "reads rows"),
    "TABLE": (READ, LOW, "reads rows"),
    "FROM": (READ, LOW, "reads rows"),
    "FETCH": (READ, LOW, "reads rows"),
    "CLOSE": (READ, LOW, "closes a cursor"),
    "(": (READ, LOW, "reads rows"),
}
_TREE = bag(
    "SELECT WITH TABLE FROM ( VALUES INSERT UPDATE DELETE MERGE REPLACE UPSERT EXPLAIN DESCRIBE DESC CREATE ALTER"
)

_WORDS = r"(?:[^ ]+ )"
# Phrases of words, wherever they stand in a statement.
_PHRASES: tuple[tuple[re.Pattern[str], RiskClass, RiskLevel, str], ...] = tuple(
    (re.compile(rf"(?:^| ){pattern}(?= |$)"), risk_class, level, text)
    for pattern, risk_class, level, text in (
        (
            r"DROP (?:DATABASE|SCHEMA|TABLESPACE|OWNED|CATALOG|KEYSPACE|WAREHOUSE)",
            DESTRUCTIVE,
            CRITICAL,
            "drops a whole database or schema",
        ),
        (
            r"DROP (?:TEMP(?:ORARY)? |EXTERNAL |FOREIGN )?(?:TABLE|MATERIALIZED VIEW|COLUMN|PARTITION)",
            DESTRUCTIVE,
            CRITICAL,
            "drops data",
        ),
        (
            (
                r"(?:DROP|CREATE|ALTER|CREATE OR REPLACE|RENAME) (?:USER|ROLE|LOGIN|GROUP|POLICY|CREDENTIAL|SERVER ROLE|APPLICATION ROLE|"
                r"DATABASE ROLE|MASKING POLICY|ROW ACCESS POLICY|NETWORK POLICY|DEFAULT PRIVILEGES|PROFILE|SERVER AUDIT|SECURITY POLICY|USER MAPPING)"
            ),
            PRIVILEGE,
            HIGH,
            "changes users, roles or policies",
        ),
        (
            r"(?:SET|UNSET|ADD|DROP|DETACH|ATTACH) (?:(?:ALL )?(?:MASKING|ROW ACCESS|PROJECTION|NETWORK|PASSWORD|SESSION) POLIC(?:Y|IES)|NETWORK_POLICY)",
            PRIVILEGE,
            HIGH,
            "changes what protects rows or columns",
        ),
        (r"USE (?:SECONDARY )?ROLES?", PRIVILEGE, HIGH, "changes identity"),
        (r"(?:OWNER TO|SET OWNER(?! =)|AUTHORIZATION)", PRIVILEGE, HIGH, "changes an owner"),
        (r"(?:DISABLE|ENABLE|NO FORCE|FORCE) ROW LEVEL SECURITY", PRIVILEGE, HIGH, "changes row security"),
        (r"(?:DISABLE|ENABLE) (?:TRIGGER|RULE)", PRIVILEGE, HIGH, "switches triggers"),
        (
            r"SET (?:LOCAL |SESSION )?(?:ROLE|SESSION AUTHORIZATION|SESSION_AUTHORIZATION|PASSWORD|DEFAULT ROLE)",
            PRIVILEGE,
            HIGH,
            "changes identity",
        ),
        (
            r"SET (?:LOCAL |SESSION )?(?:ROW_SECURITY|SESSION_REPLICATION_ROLE|SQL_SAFE_UPDATES|SQL_LOG_BIN|FOREIGN_KEY_CHECKS|UNIQUE_CHECKS)",
            PRIVILEGE,
            HIGH,
            "switches a safeguard off",
        ),
        (
            r"SET (?:LOCAL |SESSION )?\w*(?:READ_ONLY|EXTERNAL_ACCESS|UNSIGNED|AUDIT|SECUR|SAFE|PRIVILEGE|ALLOW_|_CHECKS?)\w*",
            PRIVILEGE,
            HIGH,
            "may switch a safeguard off",
        ),
        (r"SET UNLOGGED", DESTRUCTIVE, HIGH, "gives up that rows outlive a crash"),
        (r"VACUUM " + _WORDS + r"{1,6}?RETAIN", DESTRUCTIVE, HIGH, "forgets earlier versions of a table"),
        (r"SET (?:GLOBAL|PERSIST|@@GLOBAL|PERSIST_ONLY)", PRIVILEGE, HIGH, "changes a setting of the whole server"),
        (
            r"ALTER (?:SYSTEM|DATABASE|SERVER|INSTANCE|ACCOUNT|WAREHOUSE)",
            PRIVILEGE,
            HIGH,
            "changes the server's configuration",
        ),
        (
            r"ALTER " + _WORDS + r"{1,12}?(?:DROP|TRUNCATE PARTITION|EXCHANGE PARTITION|DETACH PARTITION)",
            DESTRUCTIVE,
            HIGH,
            "drops part of a table",
        ),
        (r"ALTER " + _WORDS + r"{1,6}?RENAME", WRITE, MEDIUM, "renames a database object"),
        (
            r"(?:CREATE|ALTER|CREATE OR REPLACE|CREATE OR ALTER) "
            + _WORDS
            + r"{0,4}?(?:FUNCTION|PROCEDURE|PROC|TRIGGER|EXTENSION|LANGUAGE|RULE|EVENT|PACKAGE|"
            r"LIBRARY|ASSEMBLY|AGGREGATE|OPERATOR|CAST|JOB|TASK|PIPE|STREAMLIT|INTEGRATION|STAGE|MODEL|MACRO)",
            CODE,
            HIGH,
            "creates code that the server runs",
        ),
        (
            r"(?:CREATE|ALTER) (?:FOREIGN|EXTERNAL|SERVER|SUBSCRIPTION|PUBLICATION|DATABASE LINK|PUBLIC DATABASE LINK|LINK|CONNECTION)",
            EXFILTRATION,
            HIGH,
            "connects the database to another system",
        ),
        (r"CREATE OR REPLACE (?:TABLE|TRANSIENT|TEMP|TEMPORARY)", DESTRUCTIVE, HIGH, "replaces a table"),
        (r"(?:FROM|TO) PROGRAM", CODE, CRITICAL, "runs a program on the server"),
        (r"INTO (?:OUTFILE|DUMPFILE)", EXFILTRATION, HIGH, "writes rows to a file on the server"),
        (r"COPY " + _WORDS + r"{1,200}?TO", EXFILTRATION, HIGH, "copies rows out"),
        (r"VACUUM INTO", EXFILTRATION, HIGH, "copies a whole database out"),
        (r"VACUUM (?:\( )?FULL", DESTRUCTIVE, HIGH, "locks tables while it rewrites them"),
        (
            r"INTO (?:FUNCTION|TABLE FUNCTION|OPENQUERY|OPENROWSET|OPENDATASOURCE)",
            EXFILTRATION,
            HIGH,
            "writes rows to another system",
        ),
        (
            r"CREATE (?:(?!AS |VIEW )[^ ]+ ){1,200}?(?:CONNECTION|LOCATION|URL|STORAGE_LOCATION|HOST)(?: =)? '",
            EXFILTRATION,
            HIGH,
            "connects the database to another system",
        ),
        (
            r"CREATE OR REPLACE (?:DATABASE|SCHEMA|CATALOG)",
            DESTRUCTIVE,
            CRITICAL,
            "replaces a whole database or schema",
        ),
        (r"COPY INTO (?:'|@)", EXFILTRATION, HIGH, "writes rows to outside storage"),
        (r"EXEC(?:UTE)? AS(?: LOGIN| USER)?", PRIVILEGE, HIGH, "acts as someone else"),
        (r"OVERWRITE", DESTRUCTIVE, HIGH, "overwrites what stood there"),
        (r"WITH GRANT OPTION", PRIVILEGE, CRITICAL, "lets others hand privileges on"),
        (
            r"(?:GRANT|DENY) " + _WORDS + r"{1,40}?TO (?:\"?PUBLIC|EVERYONE|\"?GUEST|ANONYMOUS|%)",
            PRIVILEGE,
            CRITICAL,
            "grants to everyone",
        ),
        (
            r"GRANT (?:ACCOUNTADMIN|SUPER|DBA|SYSADMIN|OWNERSHIP|RDS_SUPERUSER|SYSDBA|ALL PRIVILEGES ON DATABASE|ALL (?:PRIVILEGES )?ON \* \. \*)",
            PRIVILEGE,
            CRITICAL,
            "grants everything",
        ),
        (
            r"(?:SUPERUSER|BYPASSRLS|CREATEROLE|REPLICATION LOGIN|SYSADMIN)",
            PRIVILEGE,
            CRITICAL,
            "gives the highest privileges",
        ),
        (r"FOR (?:NO KEY )?(?:UPDATE|SHARE|KEY SHARE)", WRITE, MEDIUM, "locks the rows it reads"),
        (r"IMMEDIATE '", CODE, HIGH, "runs SQL out of a string"),
        (r"LOAD DATA", CODE, HIGH, "loads a file"),
        (r"MATCHED " + _WORDS + r"{0,30}?THEN DELETE", DESTRUCTIVE, HIGH, "deletes the rows a join picks"),
        (r"RESET (?:ROLE|ALL|SESSION AUTHORIZATION|PERSIST)", PRIVILEGE, HIGH, "changes identity or safeguards"),
        (r"RESET (?:MASTER|SLAVE|REPLICA|BINARY LOGS)", DESTRUCTIVE, HIGH, "forgets the state of replication"),
        (r"CALL (?:IN )?TRANSACTIONS", CODE, HIGH, "runs in many transactions"),
    )
)
_ORDER = ("empty", "select", "with", "table", "from", "values", "show", "describe", "desc", "explain", "set", "use")


def judge(words: list[str]) -> Verdict:
    """What one statement does, judged by its words."""
    first = words[0]
    known = _FIRST.get(first)
    evidence: list[Evidence] = []
    needs_tree = first in _TREE
    text = " ".join(words[:2_000])
    if known is None:
        evidence.append(note(_SOURCE, CODE, HIGH, "a statement begins with a word that is no SQL known here"))
    else:
        risk_class, level, words_for = known
        evidence.append(note(_SOURCE, risk_class, level, f"it {words_for}"))
    for pattern, risk_class, level, words_for in _PHRASES:
        if pattern.search(text):
            evidence.append(note(_SOURCE, risk_class, level, f"it {words_for}"))
    if first in _ONE_OF_ITS_KIND and _SECOND.search(text):
        evidence.append(note(_SOURCE, CODE, HIGH, "a second statement stands in it, with nothing between them"))
    if first in ("CREATE", "ALTER") and not any(e.level >= HIGH for e in evidence):
        evidence += unusual(words)
    if first in ("EXEC", "EXECUTE") and asks_catalogue(words[1:]):
        evidence = [note(_SOURCE, READ, LOW, "it asks the catalogue")]
    if first in _EXPLAINS:
        evidence = evidence[:1]
        if runs_explained(words):
            rest = next((words[i:] for i, w in enumerate(words) if i and w in _RUNNABLE), [])
            evidence += judge(rest).evidence if rest else ()
            evidence += _unbounded(rest)
        return Verdict(kind="explain", evidence=tuple(evidence), needs_tree=False)
    if first == "PRAGMA":
        evidence = [pragma(words)]
    elif first in ("BEGIN", "START") and len(words) > 1 and words[1] not in TRANSACTION:
        evidence.append(note(_SOURCE, CODE, HIGH, "it runs a block of code"))
    return Verdict(kind=first.lower() if first != "(" else "select", evidence=tuple(evidence), needs_tree=needs_tree)


# T-SQL needs no semicolon: "SELECT 1 DELETE FROM t" is two statements.
_ONE_OF_ITS_KIND = bag("SELECT INSERT UPDATE DELETE SET USE VALUES TABLE FROM EXEC EXECUTE PRINT")
_SECOND = re.compile(
    r" (?<!\( )(?:DELETE FROM|INSERT INTO|UPDATE [^ ]+ SET|TRUNCATE TABLE|EXEC(?:UTE)? (?:[SX]P_|\())(?= |\w)"
)
_EXPLAINS = ("EXPLAIN", "DESCRIBE", "DESC")
_RUNNABLE = bag("SELECT INSERT UPDATE DELETE MERGE REPLACE WITH CREATE EXECUTE DECLARE REFRESH")


def runs_explained(words: list[str]) -> bool:
    """Whether an EXPLAIN runs what it explains (ANALYZE)."""
    return words[0] in _EXPLAINS and bool({"ANALYZE", "ANALYSE"}.intersection(words[:16]))


def _unbounded(words: list[str]) -> list[Evidence]:
    if words and words[0] in ("DELETE", "UPDATE") and "WHERE" not in words:
        return [note(_SOURCE, DESTRUCTIVE, CRITICAL, "it changes every row")]
    return []


def several(statements: list[list[str]]) -> list[Evidence]:
    """Several statements where one is expected: the way injected SQL gets in."""
    firsts = {words[0] for words in statements}
    if firsts <= {"SELECT", "WITH", "SHOW", "SET", "BEGIN", "START", "COMMIT", "ROLLBACK", "EXPLAIN", "USE", "VALUES"}:
        return [note(_SOURCE, READ, LOW, "it holds several statements")]
    return [note(_SOURCE, WRITE, MEDIUM, "it holds several statements")]


def gravest(kinds: list[str]) -> str:
    """The kind that matters most among the statements of one text."""
    return max(kinds, key=lambda k: len(_ORDER) if k not in _ORDER else _ORDER.index(k), default="unknown")
