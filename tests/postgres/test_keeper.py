"""The hourly pruning has a login of its own, which may do nothing else; every other login stays unable to delete."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.healthy import Home, healthy
from journal.insiders import KEY, SIGNER
from postgres.conftest import Place
from postgres.test_pruning import Shelf
from postgres_server import empty
from toolguard.cli.audit import app
from toolguard.config import ageing_of, keeper_store, load_config
from toolguard.errors import ConfigError
from toolguard.health import Level
from toolguard.health.place import Place as Looked
from toolguard.health.store import check as check_store
from toolguard.health.upkeep import check_audit
from toolguard.journal import Ageing
from toolguard.keys import write_key


@dataclass
class Bare:
    """A place whose records nobody looks at."""

    place: Place
    folder: Path
    anchor: Path


@pytest.fixture
def bare(place: Place, tmp_path: Path) -> Bare:
    return Bare(place, tmp_path / "kept", tmp_path / "elsewhere.anchor")


@pytest.fixture
def shelf(place: Place, tmp_path: Path) -> Iterator[Shelf]:
    tenants = place.owner("SELECT role, tenant FROM toolguard.role_tenants")
    empty(place.server.url(place.database))
    for row in tenants:
        place.owner(f"INSERT INTO toolguard.role_tenants VALUES ('{row[0]}', '{row[1]}')")  # type: ignore[index] # a row
    shelf = Shelf(place, tmp_path)
    yield shelf
    shelf.close()


def configured(shelf: Shelf | Bare, keeper: str = "", *, url: str = "") -> Path:
    """A service's configuration; ``keeper`` logs in for pruning."""
    folder = shelf.folder.parent
    if not (folder / "audit.key").exists():
        write_key(folder / "audit.key", KEY)
    lines = [
        f'[guard]\npolicy = "pack:x"\n[store]\nurl = "{url or shelf.place.url("service")}"',
        f'[audit]\nsigning_key = "audit.key"\ntrusted = ["{SIGNER.public_key.line}"]\nanchors = ["{shelf.anchor}"]',
        f'segments = "{shelf.folder}"\nkeep_for = "1d"',
    ]
    if keeper:
        (folder / "keeper.url").write_text(keeper + "\n", "utf-8")
        (folder / "keeper.url").chmod(0o600)
        lines.append('keeper_url = "keeper.url"')
    (folder / "toolguard.toml").write_text("\n".join(lines), "utf-8")
    return folder / "toolguard.toml"


def test_the_service_prunes_by_the_keepers_login_alone(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job as 'toolguard serve' runs it, once, with a time at which everything is old."""
    settings = load_config(configured(shelf, shelf.place.url("keeper")))
    made: list[Ageing] = []

    class Now(Ageing):
        def __init__(self, work: object, **said: object) -> None:
            super().__init__(work, every=3600.0, first=0.0, **said)  # type: ignore[arg-type] # as it was given
            made.append(self)

    monkeypatch.setattr("toolguard.config.audit.Ageing", Now)
    monkeypatch.setattr("toolguard.config.audit._Job.before", lambda *_: shelf.until)
    ageing = ageing_of(settings, shelf.service)
    assert ageing is made[0]
    log_id = shelf.guard.logs()[0]
    for _ in range(600):  # a minute, on a busy machine
        if shelf.service.hashes(log_id, 0, 1)[0][0] > 1:
            break
        ageing._stop.wait(0.1)
    ageing.close()
    assert shelf.service.hashes(log_id, 0, 1)[0][0] > 1
    assert shelf.exit() == 0
    with pytest.raises(Exception, match="permission denied"):
        shelf.place.sql("service", "DELETE FROM toolguard.records")


def test_the_command_prunes_by_the_keepers_login(shelf: Shelf) -> None:
    shelf.archive()
    config = ["--config", str(configured(shelf))]
    before = ["--before", dt.datetime.fromtimestamp(shelf.until, dt.UTC).isoformat()]
    refused = CliRunner().invoke(app, ["prune", *before, *config])
    assert (refused.exit_code, "keeper_url" in refused.output) == (3, True), refused.output
    configured(shelf, shelf.place.url("keeper"))
    done = CliRunner().invoke(app, ["prune", *before, *config])
    assert (done.exit_code, "taken out of the store" in done.output) == (0, True), done.output
    assert shelf.exit() == 0


@pytest.mark.parametrize("who", ["service", "north_guard", "auditor", "owner"])
def test_any_other_login_is_refused(bare: Bare, who: str) -> None:
    with pytest.raises(ConfigError, match="toolguard_keeper alone"):
        keeper_store(load_config(configured(bare, bare.place.url(who))))


def test_a_login_that_may_more_is_refused(bare: Bare) -> None:
    login = bare.place.login("keeper")
    bare.place.owner(f'GRANT toolguard_service TO "{login}"')
    try:
        with pytest.raises(ConfigError, match="toolguard_keeper alone"):
            keeper_store(load_config(configured(bare, bare.place.url("keeper"))))
    finally:
        bare.place.owner(f'REVOKE toolguard_service FROM "{login}"')


def test_a_keeper_that_does_not_see_all_tenants_is_refused(bare: Bare) -> None:
    login = bare.place.login("keeper")
    bare.place.owner(f"UPDATE toolguard.role_tenants SET tenant = 'north' WHERE role = '{login}'")
    try:
        with pytest.raises(ConfigError, match="all tenants"):
            keeper_store(load_config(configured(bare, bare.place.url("keeper"))))
    finally:
        bare.place.owner(f"UPDATE toolguard.role_tenants SET tenant = '*' WHERE role = '{login}'")


def test_a_keeper_of_another_database_is_refused(bare: Bare, database: str) -> None:
    from toolguard.stores.schema import migrate_store

    migrate_store(database)
    with pytest.raises(ConfigError, match="another database"):
        keeper_store(load_config(configured(bare, database)))


WRONG = {
    "nothing there": ("", "holds no URL"),
    "no URL": ("hunter2", "holds no URL"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_url_is_said_without_repeating_it(bare: Bare, case: str) -> None:
    text, said = WRONG[case]
    settings = load_config(configured(bare, text or " "))
    with pytest.raises(ConfigError, match=said) as wrong:
        keeper_store(settings)
    assert "hunter2" not in str(wrong.value)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg"])
def test_the_url_itself_does_not_stand_in_the_configuration(bare: Bare, scheme: str) -> None:
    path = configured(bare, "x")
    path.write_text(path.read_text("utf-8").replace('"keeper.url"', f'"{scheme}://keeper:hunter2@db/x"'), "utf-8")
    with pytest.raises(ConfigError, match="where the URL stands") as wrong:
        keeper_store(load_config(path))
    assert "hunter2" not in str(wrong.value)


def test_a_file_has_no_logins(bare: Bare, tmp_path: Path) -> None:
    path = configured(bare, bare.place.url("keeper"), url=f"sqlite:///{tmp_path}/t.db")
    with pytest.raises(ConfigError, match="is for a store in PostgreSQL"):
        keeper_store(load_config(path))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return healthy(tmp_path)


def test_the_doctor_sees_who_may_delete(place: Place, home: Home) -> None:
    def codes() -> dict[str, Level]:
        looked = Looked(config=load_config(home.file), file=home.file)
        try:
            found = [*check_store(looked), *check_audit(looked)]
        finally:
            looked.close()
        return {f.code: f.level for f in found if f.code in ("store.role", "audit.keeper")}

    home.set("store", url=place.url("service"))
    home.set("audit", keep_for="90d", segments="elsewhere")
    assert codes() == {"store.role": Level.OK, "audit.keeper": Level.WARNING}
    (home.folder / "keeper.url").write_text(place.url("keeper"), "utf-8")
    (home.folder / "keeper.url").chmod(0o600)
    home.set("audit", keeper_url="keeper.url")
    assert codes() == {"store.role": Level.OK, "audit.keeper": Level.OK}
    (home.folder / "keeper.url").chmod(0o644)
    assert codes()["audit.keeper"] is Level.FAULT, "others may read it"
    (home.folder / "keeper.url").chmod(0o600)
    login = place.login("service")
    place.owner(f'ALTER ROLE "{login}" NOINHERIT; GRANT toolguard_keeper TO "{login}"')
    try:
        assert codes()["store.role"] is Level.FAULT, "it could say SET ROLE"
    finally:
        place.owner(f'REVOKE toolguard_keeper FROM "{login}"; ALTER ROLE "{login}" INHERIT')
    (home.folder / "keeper.url").write_text(place.url("service"), "utf-8")
    assert codes()["audit.keeper"] is Level.FAULT
