"""SQL about the objects of a database rather than its rows: CREATE, ALTER, PRAGMA, and what only asks the catalogue.

Lists say what is plain; whatever stands in none of them is held to be able to more.
"""

from __future__ import annotations

import re

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import CODE, DESTRUCTIVE, HIGH, LOW, MEDIUM, PRIVILEGE, READ, WRITE, note
from toolguard.analysis.words import bag

__all__ = ["TRANSACTION", "asks_catalogue", "pragma", "unusual"]

_SOURCE = "args.sql"

# What may follow BEGIN or START where a transaction begins, not a block of code.
TRANSACTION = bag(
    "TRANSACTION WORK TRAN ISOLATION READ NOT DEFERRABLE DEFERRED IMMEDIATE EXCLUSIVE CONCURRENT DISTRIBUTED"
)
# SQLite: settings that only tune or name something. Whatever else is set may switch a safeguard off.
_TUNING = bag(
    "CACHE_SIZE CACHE_SPILL TEMP_STORE MMAP_SIZE BUSY_TIMEOUT PAGE_SIZE ENCODING CASE_SENSITIVE_LIKE USER_VERSION APPLICATION_ID "
    "AUTO_VACUUM WAL_AUTOCHECKPOINT ANALYSIS_LIMIT THREADS OPTIMIZE WAL_CHECKPOINT SHRINK_MEMORY COUNT_CHANGES FULL_COLUMN_NAMES "
    "INCREMENTAL_VACUUM QUERY_ONLY"
)
_PRAGMA_READS = ("_INFO", "_XINFO", "_LIST", "_CHECK")
_SAFE_VALUES = bag("ON TRUE YES 1 WAL FULL EXTRA")
_OPENING = bag("WRITABLE_SCHEMA IGNORE_CHECK_CONSTRAINTS TRUSTED_SCHEMA READ_UNCOMMITTED DEFER_FOREIGN_KEYS")


def pragma(words: list[str]) -> Evidence:
    """What a PRAGMA does: ``PRAGMA [schema.]name [= value | (value)]``."""
    rest = words[3:] if words[2:3] == ["."] else words[1:]
    name, given = rest[0] if rest else "", rest[1:]
    if not given or name.endswith(_PRAGMA_READS):
        return note(_SOURCE, READ, LOW, "it reads a setting")
    if name in _TUNING or (name not in _OPENING and _SAFE_VALUES.intersection(given)):
        return note(_SOURCE, WRITE, MEDIUM, "it changes a setting")
    return note(_SOURCE, PRIVILEGE, HIGH, "it may switch a safeguard off")


# Objects that hold or show data. To create or alter another kind may let code run, open a way out or change who may do what.
_PLAIN_KINDS = bag(
    "TABLE VIEW INDEX SEQUENCE TYPE DOMAIN SCHEMA DATABASE COLLATION STATISTICS SYNONYM CLUSTER FULLTEXT DIMENSION TAG FORMAT COLUMN KEYSPACE PARTITION"
)
_BEFORE_KIND = bag(
    "OR REPLACE ALTER TEMP TEMPORARY GLOBAL LOCAL UNLOGGED TRANSIENT VOLATILE MATERIALIZED RECURSIVE UNIQUE CLUSTERED NONCLUSTERED BITMAP VIRTUAL SECURE "
    "IF NOT EXISTS PUBLIC EDITIONABLE NONEDITIONABLE FORCE NO ONLINE OFFLINE IGNORE SPATIAL COLUMNSTORE XML PRIMARY SEARCH VECTOR HYBRID DYNAMIC FILE TEXT ICEBERG MULTISET SET BLOCKCHAIN PRIVATE"
)
_TABLE_ACTIONS = bag(
    "ADD ALTER MODIFY CHANGE RENAME SET UNSET VALIDATE CLUSTER ATTACH COMMENT ALGORITHM ENGINE CONVERT ORDER AUTO_INCREMENT CHECK WITH REORGANIZE "
    "REBUILD COALESCE SPLIT MERGE MOVE DEFAULT CHARACTER COLLATE ROW_FORMAT PARTITION CACHE NOCACHE PARALLEL NOPARALLEL LOGGING SHRINK RESET INHERIT COMPRESS ENABLE DISABLE ("
)
_SHOWS = re.compile(
    r"^SP_(?:HELP\w*|COLUMNS|TABLES|WHO2?|SPACEUSED|LOCK|DEPENDS|STORED_PROCEDURES|DESCRIBE_\w+|STATISTICS|PKEYS|FKEYS|DATABASES)$"
)


def unusual(words: list[str]) -> list[Evidence]:
    """CREATE and ALTER of what is no table, view or index, and what ALTER TABLE seldom does (a swap)."""
    rest = words[1:]
    while rest and rest[0] in _BEFORE_KIND:
        rest = rest[1:]
    kind = rest[0] if rest else ""
    if kind not in _PLAIN_KINDS and not (words[0] == "ALTER" and kind == "SESSION"):
        return [note(_SOURCE, CODE, HIGH, "it creates or alters an object that may run code or reach further")]
    if words[0] != "ALTER" or kind != "TABLE":
        return []
    rest = rest[1:]
    while rest and rest[0] in ("IF", "EXISTS", "ONLY"):
        rest = rest[1:]
    rest = rest[1:]
    while len(rest) > 1 and rest[0] == ".":
        rest = rest[2:]
    if rest[:1] == ["*"]:
        rest = rest[1:]
    if rest and rest[0] not in _TABLE_ACTIONS:
        return [note(_SOURCE, DESTRUCTIVE, HIGH, "it does to a table what is seldom done")]
    return []


def asks_catalogue(words: list[str]) -> bool:
    """Whether EXEC's words are one procedure that only shows (``sp_help``) and at most one argument."""
    while len(words) > 2 and words[1] == ".":
        words = words[2:]
    return 0 < len(words) <= 2 and bool(_SHOWS.match(words[0]))
