"""What SQL does: by statement, by clause, by function, and in every disguise."""

from __future__ import annotations

import logging
import sys

import pytest

from analysis import statements
from toolguard._core.risk import RiskLevel
from toolguard.analysis import classify_sql, sql_facts
from toolguard.analysis.sql import MAX_SQL, UNREADABLE


def lines(text: str) -> list[str]:
    return [line for line in text.strip("\n").split("\n") if line]


@pytest.mark.parametrize("text", lines(statements.RISKY))
def test_risky_sql_is_held(text: str) -> None:
    found = classify_sql(text)
    assert found.level >= RiskLevel.HIGH
    assert UNREADABLE not in {e.text for e in found.evidence}


@pytest.mark.parametrize("text", lines(statements.PLAIN))
def test_plain_sql_is_not_held(text: str) -> None:
    assert classify_sql(text).level <= RiskLevel.MEDIUM


@pytest.mark.parametrize(
    ("text", "risk_class", "level"),
    [
        ("SELECT a FROM t WHERE id = 1", "read", "low"),
        ("INSERT INTO t VALUES (1)", "write", "medium"),
        ("DELETE FROM t WHERE id = 1", "write", "medium"),
        ("DELETE FROM t", "destructive", "critical"),
        ("DROP TABLE t", "destructive", "critical"),
        ("DROP INDEX i", "destructive", "high"),
        ("GRANT SELECT ON t TO bob", "privilege", "high"),
        ("GRANT SELECT ON t TO PUBLIC", "privilege", "critical"),
        ("GRANT ALL ON *.* TO bob", "privilege", "critical"),
        ("COPY t TO PROGRAM 'x'", "code_execution", "critical"),
        ("COPY t TO STDOUT", "exfiltration", "high"),
        ("SELECT * FROM patients", "exfiltration", "high"),
        ("SELECT name, dob FROM patients", "exfiltration", "medium"),
        ("SELECT count(*) FROM patients", "read", "low"),
        ("EXPLAIN DELETE FROM t", "read", "low"),
        ("EXPLAIN ANALYZE DELETE FROM t WHERE id = 1", "write", "medium"),
        ("", "read", "low"),
        (" ; ;", "read", "low"),
    ],
)
def test_class_and_level_follow_the_statement(text: str, risk_class: str, level: str) -> None:
    found = classify_sql(text)
    assert (found.risk_class.value, found.level.label) == (risk_class, level)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM s.t JOIN u ON t.id = u.id WHERE a = 1 LIMIT 5",
         {"kind": "select", "tables": ["s.t", "u"], "writes": False, "destructive": False, "limit": 5, "parsed": True}),
        ("SELECT 1; DROP TABLE t", {"kind": "drop", "statements": 2, "destructive": True, "writes": True}),
        ("INSERT INTO t VALUES (1)", {"kind": "insert", "tables": ["t"], "writes": True, "destructive": False}),
        ("GRANT SELECT ON t TO bob", {"kind": "grant", "privilege": True}),
        ("SELECT pg_sleep(1)", {"functions": ["pg_sleep"]}),
        ("SELECT FROM WHERE (((", {"parsed": False, "destructive": True, "writes": True, "kind": "unknown"}),
        ("SELECT 'open", {"parsed": False, "destructive": True, "writes": True}),
        ("x" * (MAX_SQL + 1), {"parsed": False, "destructive": True, "writes": True}),
    ],
)  # fmt: skip
def test_facts_for_conditions(text: str, expected: dict[str, object]) -> None:
    facts = sql_facts(text)
    assert {k: facts[k] for k in expected} == expected


def test_a_missing_parser_means_code_nobody_read(monkeypatch: pytest.MonkeyPatch) -> None:
    from toolguard.analysis import sql

    sql._parser.cache_clear()
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    found = classify_sql("SELECT 1")
    monkeypatch.undo()
    sql._parser.cache_clear()
    assert found.risk_class.value == "code_execution"
    assert found.level is RiskLevel.HIGH


def test_neither_log_nor_evidence_holds_the_statement(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = classify_sql("CALL file_ssn('123-45-6789'); LOCK TABLE secret_name; DELETE FROM secret_name")
    spoken = caplog.text + " ".join(e.text for e in found.evidence)
    assert "123-45-6789" not in spoken
    assert "secret_name" not in spoken


def test_too_many_statements_are_not_read() -> None:
    assert classify_sql("SELECT 1;" * 60).level is RiskLevel.HIGH
