"""Rules on the syntax tree of SQL: changes inside WITH, conditions that are always true, dangerous functions, bulk reads."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

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
from toolguard.analysis.words import bag, split_words

__all__ = ["walk"]

_SOURCE = "args.sql"


class _Reading(Protocol):
    tables: dict[str, None]
    functions: dict[str, None]
    limit: int


Say = Callable[[Evidence], object]

# Functions by what they reach. Prefixes end in "*".
_FUNCTIONS: tuple[tuple[RiskClass, RiskLevel, str, str], ...] = (
    (
        CODE,
        CRITICAL,
        "runs commands on the server",
        (
            "xp_cmdshell sp_oacreate sp_oamethod sys_exec sys_eval sp_execute_external_script "
            "system shell shell_exec lo_export xp_regwrite xp_regread sp_addextendedproc dbms_scheduler* dbms_java* sp_add_job sp_start_job"
        ),
    ),
    (
        CODE,
        HIGH,
        "runs SQL out of a string",
        (
            "sp_executesql sp_prepare query_to_xml* database_to_xml* table_to_xml cursor_to_xml "
            "dbms_sql* execute_immediate dbms_xmlgen* extractvalue updatexml eval load_extension"
        ),
    ),
    (
        EXFILTRATION,
        HIGH,
        "reads files of the server",
        (
            "pg_read_file pg_read_binary_file pg_ls_dir pg_ls_* pg_stat_file load_file lo_import "
            "readfile openrowset xp_dirtree xp_fileexist bfilename utl_file* read_text read_blob read_csv* read_parquet read_json* "
            "file infile s3 url hdfs gcs azureblobstorage remote remotesecure mysql postgresql mongodb sqlite_scan iceberg_scan delta_scan"
        ),
    ),
    (
        EXFILTRATION,
        HIGH,
        "reaches another system",
        (
            "dblink* opendatasource openquery utl_http* utl_smtp* utl_tcp* utl_inaddr* httpuritype http_get http_post "
            "http_request* net_http* dbms_ldap* xp_sendmail sp_send_dbmail aws_s3* aws_lambda* external_query pg_send* http urlfetch writefile"
        ),
    ),
    (
        DESTRUCTIVE,
        HIGH,
        "disturbs the server or other sessions",
        (
            "pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_switch_wal "
            "pg_promote pg_drop_replication_slot pg_create_restore_point sleep pg_sleep* benchmark dbms_lock* waitfor pg_advisory_lock* get_lock "
            "setval lo_unlink pg_stat_reset* pg_wal_replay_pause pg_logical_slot_get_changes"
        ),
    ),
    (
        PRIVILEGE,
        HIGH,
        "changes settings or identity",
        (
            "set_config sp_configure sp_addrolemember sp_addsrvrolemember sp_addlogin sp_password "
            "pg_catalog.set_config dbms_privilege_capture* setuser"
        ),
    ),
    (
        WRITE,
        MEDIUM,
        "changes a sequence or an object",
        "nextval lo_create lo_put lowrite lo_from_bytea pg_notify",
    ),
)
_SEEN: dict[str, tuple[RiskClass, RiskLevel, str]] = {}
_PREFIXES: list[tuple[str, tuple[RiskClass, RiskLevel, str]]] = []
for _c, _l, _t, _names in _FUNCTIONS:
    for _n in _names.split():
        if _n.endswith("*"):
            _PREFIXES.append((_n[:-1], (_c, _l, _t)))
        else:
            _SEEN[_n] = (_c, _l, _t)

# Tables whose rows speak of people. Matched by word, singular or plural.
_PEOPLE = bag(
    "patient person people client customer cust usr emp acct user member employee staff encounter visit admission observation lab labs diagnosis "
    "diagnoses condition medication prescription allergy allergies claim procedure immunization appointment note notes document "
    "report result chart record demographic insurance coverage account contact address ssn phi pii health clinical medical "
    "guarantor beneficiary subscriber provider practitioner credential password secret token payment card"
)
_SECRET_TABLES = re.compile(
    r"^(?:pg_shadow|pg_authid|pg_user_mapping\w*|user_password\w*|sys\.sql_logins|syslogins|dba_users|mysql\.user)$",
    re.IGNORECASE,
)


def walk(tree: Any, reading: _Reading, say: Say) -> None:
    """Add what ``tree`` (one statement) shows to ``reading`` and to the evidence."""
    from sqlglot import exp  # loaded already: whoever has a tree has the parser

    for node in tree.walk():
        if isinstance(node, exp.Table):
            _table(node, reading, say)
        elif isinstance(node, exp.Delete | exp.Update):
            if isinstance(node.parent, exp.When):
                continue  # a branch of MERGE: its rows are picked by the join
            _change(node, exp, say)
        elif isinstance(node, exp.Insert | exp.Merge):
            say(note(_SOURCE, WRITE, MEDIUM, "it writes rows"))
        elif isinstance(node, exp.Drop):
            say(note(_SOURCE, DESTRUCTIVE, HIGH, "it drops a database object"))
        elif isinstance(node, exp.TruncateTable):
            say(note(_SOURCE, DESTRUCTIVE, CRITICAL, "it empties a table"))
        elif isinstance(node, exp.Into):
            say(note(_SOURCE, WRITE, MEDIUM, "it writes its result into a table or variable"))
        elif isinstance(node, exp.Func):
            _function(node, exp, reading, say)
        elif isinstance(node, exp.Limit | exp.Fetch):
            _limit(node, exp, reading)
        elif isinstance(node, exp.Command) and node is not tree:
            say(note(_SOURCE, CODE, HIGH, "a part of it could not be read"))
    _bulk(tree, exp, say)


def _table(node: Any, reading: _Reading, say: Say) -> None:
    name = ".".join(part.name for part in node.parts if hasattr(part, "name"))
    if name:
        reading.tables[name.lower()] = None
        if _SECRET_TABLES.match(name) or _SECRET_TABLES.match(node.name or ""):
            say(note(_SOURCE, PRIVILEGE, HIGH, "it reads where the database keeps its passwords"))


def _function(node: Any, exp: Any, reading: _Reading, say: Say) -> None:
    name = (node.name if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) else node.sql_name()).lower()
    parent = node.parent
    if isinstance(parent, exp.Dot):
        name = f"{parent.this.sql()}.{name}".lower().replace('"', "").replace("`", "")
    reading.functions[name] = None
    for candidate in (name, name.rpartition(".")[2], name.partition(".")[0]):
        known = _SEEN.get(candidate) or next((what for prefix, what in _PREFIXES if candidate.startswith(prefix)), None)
        if known:
            say(note(_SOURCE, known[0], known[1], f"a function in it {known[2]}"))
            return


def _limit(node: Any, exp: Any, reading: _Reading) -> None:
    count = node.args.get("expression") or node.args.get("count")
    if isinstance(count, exp.Literal) and not count.is_string and str(count.this).isdigit():
        reading.limit = max(reading.limit, int(count.this))


def _change(node: Any, exp: Any, say: Say) -> None:
    word = "deletes" if isinstance(node, exp.Delete) else "changes"
    where = node.args.get("where")
    if where is None:
        say(note(_SOURCE, DESTRUCTIVE, CRITICAL, f"it {word} every row: there is no condition"))
    elif _always(where.this, exp) or _every_own(node, where.this, exp):
        say(note(_SOURCE, DESTRUCTIVE, CRITICAL, f"it {word} every row: the condition is always true"))
    elif not _selective(where.this, exp):
        say(note(_SOURCE, DESTRUCTIVE, HIGH, f"it {word} many rows: the condition hardly narrows them"))
    else:
        say(note(_SOURCE, WRITE, MEDIUM, f"it {word} the rows a condition picks"))


def _always(node: Any, exp: Any) -> bool:
    """Whether a condition holds for every row, as far as it can be seen without the data."""
    node = node.unnest() if hasattr(node, "unnest") else node
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        return str(node.this).strip() not in ("0", "", "f", "false")
    if isinstance(node, exp.Or):
        return _always(node.left, exp) or _always(node.right, exp)
    if isinstance(node, exp.And):
        return _always(node.left, exp) and _always(node.right, exp)
    if isinstance(node, exp.Not):
        inner = node.this.unnest() if hasattr(node.this, "unnest") else node.this
        return _never(inner, exp)
    if isinstance(node, exp.EQ | exp.GTE | exp.LTE | exp.NullSafeEQ | exp.Is) and node.left == node.right:
        return True
    compares = isinstance(
        node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Like | exp.In | exp.Between
    )
    if compares and node.find(exp.Column, exp.Anonymous, exp.Subquery, exp.Select) is None:
        return True
    if isinstance(node, exp.Like | exp.ILike):
        pattern = node.expression
        return isinstance(pattern, exp.Literal) and not str(pattern.this).strip("%")
    if (
        isinstance(node, exp.Func)
        and node.find(exp.Column, exp.Placeholder, exp.Parameter, exp.Select, exp.Anonymous) is None
    ):
        return True  # what it says hangs on no row
    if isinstance(node, exp.Exists):
        inner = node.find(exp.Select)
        return inner is not None and inner.args.get("where") is None
    return False


def _every_own(change: Any, node: Any, exp: Any) -> bool:
    """``DELETE FROM t WHERE id IN (SELECT id FROM t)``: the condition picks what the table itself holds, all of it."""
    node = node.unnest() if hasattr(node, "unnest") else node
    query = node.args.get("query") if isinstance(node, exp.In) else None
    inner = query.find(exp.Select) if query is not None else None
    if inner is None or any(inner.args.get(key) for key in ("where", "limit", "joins", "having", "group")):
        return False
    tables = list(inner.find_all(exp.Table))
    return len(tables) == 1 and tables[0].name.lower() == getattr(change.this, "name", "").lower()


def _never(node: Any, exp: Any) -> bool:
    if isinstance(node, exp.Boolean):
        return not node.this
    if isinstance(node, exp.Literal):
        return str(node.this) in ("0", "")
    return isinstance(node, exp.EQ | exp.GT | exp.LT) and not list(node.find_all(exp.Column))


def _selective(node: Any, exp: Any) -> bool:
    """Whether some part of a condition picks rows by value rather than by exclusion."""
    node = node.unnest() if hasattr(node, "unnest") else node
    if isinstance(node, exp.Or):
        return _selective(node.left, exp) and _selective(node.right, exp)
    if isinstance(node, exp.And):
        return _selective(node.left, exp) or _selective(node.right, exp)
    if isinstance(node, exp.NEQ | exp.Not):
        return False
    if isinstance(node, exp.GT | exp.GTE):
        right = node.expression
        return not (isinstance(right, exp.Literal | exp.Neg) and _number(right) <= 0)
    if isinstance(node, exp.Is):
        return not (node.args.get("negate") or node.find(exp.Not))
    if isinstance(node, exp.Like | exp.ILike):
        pattern = node.expression
        return not (isinstance(pattern, exp.Literal) and len(str(pattern.this).strip("%_")) < 2)
    return True


def _number(node: Any) -> float:
    try:
        return -float(node.this.this) if node.key == "neg" else float(node.this)
    except (ValueError, TypeError, AttributeError):
        return 1.0


def _bulk(tree: Any, exp: Any, say: Say) -> None:
    """A SELECT of whole rows without a condition or a limit takes the table away with it."""
    with_names = {c.alias.lower() for c in tree.find_all(exp.CTE)}
    for select in tree.find_all(exp.Select):
        source = select.args.get("from_") or select.args.get("from")
        where = select.args.get("where")
        if source is None or (where is not None and not _always(where.this, exp)):
            continue
        if any(parent.args.get("limit") or parent.args.get("fetch") for parent in _around(select)):
            continue
        star = any(isinstance(e.this if isinstance(e, exp.Column) else e, exp.Star) for e in select.expressions)
        if not star and (select.args.get("group") or any(e.find(exp.AggFunc) for e in select.expressions)):
            continue  # figures, not rows
        for table in source.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier) or table.name.lower() in with_names:
                continue
            if _about_people(table.name):
                every = "every column and row" if star else "every row"
                say(note(_SOURCE, EXFILTRATION, HIGH if star else MEDIUM, f"it reads {every} of a table about people"))
            elif star:
                say(note(_SOURCE, READ, LOW, "it reads every column and row of a table"))


def _about_people(table: str) -> bool:
    words = split_words(table)
    return not _PEOPLE.isdisjoint(words) or not _PEOPLE.isdisjoint(w.removesuffix("s") for w in words)


def _around(node: Any) -> list[Any]:
    chain = [node]
    while node.parent is not None:
        node = node.parent
        chain.append(node)
    return chain
