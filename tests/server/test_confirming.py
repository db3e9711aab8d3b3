"""A critical call asks the running service before it is claimed, and a store that was set back is not believed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from authority.ward import Ward, human
from server.process import Running, Wall, configure, start, stop, wait_for
from server.visitors import Visitors
from toolguard import Caller, DeniedError, Guard
from toolguard.authority import Answer, State
from toolguard.cli.restore import accept
from toolguard.confirm import ServiceConfirmer, check_transport
from toolguard.directory import Audience
from toolguard.errors import ConfigError, InvalidatedError, StoreError, Suspended
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.policyfile import load_policy

POLICY = load_policy("""
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: critical, version: 1}
defaults: {by_risk: {critical: require_approval}}
approvals: {default: {approvers: ["group:privacy-officers"]}}
tools: {wipe: {risk: critical}}
rules:
  - {id: ask, because: It cannot be undone., match: {tool: wipe}, effect: require_approval}
""")


class Site:
    """A guard beside the running service, on the same store."""

    def __init__(self, running: Running, **parts: object) -> None:
        self.ran: list[str] = []
        self.running = running
        token = running.visitors.secret("ward-guard", Audience.SERVICE)
        given = {"confirm": ServiceConfirmer(running.url, token), **parts}
        self.guard = Guard(
            POLICY,
            store=running.ward.store,
            keys=KeyRing([SecretKey.generate(Purpose.SEAL)]),
            directory=running.ward.directory,
            trusted=[running.ward.signer.public_key.line],
            suspend="raise",
            **given,
        )
        caller = Caller.of("ruiz", agent="discharge-assistant", tenant="st-marys")
        self.session = self.guard.session(caller=caller)

    def call(self, ref: str = "c1") -> object:
        def wipe(cohort: str) -> str:
            """Delete a cohort."""
            self.ran.append(cohort)
            return "gone"

        return self.session.call(wipe, {"cohort": "trial"}, call_id=ref)

    def approved(self, ref: str = "c1") -> str:
        with pytest.raises(Suspended) as waiting:
            self.call(ref)
        asked = self.running.ward.store.get("st-marys", waiting.value.approval_id)
        assert asked is not None
        after = self.running.ward.decide(human("ada"), asked)
        assert after.state is State.APPROVED
        return asked.id


def test_a_critical_call_runs_once_the_service_has_stood_by_it(running: Running) -> None:
    site = Site(running)
    site.approved()
    assert site.call() == "gone"
    assert site.ran == ["trial"]


def test_what_was_confirmed_once_is_spent(running: Running) -> None:
    site = Site(running)
    approval = site.running.ward.store.get("st-marys", site.approved("c2"))
    assert approval is not None
    token = running.visitors.secret("ward-guard", Audience.SERVICE)
    confirm = ServiceConfirmer(running.url, token)
    confirm(approval)
    with pytest.raises(InvalidatedError):
        confirm(approval)
    with pytest.raises(InvalidatedError):
        site.call("c2")
    assert site.ran == []
    again = running.ward.store.get("st-marys", approval.id)
    assert again is not None
    assert again.state is State.INVALIDATED


@pytest.mark.parametrize("who", ["ada", "other-guard"])
def test_only_the_service_of_that_agent_is_told(running: Running, who: str) -> None:
    site = Site(running)
    approval = running.ward.store.get("st-marys", site.approved(f"c3-{who}"))
    assert approval is not None
    audience = Audience.DECIDE if who == "ada" else Audience.SERVICE
    with pytest.raises(InvalidatedError):
        ServiceConfirmer(running.url, running.visitors.secret(who, audience))(approval)


def test_a_service_that_cannot_be_asked_stops_the_call_and_spoils_nothing(running: Running) -> None:
    site = Site(running, confirm=ServiceConfirmer("http://127.0.0.1:9", "tg_service_x"))
    id_ = site.approved("c4")
    with pytest.raises(StoreError, match="cannot be asked"):
        site.call("c4")
    found = running.ward.store.get("st-marys", id_)
    assert found is not None
    assert (site.ran, found.state) == ([], State.APPROVED)
    with pytest.raises(StoreError, match="could not confirm"):
        Site(running, confirm=ServiceConfirmer(running.url, "tg_service_wrong")).guard.parts.confirm(found)


def test_without_a_service_to_ask_a_critical_call_is_not_even_asked(running: Running) -> None:
    with pytest.raises(DeniedError, match="confirmed with the approval service"):
        Site(running, confirm=None).call("c5")


def test_the_configuration_may_accept_that_by_name(running: Running) -> None:
    site = Site(running, confirm=None, confirm_critical=False)
    site.approved("c6")
    assert site.call("c6") == "gone"


@pytest.mark.parametrize(
    "url", ["http://approvals.example", "ftp://127.0.0.1", "approvals.example", "http://10.0.0.1:8790"]
)
def test_t18_the_token_does_not_travel_in_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        check_transport(url)


def once(folder: Path) -> None:
    """Start the service, and stop it."""
    process = start(folder, "--port", "0", "--ready-file", str(folder / "ready.json"))
    wait_for(process, folder)
    stop(process)


def test_t4_a_restored_backup_of_the_store_stops_the_service_until_someone_accepts_it(tmp_path: Path) -> None:
    ward = configure(tmp_path)
    asked = ward.ask()
    ward.store.close()
    once(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "backup", ignore=shutil.ignore_patterns("backup"))
    ward = Ward(tmp_path, ward.store_url, time=Wall(), signer=ward.signer)
    ward.decide(human("ada"), asked, Answer.APPROVE)
    ward.store.close()
    once(tmp_path)
    for name in ("t.db", "t.db-wal", "t.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
        if (tmp_path / "backup" / name).exists():
            shutil.copy(tmp_path / "backup" / name, tmp_path / name)
    process = start(tmp_path, "--port", "0", "--ready-file", str(tmp_path / "ready.json"))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "set back or restored from a backup" in said
    assert "toolguard store accept" in said
    open_again = Ward(tmp_path, ward.store_url, time=Wall(), signer=ward.signer)
    assert open_again.read(asked.id).state is State.PENDING  # the backup knows nothing of the yes
    token = Visitors(open_again).secret("sid")
    open_again.store.close()
    app = typer.Typer()
    app.command()(accept)
    config = ["--config", str(tmp_path / "toolguard.toml"), "--reason", "disk failed, restored"]
    refused = CliRunner().invoke(app, [*config, "--yes"], env={"TOOLGUARD_TOKEN": "tg_decide_nobody"})
    assert refused.exit_code == 3
    done = CliRunner().invoke(app, [*config, "--yes"], env={"TOOLGUARD_TOKEN": token})
    assert (done.exit_code, "1 open approvals are void" in done.output) == (0, True), done.output
    after = Ward(tmp_path, ward.store_url, time=Wall(), signer=ward.signer)
    assert after.read(asked.id).state is State.INVALIDATED
    after.store.close()
    once(tmp_path)
