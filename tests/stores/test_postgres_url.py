"""T18: where a PostgreSQL store may be reached, and that nothing of its password is ever told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postgres_proxy import Authority, Proxy
from postgres_server import Server
from stores.helpers import python
from toolguard.errors import ConfigError, StoreError
from toolguard.stores import open_store
from toolguard.stores._pg_url import parse
from toolguard.stores.postgres import PostgresStore

VERIFIED = "sslmode=verify-full"


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("postgresql://u@127.0.0.1/d", "127.0.0.1", 5432, False),
        ("postgresql://u@[::1]:6000/d", "::1", 6000, False),
        ("postgresql://u@localhost/d?sslmode=disable", "localhost", 5432, False),
        ("postgresql://u@/d?host=/var/run/postgresql", "/var/run/postgresql", 5432, False),
        ("postgresql://u@%2Frun%2Fpg/d", "/run/pg", 5432, False),
        (f"postgresql://u@db.example/d?{VERIFIED}", "db.example", 5432, True),
        (f"postgresql://u@10.0.0.9:6000/d?{VERIFIED}", "10.0.0.9", 6000, True),
        (f"postgresql://u@localhost/d?{VERIFIED}", "localhost", 5432, True),
    ],
)
def test_t18_what_may_be_reached(url: str, host: str, port: int, tls: bool) -> None:
    place = parse(url)
    assert (place.host, place.port, place.user, place.database, place.tls) == (host, port, "u", "d", tls)
    assert bool(place.arguments()["ssl"]) is tls


@pytest.mark.parametrize(
    "host", ["db.example", "10.0.0.9", "192.168.1.1", "[fe80::1]", "0.0.0.0", "localhost.evil.example"]
)
@pytest.mark.parametrize("mode", ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca"])
def test_t18_beyond_this_machine_only_with_verified_tls(host: str, mode: str) -> None:
    with pytest.raises(ConfigError, match="sslmode=verify-full") as refused:
        open_store(f"postgresql://u:sesame@{host}/d{mode}")
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u@127.0.0.1/", "names no dbname"),
        ("postgresql://127.0.0.1/d", "names no user"),
        ("postgresql://u@/d", "names no host"),
        ("postgresql:", "names no host"),
        ("postgresql://u@127.0.0.1:x/d", "cannot be read"),
        ("postgresql://u@127.0.0.1:99999/d", "cannot be read"),
        ("postgresql://u@/d?host=127.0.0.1&port=x", "port .* is no number"),
        ("postgresql://u@127.0.0.1/d?sslmode=verify-full&sslmode=disable", "twice"),
        ("postgresql://u@127.0.0.1/d?host=db.example", "'host' twice"),
        ("postgresql://u@127.0.0.1/d?options=-csearch_path%3Devil", "'options', which is not known"),
        ("postgresql://u@127.0.0.1/d?service=x", "'service', which is not known"),
    ],
)
def test_a_url_that_is_incomplete_or_says_too_much_is_refused(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse(url)


def test_a_missing_certificate_file_is_named_by_its_part_of_the_url() -> None:
    with pytest.raises(ConfigError, match="check sslrootcert"):
        open_store(f"postgresql://u@db.example/d?{VERIFIED}&sslrootcert=/no/such.pem")


def test_the_environment_sends_nobody_elsewhere(database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "PGHOST": "db.example",
        "PGPORT": "1",
        "PGUSER": "someone",
        "PGDATABASE": "another",
        "PGSSLMODE": "require",
        "PGSERVICE": "evil",
        "PGSERVICEFILE": str(tmp_path / "none"),
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    store = PostgresStore(database)
    assert store.heads() == ()
    store.close()


# --- passwords


@pytest.fixture
def guarded(postgres: Server) -> Iterator[str]:
    """A URL, without its password, of a user who needs one."""
    name = postgres.new()
    postgres.execute(f"CREATE ROLE \"{name}\" LOGIN SUPERUSER PASSWORD 'open sesame'")
    yield f"postgresql://{name}@127.0.0.1:{postgres.port}/{name}"
    postgres.drop(name)
    postgres.execute(f'DROP ROLE "{name}"')


def test_a_password_comes_from_the_url_the_environment_or_a_file(
    guarded: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    in_url = guarded.replace("@", ":open%20sesame@", 1)
    store = PostgresStore(in_url)
    assert "sesame" not in repr(store)
    assert "sesame" not in repr(parse(in_url))
    store.close()
    monkeypatch.setenv("PGPASSWORD", "open sesame")
    PostgresStore(guarded).close()
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "passwords"
    file.write_text("*:*:*:*:open sesame\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    PostgresStore(guarded).close()
    monkeypatch.delenv("PGPASSFILE")
    PostgresStore(f"{guarded}?passfile={file}").close()


def test_a_wrong_password_is_not_told_again(guarded: str) -> None:
    with pytest.raises(StoreError, match="did not let this user in") as refused:
        PostgresStore(guarded.replace("@", ":open%20barley@", 1))
    told = str(refused.value) + repr(refused.value.__cause__) + repr(refused.value.__context__ is None)
    assert "barley" not in told


def test_a_database_that_is_not_there_is_named(postgres: Server) -> None:
    with pytest.raises(StoreError, match="create it"):
        PostgresStore(postgres.url("no_such_database"))
    with pytest.raises(StoreError, match="cannot be reached"):
        PostgresStore("postgresql://u@127.0.0.1:1/d")


# --- TLS


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_t18_tls_is_verified_and_used(postgres: Server, tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    name = postgres.new()
    with Proxy.before(postgres, ours.context("localhost", "127.0.0.1")) as proxy:
        url = proxy.url(name, f"?{VERIFIED}&sslrootcert={ours.file}")
        PostgresStore(url).close()
        assert all(len(said) == 8 for said in proxy.clear), "something was said before TLS began"
        with pytest.raises(StoreError, match="certificate does not hold"):
            PostgresStore(proxy.url(name, f"?{VERIFIED}"))  # the system knows nothing of this authority
    other = tmp_path / "other"
    other.mkdir()
    with (
        Proxy.before(postgres, Authority(other).context("127.0.0.1")) as proxy,
        pytest.raises(StoreError, match="certificate does not hold"),
    ):
        PostgresStore(proxy.url(name, f"?{VERIFIED}&sslrootcert={ours.file}"))
    with (
        Proxy.before(postgres, ours.context("db.example")) as proxy,
        pytest.raises(StoreError, match="certificate does not hold"),
    ):
        PostgresStore(proxy.url(name, f"?{VERIFIED}&sslrootcert={ours.file}"))
    postgres.drop(name)


def test_t18_a_server_that_speaks_no_tls_is_not_spoken_to(postgres: Server, tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    with Proxy.before(postgres, None) as proxy, pytest.raises(StoreError, match="cannot be reached"):
        PostgresStore(proxy.url("postgres", f"?{VERIFIED}&sslrootcert={ours.file}"))
    assert all(len(said) == 8 for said in proxy.clear)


# --- the driver


def test_without_the_driver_the_extra_is_named() -> None:
    process = python(
        "import sys; sys.modules['asyncpg'] = None\n"
        "from toolguard.errors import MissingExtraError\n"
        "from toolguard.stores import open_store\n"
        "try: open_store('postgresql://u@127.0.0.1/d')\n"
        "except MissingExtraError as error: print(error)\n"
    )
    said, complaint = process.communicate(timeout=60)
    assert "install toolguard-middleware[postgres]" in said, complaint


def test_the_driver_is_not_loaded_for_other_stores() -> None:
    code = "import sys; from toolguard.stores import open_store; open_store('memory:'); print('asyncpg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
