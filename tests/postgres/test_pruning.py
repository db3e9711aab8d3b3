"""Records leave a PostgreSQL store by the keeper alone, and only what a record of pruning tells of; packs and verify stay the same."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from journal.insiders import KEY, SIGNER, VERIFIER
from journal.lives import allowed, asked, decided, executed, executing
from postgres.conftest import Place
from postgres_server import Server, by_hand
from toolguard._core.audit import Kind
from toolguard._core.steps import Change, Prune
from toolguard.cli.audit import app
from toolguard.errors import ConflictError, StoreError
from toolguard.evidence import build_pack, verify_pack
from toolguard.journal import Checkpointer, FileAnchor, archive, hold_segments, joined, prune, read_anchor, verify
from toolguard.keys import write_key
from toolguard.population import FRAMEWORKS, Population, matrix_of, read_period
from toolguard.report import report_page
from toolguard.stores.postgres import PostgresStore

RUN = CliRunner()


class Shelf:
    """A guard's calls under checkpoints, and a folder for segments."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder = place, folder / "kept"
        self.folder.mkdir()
        self.anchor = folder / "elsewhere.anchor"
        self.guard, self.service, self.keeper = (place.store(who) for who in ("north_guard", "service", "keeper"))
        self.since = self.guard.now() - 1.0
        for name in ("a", "b"):
            allowed(self.guard, f"plain-{name}")
            executed(self.guard, executing(self.guard, decided(self.service, asked(self.guard, name))))
        Checkpointer(self.service, SIGNER, VERIFIER, anchors=[FileAnchor(self.anchor)]).tick(final=True)
        self.until = self.guard.now() + 0.5  # a life ends a moment after it is told of, and clocks differ a little
        time.sleep(0.8)
        allowed(self.guard, "plain-late")
        allowed(self.guard, "plain-later")

    @property
    def notes(self) -> tuple[str, ...]:
        return read_anchor(self.anchor).notes

    def archive(self) -> None:
        archive(self.keeper, self.folder, before=self.until, verifier=VERIFIER, notes=self.notes)

    def prune(self, store: PostgresStore | None = None, **said: Any) -> int:
        given = {"before": self.until, "signer": SIGNER, "verifier": VERIFIER, **said}
        return prune(store or self.keeper, self.folder, **given).records

    def exit(self) -> int:
        auditor = self.place.store("auditor")
        anchors = [read_anchor(self.anchor)]
        found = {
            verify(auditor, verifier=VERIFIER, anchors=anchors, segments=self.folder).exit_code,
            hold_segments(auditor, self.folder, verifier=VERIFIER).exit_code,
        }
        auditor.close()
        return 1 if 1 in found else max(found)

    def pack(self, *, whole: bool = True) -> bytes:
        auditor = self.place.store("auditor")
        source = joined(auditor, self.folder) if whole else auditor
        made = build_pack(
            Population(read_period(source, since=self.since, until=self.until)), SIGNER, anchors=self.notes
        )
        auditor.close()
        return made.bytes

    def close(self) -> None:
        for store in (self.guard, self.service, self.keeper):
            store.close()


@pytest.fixture
def shelf(place: Place, tmp_path: Path) -> Iterator[Shelf]:
    from postgres_server import empty

    tenants = place.owner("SELECT role, tenant FROM toolguard.role_tenants")
    empty(place.server.url(place.database))
    for row in tenants:
        place.owner(f"INSERT INTO toolguard.role_tenants VALUES ('{row[0]}', '{row[1]}')")  # type: ignore[index] # a row
    shelf = Shelf(place, tmp_path)
    yield shelf
    shelf.close()


def test_the_keeper_takes_out_what_is_old_and_everything_reads_as_before(shelf: Shelf) -> None:
    before = {(r.log_id, r.seq, r.hash) for r in shelf.service.records()}
    shelf.archive()
    assert shelf.prune(dry_run=True) == shelf.prune() > 5
    left = {(r.log_id, r.seq, r.hash) for r in shelf.service.records()}
    assert before - left
    assert before <= {(r.log_id, r.seq, r.hash) for r in joined(shelf.service, shelf.folder).records()}
    assert shelf.exit() == 0
    found = verify(shelf.service, verifier=VERIFIER)
    assert (found.exit_code, found.tampered) == (2, False)


def test_packs_are_the_same_twice_and_before_and_after(shelf: Shelf, tmp_path: Path) -> None:
    shelf.archive()
    before = shelf.pack(whole=False)
    assert shelf.pack(whole=False) == before
    shelf.prune()
    assert shelf.pack() == before
    (tmp_path / "pack.zip").write_bytes(before)
    assert verify_pack(tmp_path / "pack.zip", [SIGNER.public_key.line]) == ()


def test_reports_are_the_same_on_postgresql(shelf: Shelf) -> None:
    def page(source: Any) -> bytes:
        population = Population(read_period(source, since=shelf.since, until=shelf.until))
        assert population.calls
        return report_page(population, matrix_of(population, next(iter(FRAMEWORKS))), ())

    before = page(shelf.service)
    shelf.archive()
    shelf.prune()
    assert page(joined(shelf.service, shelf.folder)) == before


@pytest.mark.parametrize("who", ["north_guard", "service", "auditor", "lost_guard"])
def test_nobody_else_may_delete_a_record(shelf: Shelf, who: str) -> None:
    with pytest.raises(Exception, match="permission denied"):
        shelf.place.sql(who, "DELETE FROM toolguard.records")


@pytest.mark.parametrize("who", ["keeper", "owner"])
def test_nothing_is_deleted_that_no_record_of_pruning_tells_of(shelf: Shelf, who: str) -> None:
    with pytest.raises(Exception, match="no record of pruning"):
        shelf.place.sql(who, "DELETE FROM toolguard.records WHERE seq = 2")
    with pytest.raises(StoreError):
        shelf.keeper.commit(Change(tenant="", prune=Prune(log_id=shelf.guard.logs()[0], upto=2)))


def test_the_keeper_may_nothing_else(shelf: Shelf) -> None:
    for sql in (
        "UPDATE toolguard.records SET span = ''",
        "DELETE FROM toolguard.logs",
        "INSERT INTO toolguard.acts VALUES ('north', 1, '', '', '')",
        "UPDATE toolguard.approvals SET state = 'approved'",
        "SELECT value FROM toolguard.tokens",
        "INSERT INTO toolguard.cursors (sink, log_id, seq) VALUES ('s', 'l', 1)",
    ):
        with pytest.raises(Exception, match="permission denied"):
            shelf.place.sql("keeper", sql)


def test_a_guard_or_the_service_is_told_that_it_may_not(shelf: Shelf) -> None:
    shelf.archive()
    for store in (shelf.guard, shelf.service):
        with pytest.raises(StoreError):
            shelf.prune(store)
    assert shelf.exit() == 0


def test_a_pruned_call_does_not_run_again(shelf: Shelf) -> None:
    before = next(a for a in shelf.guard.list("north") if a.id.endswith("-a"))
    shelf.archive()
    shelf.prune()
    assert not list(shelf.service.records(call=before.request.call))
    url = shelf.place.server.url(shelf.place.database)
    by_hand(
        url,
        """ALTER TABLE toolguard.approvals DISABLE TRIGGER USER; ALTER TABLE toolguard.ledger DISABLE TRIGGER USER;
        UPDATE toolguard.approvals SET state = 'approved', grant_expires = 1e12, lease_until = NULL;
        UPDATE toolguard.ledger SET standing = 'asked' WHERE asked;
        ALTER TABLE toolguard.approvals ENABLE TRIGGER USER; ALTER TABLE toolguard.ledger ENABLE TRIGGER USER""",
    )
    again = shelf.guard.get("north", before.id)
    assert again is not None
    with pytest.raises(ConflictError, match="records are in segments"):
        executing(shelf.guard, again)


def test_a_sink_counts_by_whoever_sees_the_whole_log(shelf: Shelf) -> None:
    log_id = shelf.guard.logs()[0]
    with closing(shelf.place.store("south_guard")) as south:
        south.advance("otlp:there", log_id, 1)
    assert shelf.keeper.delivered()["otlp:there"][log_id] == 0
    shelf.guard.advance("otlp:there", log_id, 7)
    assert shelf.keeper.delivered()["otlp:there"][log_id] == 7
    shelf.service.advance("otlp:there", log_id, 9)
    assert shelf.keeper.delivered()["otlp:there"][log_id] == 9


def test_rows_deleted_by_the_superuser_are_seen(shelf: Shelf, postgres: Server) -> None:
    shelf.archive()
    shelf.prune()
    log_id = shelf.guard.logs()[0]
    by_hand(
        shelf.place.server.url(shelf.place.database),
        f"ALTER TABLE toolguard.records DISABLE TRIGGER USER; DELETE FROM toolguard.records WHERE log_id = '{log_id}' AND seq = "
        f"(SELECT min(seq) FROM toolguard.records WHERE log_id = '{log_id}'); ALTER TABLE toolguard.records ENABLE TRIGGER USER",
    )
    assert shelf.exit() == 1


def test_records_of_pruning_are_shown_to_every_tenant(shelf: Shelf) -> None:
    shelf.archive()
    shelf.prune()
    with closing(shelf.place.store("south_guard")) as south:
        assert list(south.operations(Kind.AUDIT_PRUNED))


def test_the_commands_give_the_same_on_postgresql(shelf: Shelf, tmp_path: Path) -> None:
    write_key(tmp_path / "audit.key", KEY)
    url, zips = shelf.place.url("auditor"), [tmp_path / f"{n}.zip" for n in range(3)]
    times = [dt.datetime.fromtimestamp(t, dt.UTC).isoformat() for t in (shelf.since, shelf.until)]
    common = ["--store", url, "--config", str(tmp_path / "none.toml")]

    def export(out: Path, *more: str) -> tuple[int, str]:
        words = [
            "export",
            "--from",
            times[0],
            "--to",
            times[1],
            "--out",
            str(out),
            "--signing-key",
            str(tmp_path / "audit.key"),
        ]
        done = RUN.invoke(app, [*words, *common, "--anchor", str(shelf.anchor), *more])
        return done.exit_code, done.output

    assert export(zips[0])[0] == export(zips[1])[0] == 0
    shelf.archive()
    shelf.prune()
    code, said = export(zips[2])
    assert (code, "--segments" in said) == (3, True), said
    assert export(zips[2], "--segments", str(shelf.folder))[0] == 0
    assert len({path.read_bytes() for path in zips}) == 1
    seen = ["--anchor", str(shelf.anchor), "--key", SIGNER.public_key.line]
    assert RUN.invoke(app, ["verify", *common, *seen]).exit_code == 2
    assert RUN.invoke(app, ["verify", *common, *seen, "--segments", str(shelf.folder)]).exit_code == 0
