"""What ``toolguard.toml`` says of critical calls and of what decides them reaches the guard."""

import pytest

from toolguard import Caller, DeniedError, Guard, Suspended
from toolguard.errors import IdentityError
from toolguard.journal import read_anchor, verify
from toolguard.keys import NoteVerifier, PublicKey, Purpose, SecretKey, write_key
from toolguard.policyfile import load_policy
from toolguard.stores import open_store

POLICY = """
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: ward, version: 1}
defaults: {by_risk: {critical: require_approval}}
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


def wipe(cohort: str) -> str:
    """Delete a cohort."""
    raise AssertionError("nobody approved it")


def nobody_named_it() -> str:
    """Something no rule knows."""
    raise AssertionError("no rule allows it")


def asked(folder, service, separation="waived"):
    """What a guard of that ``[service]`` asks about a critical call; whoever runs the tests is one user."""
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "directory.yaml").write_text(DIRECTORY)
    (folder / "toolguard.toml").write_text(
        '[guard]\npolicy = "policy.yaml"\nenvironment = "development"\nsuspend = "raise"\n[directory]\nfile = "directory.yaml"\n'
        f'[store]\nurl = "memory:"\n[telemetry]\nspans = "off"\n[service]\n{service}\nseparation = "{separation}"\n'
    )
    store = open_store("memory:")
    caller = Caller.of("ana", agent="desk", tenant="general")
    with Guard.from_config(folder / "toolguard.toml", store=store) as guard, guard.session(caller=caller) as session:
        with pytest.raises(Suspended) as waiting:
            session.call(wipe, {"cohort": "of Margaret O'Neil, SSN 219-09-9999"}, call_id="c1")
        return store.get("general", waiting.value.approval_id).request


def test_a_critical_call_is_not_asked_where_no_service_can_confirm_it(tmp_path):
    with pytest.raises(DeniedError, match=r"set \[service\] token"):
        asked(tmp_path, "")


def test_a_critical_call_is_asked_where_the_service_confirms_it(tmp_path):
    (tmp_path / "service.token").write_text("tg_service_x\n")
    assert asked(tmp_path, 'token = "file:service.token"').risk_level == "critical"


def test_a_critical_call_is_asked_where_doing_without_is_accepted(tmp_path):
    assert asked(tmp_path, 'confirm = "never"').risk_level == "critical"


def test_t3_a_critical_call_is_not_asked_where_the_agent_could_answer_it(tmp_path):
    with pytest.raises(DeniedError, match="within reach"):
        asked(tmp_path, 'confirm = "never"', separation="required")


def test_what_decides_a_call_is_sealed_for_the_service_that_has_the_reveal_key(tmp_path):
    assert asked(tmp_path, 'confirm = "never"').sealed_decisive == b""
    write_key(tmp_path / "reveal.key", SecretKey.generate(Purpose.REVEAL))
    request = asked(tmp_path, 'confirm = "never"\nreveal_key = "reveal.key"')
    assert request.hidden == ("cohort",)
    assert request.sealed_decisive != b""


class Unreachable:
    """A directory somewhere else, which is not there."""

    def person(self, identity, *, at):
        raise RuntimeError("no route to the host that knows Margaret O'Neil")


def test_a_directory_that_fails_stops_the_call_on_record_and_its_words_stay_with_it():
    store = open_store("memory:")
    guard = Guard(load_policy(POLICY), store=store, directory=Unreachable(), confirm_critical=False)
    with guard.session(caller=Caller.of("ana", agent="desk", tenant="general")) as session:
        with pytest.raises(IdentityError) as failed:
            session.call(wipe, {"cohort": "trial"}, call_id="c1")
    assert "O'Neil" not in str(failed.value)
    assert failed.value.__suppress_context__
    (head,) = store.heads()
    bodies = [record.draft.body for record in store.records(log_id=head.log_id)]
    assert bodies[-1]["toolguard.decision.reason_code"] == "identity"


def test_a_guard_where_no_service_runs_makes_checkpoints_itself_and_the_last_one_at_its_end(tmp_path):
    key = SecretKey.generate(Purpose.AUDIT)
    write_key(tmp_path / "audit.key", key)
    write_key(tmp_path / "guard.key", SecretKey.generate(Purpose.SEAL))
    (tmp_path / "policy.yaml").write_text(POLICY.replace("risk: critical", "risk: low"))
    for signer in ("service", "guard"):
        (tmp_path / "toolguard.toml").write_text(
            '[guard]\npolicy = "policy.yaml"\nenvironment = "development"\n[store]\nurl = "sqlite:///t.db"\n'
            '[keys]\nfile = "guard.key"\n[telemetry]\nspans = "off"\n'
            f'[audit]\nsigning_key = "audit.key"\nsigner = "{signer}"\nanchors = ["far.anchor"]\n'
        )
        with Guard.from_config(tmp_path / "toolguard.toml") as guard:
            with guard.session(caller=Caller.of("ana", agent="desk", tenant="general")) as session:
                with pytest.raises(DeniedError):
                    session.call(nobody_named_it, {}, call_id=signer)
        assert (tmp_path / "far.anchor").exists() == (signer == "guard")
    store = open_store(f"sqlite:///{tmp_path}/t.db", read_only=True)
    copy = read_anchor(tmp_path / "far.anchor")
    found = verify(store, verifier=NoteVerifier([PublicKey.of(key)]), anchors=[copy])
    store.close()
    assert (found.exit_code, found.faults, copy.codes) == (0, (), ())
