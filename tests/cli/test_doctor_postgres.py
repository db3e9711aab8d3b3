"""The doctor on a real PostgreSQL: schema, role, durability and clock."""

from __future__ import annotations

import pytest

from cli.healthy import Home
from postgres_server import by_hand
from toolguard.health import Level
from toolguard.stores.schema import migrate_store


class TestPostgres:
    def test_an_empty_database_lacks_its_schema(self, home: Home, database: str) -> None:
        home.set("store", url=database)
        found = {f.code for f in home.look() if f.level is Level.FAULT}
        assert "store.schema" in found

    def test_what_the_owner_may_do_and_what_may_be_lost_is_said(self, home: Home, database: str) -> None:
        migrate_store(database)
        by_hand(
            database,
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$",
        )
        home.set("store", url=database)
        found = {f.code: f for f in home.look() if f.area == "store" and f.level is not Level.OK}
        assert set(found) == {"store.role", "store.durable"}, "the tests' server does not wait for the disk, either"
        assert found["store.role"].level is Level.WARNING
        assert "roles --print" in found["store.role"].mend

    @pytest.mark.parametrize(("off", "code"), [(0.0, None), (600.0, "clock.store"), (-600.0, "clock.store")])
    def test_a_clock_that_is_off_the_databases_is_a_fault(
        self, home: Home, database: str, off: float, code: str | None
    ) -> None:
        import time

        migrate_store(database)
        home.set("store", url=database)
        from toolguard.config import load_config
        from toolguard.health import store
        from toolguard.health.place import Place

        place = Place(config=load_config(home.file), file=home.file, now=lambda: time.time() + off)
        try:
            assert [f.code for f in store.check_clock(place) if f.level is Level.FAULT] == ([code] if code else [])
        finally:
            place.close()
