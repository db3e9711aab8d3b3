"""Clients of databases and key-value stores: what they are told to run."""

from __future__ import annotations

from collections.abc import Iterator

from toolguard._core.risk import Evidence
from toolguard.analysis.notes import (
    CODE,
    CRITICAL,
    DESTRUCTIVE,
    EXFILTRATION,
    HIGH,
    LOW,
    MEDIUM,
    READ,
    WRITE,
)
from toolguard.analysis.shell_args import Args
from toolguard.analysis.shell_parse import Command
from toolguard.analysis.shell_rules import only_looks, say
from toolguard.analysis.words import bag

__all__ = ["mongo", "redis", "sql_client"]

_DOT_LOOKS = bag(
    ".tables .schema .databases .help .indexes .indices .mode .headers .show .version .timer .width .dbinfo .fullschema"
)
_DOT_WRITES = bag(".output .once .dump .backup .save .export .log")


def _dot_command(name: str) -> Evidence:
    """A command of the sqlite or duckdb client itself."""
    if name in _DOT_LOOKS:
        return only_looks()
    if name in _DOT_WRITES:
        return say(WRITE, MEDIUM, "it writes a file")
    return say(CODE, HIGH, "it loads, restores or runs something through the client")


def sql_client(args: Args, command: Command) -> Iterator[Evidence]:
    from toolguard.analysis.sql import sql_evidence

    text = args.value_of(("-c", "--command", "-e", "--execute", "-Q", "-q", "--query", "-cmd", "--sql"))
    if text is None and args.program.startswith(("sqlite", "duckdb")) and len(args.positional) > 1:
        text = args.positional[1]
    if (
        args.program == "dropdb"
        or args.program == "dropuser"
        or (
            args.program.startswith("mysqladmin")
            and any(w.text in ("drop", "shutdown", "kill", "flush-hosts", "password") for w in args.positional)
        )
    ):
        yield say(DESTRUCTIVE, CRITICAL, "it drops a database or user")
    elif args.program in ("pg_dump", "pg_dumpall", "mysqldump", "mongodump", "mongoexport", "mariadb-dump", "sqldump"):
        yield say(EXFILTRATION, MEDIUM, "it copies a database out")
        if args.has("-c", "--clean", "--add-drop-database"):
            yield say(DESTRUCTIVE, HIGH, "what it writes drops the database when it is restored")
    elif args.program in ("pg_restore", "mongorestore", "mysqlimport", "mongoimport"):
        clean = args.has("-c", "--clean", "--drop", "--delete", "-C", "--create")
        yield say(DESTRUCTIVE if clean else WRITE, HIGH if clean else MEDIUM, "it loads a database")
    elif text is not None:
        if text.text.startswith("."):
            yield _dot_command(text.text.split()[0].lower())
        elif text.text.startswith("\\"):
            risky = text.text.startswith(("\\!", "\\copy", "\\o", "\\w", "\\g"))
            yield say(CODE if risky else READ, HIGH if risky else LOW, "it gives a command to the client")
        elif text.dynamic and not any(c.isspace() for c in text.text.strip()):
            yield say(CODE, HIGH, "it runs SQL that is only known when it runs")
        else:
            yield from sql_evidence(text.text)
    elif command.stdin is not None and not command.stdin_dynamic:
        yield from sql_evidence(command.stdin)
    elif command.piped_in or args.has("-f", "--file") or any(r.op.startswith("<") for r in command.redirects):
        yield say(CODE, HIGH, "it runs SQL that stands elsewhere")
    elif args.has("-l", "--list", "--version", "--help"):
        yield only_looks()
    else:
        yield say(CODE, MEDIUM, "it opens a database console")


_REDIS_ENDS = bag(
    "flushall flushdb shutdown del unlink debug config rename migrate slaveof replicaof swapdb restore script function eval evalsha bgrewriteaof expire expireat ltrim spop lpop rpop zremrangebyrank xtrim cluster failover acl module client hdel srem zrem lrem getdel reset"
)
_REDIS_CRITICAL = frozenset(("flushall", "flushdb", "shutdown"))
_REDIS_LOOKS = bag("get list info help cat whoami kill_ id getname count")


def redis(args: Args, _: Command) -> Iterator[Evidence]:
    names = args.subcommands
    hit = next((n for n in names if n in _REDIS_ENDS), None)
    if hit is None:
        yield say(WRITE, MEDIUM, "it gives commands to a key-value store")
    elif hit in ("config", "acl", "client", "module", "script", "function", "cluster", "debug") and (
        set(names[names.index(hit) + 1 :]) & _REDIS_LOOKS
    ):
        yield only_looks()
    else:
        yield say(DESTRUCTIVE, CRITICAL if hit in _REDIS_CRITICAL else HIGH, "it deletes keys or changes the store")


def mongo(args: Args, command: Command) -> Iterator[Evidence]:
    from toolguard.analysis.code import code_evidence

    text = args.value_of(("--eval", "-e"))
    given = text.text if text is not None else command.stdin
    if given:
        yield from code_evidence(given, "mongosh")
    else:
        yield say(CODE, MEDIUM, "it opens a database console")
