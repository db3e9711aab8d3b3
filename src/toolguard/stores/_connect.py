"""Opening a SQLite file safely, and saying in plain words what is wrong with one."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolguard.errors import ConflictError, StoreError
from toolguard.stores import _log, _sql
from toolguard.stores._schema import Schema

__all__ = ["connect", "fault", "look", "prepare", "time_of", "translated"]

_ADVICE = {
    "SQLITE_BUSY": "another process holds it locked; end that process or try again",
    "SQLITE_LOCKED": "another connection holds it locked; try again",
    "SQLITE_FULL": "the disk or the file's size limit is full; free space and try again",
    "SQLITE_READONLY": "it is read-only here; check the owner and mode of the file and its directory",
    "SQLITE_CANTOPEN": "the file cannot be opened; check that its directory exists and may be written",
    "SQLITE_PERM": "access was refused; check the owner and mode of the file",
    "SQLITE_IOERR": "the disk failed to read or write; check the disk",
    "SQLITE_CORRUPT": "the file is damaged; keep a copy and restore a backup",
    "SQLITE_AUTH": "it holds a trigger or view that is not ours, so it was edited; see the audit trail",
    "SQLITE_NOTADB": "the file is no SQLite database; check the path",
}


def fault(error: sqlite3.Error, path: str) -> StoreError:
    """The error for what SQLite reports. Its own text is left out: it may quote what was stored."""
    name = getattr(error, "sqlite_errorname", None) or type(error).__name__
    for prefix, advice in _ADVICE.items():
        if name.startswith(prefix):
            return StoreError(f"the store {path!r} failed ({name}): {advice}; nothing was written")
    if isinstance(error, sqlite3.IntegrityError):
        return ConflictError(f"the store {path!r} refused a row that is already there ({name}); nothing was written")
    if isinstance(error, sqlite3.ProgrammingError):
        return StoreError(f"the store {path!r} is closed; open it again")
    return StoreError(f"the store {path!r} failed ({name}); nothing was written")


def place_of(path: str) -> tuple[int, int]:
    """Which file ``path`` names: (device, inode). Raises StoreError where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in every commit, and a Path takes three times as long
    except OSError:
        raise _moved(path) from None
    return status.st_dev, status.st_ino


def check_place(path: str, opened: tuple[int, int]) -> None:
    """Raises StoreError unless ``path`` still names the file that was opened.

    Whoever goes on writing to a file that was moved away claims calls that others, on a new file, claim as well.
    """
    if place_of(path) != opened:
        raise _moved(path)


def _moved(path: str) -> StoreError:
    return StoreError(
        f"the store {path!r} was moved, removed or replaced while it was open; nothing was written; "
        "find out by whom, then start this process again"
    )


@contextmanager
def translated(path: str) -> Iterator[None]:
    """SQLite's errors inside become StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise fault(error, path) from None


def connect(path: str, *, busy_timeout: float, read_only: bool = False) -> sqlite3.Connection:
    """A connection for one thread at a time, in autocommit: transactions are begun by hand."""
    if read_only:
        try:
            there = Path(path).is_file()
        except OSError:  # a folder on the way may not be searched
            there = False
        if not there:
            raise StoreError(
                f"there is no store at {path!r} that may be read; the first guard or 'toolguard serve' makes it, else check the path and the folder's mode"
            )
        return _read_only(path, busy_timeout)
    _create(path)
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        _wal(connection, busy_timeout)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only unlinked
        connection.set_authorizer(_ours_alone)
    except BaseException:
        connection.close()
        raise
    return connection


def _ours_alone(action: int, one: str | None, two: str | None, database: str | None, within: str | None) -> int:
    """Statements do what they say: nothing a trigger or view in the file adds to them is carried out."""
    return sqlite3.SQLITE_OK if within is None else sqlite3.SQLITE_DENY


def _create(path: str) -> None:
    """A new file is the owner's alone (0600); SQLite gives its -wal and -shm files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_CLOEXEC", 0), 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(
            f"the store {path!r} cannot be made ({type(error).__name__}); "
            "check that its directory exists and may be written"
        ) from None


def _read_only(path: str, busy_timeout: float) -> sqlite3.Connection:
    """Read-only; where not even SQLite's shared index can be made beside the file, as an unchanging file."""
    uri = Path(path).absolute().as_uri()
    modes = ["?mode=ro"] if Path(path + "-wal").exists() else ["?mode=ro", "?mode=ro&immutable=1"]
    for mode in modes:
        connection = sqlite3.connect(
            uri + mode, uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if mode == modes[-1] or getattr(error, "sqlite_errorname", "").startswith("SQLITE_NOTADB"):
                raise
            continue
        return connection
    raise AssertionError("unreachable")


def _wal(connection: sqlite3.Connection, busy_timeout: float) -> None:
    """Write-ahead logging. Two processes may switch at once, where SQLite does not wait by itself."""
    until = time.monotonic() + busy_timeout
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= until:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise StoreError("this file system cannot share a store between processes (no write-ahead log); move it")
        return


def prepare(connection: sqlite3.Connection, path: str, *, read_only: bool = False) -> str:
    """Bring the schema up to date and give the store's epoch.

    Raises:
        StoreError: the file is another application's, or was written by a newer version.
    """
    if not read_only and _version(connection, path) < len(_sql.MIGRATIONS):
        connection.execute("BEGIN IMMEDIATE")
        try:
            _migrate(connection, _version(connection, path))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    version = _version(connection, path)
    if read_only and version == 0:
        raise StoreError(f"there is no toolguard store in {path!r}; check the path")
    if version < len(_sql.MIGRATIONS):
        raise StoreError(
            f"the store {path!r} has schema {version} and this version needs {len(_sql.MIGRATIONS)}; "
            "run 'toolguard store migrate'"
        )
    return _epoch(connection, path)


def look(path: str) -> Schema:
    """What schema a file has; it is only read.

    Raises:
        StoreError: see `prepare`.
    """
    with translated(path):
        connection = connect(path, busy_timeout=5.0, read_only=True)
        try:
            version = _version(connection, path)
            epoch = _epoch(connection, path) if version else ""
        finally:
            connection.close()
    return Schema(version=version, latest=len(_sql.MIGRATIONS), epoch=epoch, facts=(("kind", "SQLite"),))


def _epoch(connection: sqlite3.Connection, path: str) -> str:
    row = connection.execute(_sql.META, ("epoch",)).fetchone()
    if row is None:
        raise StoreError(f"the store {path!r} has lost its identity; restore a backup")
    return str(row[0])


def time_of(connection: sqlite3.Connection) -> float:
    """The latest time on disk, UTC seconds."""
    row = connection.execute(_sql.TIME).fetchone()
    if row is None or not isinstance(row[0], float | int) or not math.isfinite(row[0]):
        raise StoreError("the store has lost its time: it was edited; restore a backup")
    return float(row[0])


def _version(connection: sqlite3.Connection, path: str) -> int:
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    if application != _sql.APPLICATION_ID or "meta" not in tables:
        raise StoreError(f"{path!r} is another application's database; give the store a file of its own")
    row = connection.execute(_sql.META, ("schema_version",)).fetchone()
    version = int(row[0]) if row is not None else 0
    if version > len(_sql.MIGRATIONS):
        raise StoreError(
            f"the store {path!r} was written by a newer toolguard (schema {version}, this one knows "
            f"{len(_sql.MIGRATIONS)}); upgrade toolguard-middleware"
        )
    return version


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    for number, script in enumerate(_sql.MIGRATIONS[version:], start=version + 1):
        for statement in script.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', ?)", (number,))
    if version == 0:
        connection.execute(f"PRAGMA application_id = {_sql.APPLICATION_ID}")
        connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (_log.new_id(),))
