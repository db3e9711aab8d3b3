"""A database with the roles of ``toolguard store roles``, and a login role for each kind of process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from postgres_server import Server
from toolguard.stores.postgres import PostgresStore
from toolguard.stores.schema import roles_sql


@dataclass(frozen=True)
class Place:
    """``url('north_guard')`` logs in as the guard of tenant north; ``sql`` runs SQL as anyone."""

    server: Server
    database: str

    def url(self, who: str) -> str:
        return self.server.url(self.database, self.login(who))

    def login(self, who: str) -> str:
        return f"{self.database}_{who}"

    def store(self, who: str) -> PostgresStore:
        return PostgresStore(self.url(who))

    def sql(self, who: str, sql: str) -> list[object]:
        return self.server.execute(sql, database=self.database, user=self.login(who))

    def owner(self, sql: str) -> list[object]:
        return self.server.execute(sql, database=self.database)


LOGINS = {
    "north_guard": ("toolguard_guard", "north"),
    "south_guard": ("toolguard_guard", "south"),
    "general_guard": ("toolguard_guard", "general"),
    "lost_guard": ("toolguard_guard", None),
    "service": ("toolguard_service", "*"),
    "north_service": ("toolguard_service", "north"),
    "auditor": ("toolguard_auditor", "*"),
    "keeper": ("toolguard_keeper", "*"),
    "owner": ("toolguard_owner", None),
}


@pytest.fixture(scope="module")
def place(postgres: Server) -> Iterator[Place]:
    made = Place(postgres, postgres.new())
    PostgresStore(postgres.url(made.database)).close()
    made.owner(roles_sql())
    for who, (role, tenant) in LOGINS.items():
        made.owner(f'CREATE ROLE "{made.login(who)}" LOGIN IN ROLE {role}')
        if tenant is not None:
            made.owner(f"INSERT INTO toolguard.role_tenants VALUES ('{made.login(who)}', '{tenant}')")
    yield made
    postgres.drop(made.database)
    for who in LOGINS:
        postgres.execute(f'DROP ROLE "{made.login(who)}"')
