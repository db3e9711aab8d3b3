"""Database users on demand, in a real PostgreSQL: one for each call, gone with it."""

import asyncio
import threading
import time

import asyncpg
import pytest

import toolguard
from credentials.conftest import LOADED, Issuer
from postgres_server import by_hand
from toolguard import CredentialError
from toolguard.credentials.postgres import PREFIX, PostgresRoles, scram
from toolguard.errors import ConfigError, ToolFailedError
from toolguard.ports import CredentialUse

USE = CredentialUse(call="c", tool="t", tenant="general", agent="a", until=time.time() + 300, seconds=300.0)
ROLE, ISSUER = "tg_test_reader", "tg_test_issuer"
ISSUER_PASSWORD = "issuer-password-not-for-tools"


@pytest.fixture
def ehr(postgres, database):
    """A database with a table, a role that may read it, and an issuer who may give out that role and no more."""
    postgres.execute(f"DROP ROLE IF EXISTS {ISSUER}; DROP ROLE IF EXISTS {ROLE};")
    by_hand(
        database,
        f"""CREATE TABLE patients (mrn text); INSERT INTO patients VALUES ('4711');
            CREATE ROLE {ROLE} NOLOGIN; GRANT USAGE, CREATE ON SCHEMA public TO {ROLE};
            GRANT SELECT ON patients TO {ROLE};
            CREATE ROLE {ISSUER} LOGIN CREATEROLE PASSWORD '{ISSUER_PASSWORD}';
            GRANT {ROLE} TO {ISSUER} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE;""",
    )
    yield database
    for (name,) in postgres.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", PREFIX):
        by_hand(database, f'DROP OWNED BY "{name}" CASCADE; DROP ROLE "{name}";')
    by_hand(
        database, f"DROP OWNED BY {ROLE} CASCADE; DROP OWNED BY {ISSUER} CASCADE; DROP ROLE {ISSUER}; DROP ROLE {ROLE};"
    )


@pytest.fixture
def url(ehr, postgres, tmp_path):
    """The configuration's line: over TCP with the issuer's password, as from another place."""
    file = tmp_path / "issuer"
    file.write_text(ISSUER_PASSWORD)
    file.chmod(0o600)
    name = ehr.partition("/t_")[2].partition("?")[0]
    return f"postgresql://{ISSUER}@127.0.0.1:{postgres.port}/t_{name}?grant={ROLE}&password=file:{file}"


@pytest.fixture
def roles(url):
    roles = PostgresRoles.from_url("ehr", url)
    yield roles
    roles.close()


@pytest.fixture
def users(postgres):
    def read():
        return [r[0] for r in postgres.execute("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", PREFIX)]

    return read


def ask(url: str, sql: str, *values):
    async def go():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return [tuple(row) for row in await connection.fetch(sql, *values)]
        finally:
            await connection.close()

    return asyncio.run(go())


def test_a_call_reads_as_a_user_of_its_own_that_is_gone_afterwards(desk, ana, drive, url, users, kinds):
    guard = desk.guard(LOADED, credentials={"ehr_token": url, "lab_token": Issuer()})
    seen = []

    def read_ehr(ward: str) -> list[str]:
        place = toolguard.credential("ehr_token").reveal()
        found = []

        def look():  # in a thread: a plain tool may run on an event loop, where `ask` cannot
            found.extend(ask(place, "SELECT mrn FROM patients"))
            seen.append((place, users()))

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return [found[0][0], place]

    with guard.session(caller=ana) as session:
        assert drive(session, "call", read_ehr, {"ward": "4B"}) == ["4711", "[credential]"]
    ((place, live),) = seen
    assert len(live) == 1
    assert live[0] in place
    assert users() == []
    with pytest.raises(asyncpg.InvalidPasswordError):
        ask(place, "SELECT 1")
    assert kinds() == [("released", "ehr_token", "postgresql", ""), ("revoked", "ehr_token", "postgresql", "")]
    guard.close()


def test_the_user_may_do_what_was_granted_and_no_more(roles):
    lease = roles.acquire("ehr", USE)
    assert ask(lease.value, "SELECT mrn FROM patients") == [("4711",)]
    for beyond in (
        "DELETE FROM patients",
        f'CREATE ROLE "{PREFIX}x"',
        f"GRANT {ROLE} TO CURRENT_USER",
        "SET ROLE postgres",
        f"SET ROLE {ISSUER}",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            ask(lease.value, beyond)
    lease.release()


def test_the_issuer_itself_reads_nothing(roles, postgres, url):
    head, _, tail = url.partition("@")
    place = f"{head}:{ISSUER_PASSWORD}@{tail.partition('?')[0]}"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        ask(place, "SELECT mrn FROM patients")


def test_its_time_is_bounded_by_the_call_and_by_the_configuration(roles, postgres):
    for seconds, most in ((300.0, 300), (20.0, 20)):
        lease = roles.acquire(
            "ehr", CredentialUse(**{f: getattr(USE, f) for f in USE.__slots__} | {"seconds": seconds})
        )
        ((until,),) = postgres.execute(
            "SELECT extract(epoch FROM rolvaliduntil)::float8 FROM pg_roles WHERE starts_with(rolname, $1)", PREFIX
        )
        assert until == pytest.approx(lease.expires, abs=0.01)
        assert most - 5 < until - time.time() <= most + 5
        lease.release()


def test_open_connections_are_cut_when_the_call_ends(roles, users):
    lease = roles.acquire("ehr", USE)

    async def go():
        connection = await asyncpg.connect(lease.value, timeout=10)
        transaction = connection.transaction()
        await transaction.start()
        assert await connection.fetchval("SELECT count(*) FROM patients") == 1
        await asyncio.to_thread(lease.release)
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
            await connection.fetchval("SELECT count(*) FROM patients")

    asyncio.run(go())
    assert users() == []


def test_what_the_user_made_does_not_keep_it_alive(roles, users, ehr):
    lease = roles.acquire("ehr", USE)
    ask(lease.value, "CREATE TABLE left_behind (n int)")
    lease.release()
    assert users() == []
    assert by_hand(ehr, "SELECT tableowner FROM pg_tables WHERE tablename = $1", "left_behind")[0][0] == ISSUER


def test_no_more_connections_than_allowed(url):
    roles = PostgresRoles.from_url("ehr", url + "&connections=1")
    lease = roles.acquire("ehr", USE)

    async def go():
        first = await asyncpg.connect(lease.value, timeout=10)
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await asyncpg.connect(lease.value, timeout=10)
        await first.close()

    asyncio.run(go())
    lease.release()


def test_the_password_stands_in_no_statement(roles, postgres):
    """What the server logs and shows of statements holds the verifier, never the password."""
    before = (postgres.folder / "log").stat().st_size
    postgres.execute("ALTER SYSTEM SET log_statement = 'all'")
    postgres.execute("SELECT pg_reload_conf()")
    try:
        time.sleep(0.2)
        lease = roles.acquire("ehr", USE)
        lease.release()
    finally:
        postgres.execute("ALTER SYSTEM RESET log_statement")
        postgres.execute("SELECT pg_reload_conf()")
    logged = (postgres.folder / "log").read_bytes()[before:].decode()
    assert "SCRAM-SHA-256$4096" in logged
    assert lease.parts[0] not in logged


def test_what_a_crash_left_behind_is_swept(roles, users, postgres):
    lost = [roles.acquire("ehr", USE) for _ in range(3)]
    first, *_ = users()
    postgres.execute(f"ALTER ROLE \"{first}\" VALID UNTIL '2020-01-01'")
    assert roles.sweep() == 1
    assert first not in users()
    assert len(users()) == 2  # the others still have their time
    gone = [lease for lease in lost if first in lease.value]
    with pytest.raises(CredentialError, match="UndefinedObjectError"):
        gone[0].release()
    for lease in lost:
        if lease is not gone[0]:
            lease.release()
    assert users() == []


def test_a_new_guard_sweeps_before_it_makes_its_first_user(roles, url, users, postgres):
    roles.acquire("ehr", USE)
    (left,) = users()
    postgres.execute(f"ALTER ROLE \"{left}\" VALID UNTIL '2020-01-01'")
    other = PostgresRoles.from_url("ehr", url)
    lease = other.acquire("ehr", USE)
    assert left not in users()
    lease.release()


def test_closing_drops_what_was_never_given_back(roles, users):
    roles.acquire("ehr", USE)
    roles.close()
    assert users() == []


def test_parallel_calls_have_users_of_their_own(roles, users):
    leases = []

    def one():
        leases.append(roles.acquire("ehr", USE))

    threads = [threading.Thread(target=one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({lease.value for lease in leases}) == len(users()) == 6
    for lease in leases:
        lease.release()
    assert users() == []


def test_a_tool_on_the_event_loop_may_ask_directly(desk, ana, url, users):
    guard = desk.guard(LOADED, credentials={"ehr_token": url, "lab_token": Issuer()})

    async def read_ehr(ward: str) -> str:
        for place in (toolguard.credential("ehr_token"), await toolguard.acredential("ehr_token")):
            connection = await asyncpg.connect(place.reveal(), timeout=10)
            found = await connection.fetchval("SELECT mrn FROM patients")
            await connection.close()
        return found

    async def run():
        with guard.session(caller=ana) as session:
            return await asyncio.gather(*(session.acall(read_ehr, {"ward": str(n)}) for n in range(3)))

    assert asyncio.run(run()) == ["4711"] * 3
    assert users() == []


def test_a_database_that_is_down_gives_the_tool_nothing_and_says_little(desk, ana, url, kinds, postgres):
    dead = url.replace(f":{postgres.port}/", ":1/")
    guard = desk.guard(LOADED, credentials={"ehr_token": dead, "lab_token": Issuer()})

    def read_ehr(ward: str) -> str:
        return toolguard.credential("ehr_token").reveal()

    with guard.session(caller=ana) as session, pytest.raises(ToolFailedError) as failed:
        session.call(read_ehr, {"ward": "4B"})
    assert "refused or cannot be reached" in str(failed.value.original)
    assert ISSUER_PASSWORD not in str(failed.value.original)
    assert kinds() == [("refused", "ehr_token", "postgresql", "provider_failed")]


def test_an_issuer_that_may_not_give_the_role_is_refused(url):
    roles = PostgresRoles.from_url("ehr", url.replace(f"grant={ROLE}", "grant=pg_read_all_data"))
    with pytest.raises(CredentialError, match="InsufficientPrivilegeError 42501"):
        roles.acquire("ehr", USE)
    with pytest.raises(CredentialError, match="UndefinedObjectError"):
        PostgresRoles.from_url("ehr", url.replace(f"grant={ROLE}", "grant=nobody_here")).acquire("ehr", USE)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:hunter2hunter2@localhost/db?grant=r", "holds a password"),
        ("postgresql://u@localhost/db", "add grant=ROLE"),
        ("postgresql://u@localhost/db?grant=r&ttl=0", "ttl is 1 to 86400"),
        ("postgresql://u@localhost/db?grant=r&ttl=soon", "ttl is 1 to 86400"),
        ("postgresql://u@localhost/db?grant=r&connections=0", "connections 1 to 1000"),
        ("postgresql://u@localhost/db?grant=r&password=hunter2hunter2", "is not said as password=file"),
        ("postgresql://u@db.example/db?grant=r", "clear text beyond this machine"),
        ("postgresql://u@db.example/db?grant=r&sslmode=require", "does not verify"),
        ("postgresql:///db?grant=r", "the URL of credential 'ehr' names no host"),
        ("postgresql://u@localhost/db?grant=r&colour=red", "'colour'"),
    ],
)
def test_a_url_that_says_too_little_or_too_much_is_refused_and_not_repeated(url, says):
    with pytest.raises(ConfigError, match=says) as refused:
        PostgresRoles.from_url("ehr", url)
    assert "hunter2" not in str(refused.value)


def test_the_verifier_is_the_one_of_rfc_7677():
    """The example of RFC 7677: password "pencil", this salt, 4096 rounds."""
    import base64

    told = scram("pencil", salt=base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    assert told == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
