"""What is asked on every call finds its rows by an index, however long the journal and the list of approvals are."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing

import asyncpg
import pytest

from toolguard.stores import _pg_sql, _sql
from toolguard.stores._pg_url import parse

HOT = [
    "GET",
    "FIND",
    "LIST",
    "OVERDUE",
    "RECENT",
    "ASKED_BY_RUN",
    "ASKED_BY_PERSON",
    "GIVEN",
    "ENDS",
    "LEDGER",
    "ACTS",
    "USES",
    "RECORDS",
    "RECORDS_OF_CALL",
    "MARKED",
    "PRUNE_MARKS",
    "CONTENTS",
    "CONTENT_IDS",
]


@pytest.mark.parametrize("name", [*HOT, "COUNT_MARKS", "COUNT_MARK"])
def test_sqlite_reads_no_table_from_end_to_end(name: str) -> None:
    query = getattr(_sql, name)
    with closing(sqlite3.connect(":memory:")) as db:
        for script in _sql.MIGRATIONS:
            db.executescript(script)
        numbers = [int(n) for n in re.findall(r"\?(\d+)", query)] or [query.count("?")]
        plan = [row[3] for row in db.execute("EXPLAIN QUERY PLAN " + query, (1,) * max(numbers))]
    assert plan
    assert not [step for step in plan if re.match(r"SCAN (?!json_each|\(subquery)", step)], plan
    if name == "LIST":
        assert not [step for step in plan if "TEMP B-TREE" in step], plan


@pytest.mark.parametrize(
    "name", [*HOT, "TALLY", "LOCK_APPROVALS", "LOCK_LEDGER", "LOCK_USES", "VERSIONS", "THEIR_VERDICTS"]
)
def test_postgresql_reads_no_table_from_end_to_end(store_database: str, name: str) -> None:
    """With the plan that serves every parameter, as a prepared statement gets it after a while."""
    plan = asyncio.run(_plan(store_database, getattr(_pg_sql, name)))
    assert plan
    assert not [step for step in plan if "Seq Scan" in step], plan


async def _plan(url: str, query: str) -> list[str]:
    settings = {"search_path": "toolguard", "enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"}
    db = await asyncpg.connect(**parse(url).arguments(), server_settings=settings)
    try:
        await db.execute(f"PREPARE asked AS {query}")
        values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", query))))
        return [row[0] for row in await db.fetch(f"EXPLAIN EXECUTE asked ({values})")]
    finally:
        await db.close()
