"""What docs/postgresql.md shows works as it is shown."""

from __future__ import annotations

import re
from pathlib import Path

from postgres_server import Server, by_hand
from toolguard.stores._pg_url import parse
from toolguard.stores.postgres import PostgresStore
from toolguard.stores.schema import roles_sql

PAGE = (Path(__file__).parents[2] / "docs" / "postgresql.md").read_text("utf-8")


def test_the_logins_shown_can_be_made_and_do_their_part(postgres: Server, database: str) -> None:
    name = database.partition("@/")[2].partition("?")[0]
    PostgresStore(database).close()
    by_hand(database, roles_sql())
    sql = "".join(re.findall(r"^```sql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    logins = re.findall(r"CREATE ROLE (\w+) LOGIN .* IN ROLE (\w+)", sql)
    assert [role.removeprefix("toolguard_") for _, role in logins] == ["guard", "service", "auditor", "keeper"]
    by_hand(database, sql)
    try:
        for login, _ in logins:
            store = PostgresStore(postgres.url(name, login))
            assert store.heads() == ()
            store.close()
    finally:
        postgres.drop(name)
        for login, _ in logins:
            postgres.execute(f"DROP ROLE {login}")


def test_the_url_shown_can_be_read() -> None:
    (url,) = re.findall(r'^url = "(.*)"', PAGE, re.MULTILINE)
    place = parse(url)
    assert (place.host, place.database, place.tls) == ("db.hospital.example", "approvals", True)


def test_every_part_of_a_url_is_explained() -> None:
    from toolguard.stores._pg_url import _KNOWN

    assert set(re.findall(r"\w+", PAGE)) | {"dbname"} >= _KNOWN
