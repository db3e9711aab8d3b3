"""T3: an agent with a shell, on the machine and as the user of the approval service."""

import os
import pwd
from pathlib import Path
from unittest.mock import patch

import pytest

from toolguard import Caller, DeniedError, Guard
from toolguard._core.audit import Kind
from toolguard.config import load_config
from toolguard.config.separation import reaches, separation_of
from toolguard.keys import Purpose, SecretKey, write_key
from toolguard.stores import open_store

POLICY = """
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
defaults: {by_risk: {critical: require_approval, high: require_approval}}
approvals: {default: {approvers: ["person:chen"]}}
tools: {wipe: {risk: critical, decisive: [cohort]}}
"""
DIRECTORY = """
version: 1
persons:
  - {id: ana, name: Ana, identities: [{issuer: local, tenant: general, subject: ana}]}
  - {id: chen, name: Chen, identities: [{issuer: local, tenant: general, subject: chen}]}
agents: [{name: desk, tenant: general, owners: [ana]}]
"""
CONFIG = """
[guard]
policy = "policy.yaml"
environment = "development"
suspend = "raise"
[directory]
file = "directory.yaml"
tokens = "tokens.json"
[store]
url = "memory:"
[telemetry]
spans = "off"
[service]
signing_key = "service.key"
confirm = "never"
"""


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service's user keeps, for that user alone: a folder others may look into but not write."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "directory.yaml").write_text(DIRECTORY)
    (folder / "tokens.json").write_text("{}")
    (folder / "toolguard.witness").write_text("{}")
    (folder / "toolguard.toml").write_text(CONFIG)
    write_key(folder / "service.key", SecretKey.generate(Purpose.SIGN))
    return folder


def wipe(cohort: str) -> str:
    """Delete a cohort."""
    raise AssertionError("nobody approved it")


def seen_by_another_user(place: Path) -> list[str]:
    """What of the service's another user of this machine can misuse."""
    for path in place.iterdir():
        path.chmod(0o600 if path.name in ("service.key", "toolguard.witness") else 0o644)
    if os.geteuid() != 0:  # one's own files, shut as they are for others
        (place / "service.key").chmod(0)
        for name in ("toolguard.witness", "tokens.json", "directory.yaml"):
            (place / name).chmod(0o444)
        place.chmod(0o555)
        try:
            with patch("toolguard.config.separation._me", return_value=-2):  # whoever owns a file could open it again
                return list(reaches(load_config(place / "toolguard.toml")))
        finally:
            place.chmod(0o755)
    for folder in (place, *place.parents):
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    config, me = load_config(place / "toolguard.toml"), os.geteuid()
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        return list(reaches(config))
    finally:
        os.seteuid(me)


def test_t3_whoever_runs_the_service_too_reaches_all_that_is_the_services_alone(place):
    found = reaches(load_config(place / "toolguard.toml"))
    assert set(found) == {"service.signing_key", "service.witness", "directory.tokens", "directory.file"}


def test_t3_another_user_reaches_none_of_it(place):
    assert seen_by_another_user(place) == []


@pytest.mark.parametrize(
    ("lost", "found"),
    [
        ("service.key", ["service.witness", "directory.tokens", "directory.file"]),
        ("toolguard.witness", ["service.signing_key", "directory.tokens", "directory.file"]),
    ],
)
def test_t3_what_is_not_here_is_not_reached(place, lost, found):
    (place / lost).unlink()
    assert list(reaches(load_config(place / "toolguard.toml"))) == found


def test_t3_a_key_in_this_process_own_environment_is_within_reach(place, monkeypatch):
    config = place / "toolguard.toml"
    config.write_text(CONFIG.replace('"service.key"', '"env:SERVICE_KEY"'))
    assert "service.signing_key" not in reaches(load_config(config))
    monkeypatch.setenv("SERVICE_KEY", "anything")
    assert "service.signing_key" in reaches(load_config(config))


def test_t3_a_critical_call_is_refused_there_and_the_journal_says_why(place):
    store = open_store("memory:")
    caller = Caller.of("ana", agent="desk", tenant="general")
    with Guard.from_config(place / "toolguard.toml", store=store) as guard, guard.session(caller=caller) as session:
        with pytest.raises(DeniedError, match=r"separation = 'waived'"):
            session.call(wipe, {"cohort": "trial"}, call_id="c1")
    loaded = store.operations(Kind.POLICY_LOADED)
    assert [r.draft.body["toolguard.guard.separation"] for r in loaded] == ["none"]


def test_t3_that_it_was_accepted_is_in_the_journal_too(place):
    config = place / "toolguard.toml"
    config.write_text(CONFIG + 'separation = "waived"\n')
    assert separation_of(load_config(config)) == "waived"
    store = open_store("memory:")
    Guard.from_config(config, store=store).close()
    loaded = store.operations(Kind.POLICY_LOADED)
    assert [r.draft.body["toolguard.guard.separation"] for r in loaded] == ["waived"]


def test_t3_the_login_that_deletes_records_is_the_services_too(place, monkeypatch):
    config = place / "toolguard.toml"
    config.write_text(CONFIG + '\n[audit]\nkeeper_url = "env:KEEPER_URL"\n')
    assert "audit.keeper_url" not in reaches(load_config(config))
    monkeypatch.setenv("KEEPER_URL", "postgresql://keeper@/approvals")
    assert "audit.keeper_url" in reaches(load_config(config))
