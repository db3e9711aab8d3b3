"""Reloading: all of a policy at once or nothing of it, never a call judged by half of each, and all of it on record."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from policy.support import APPROVALS, HEAD
from toolguard import Caller, DeniedError, Guard, Suspended
from toolguard._core.audit import AuditRecord, Kind
from toolguard.errors import ConfigError, InvalidatedError, PolicyError, PolicyRefusedError, ReplayError, StoreError
from toolguard.keys import PolicySigner, PolicyStatement, Purpose, SecretKey
from toolguard.keys.sign import PublicKey
from toolguard.policyfile import load_policy
from toolguard.stores import open_store
from toolguard.testing import NoDetector
from toolguard.testing.desk import Desk

ANN = SecretKey.generate(Purpose.POLICY)
CALLER = Caller.of("ana", agent="bot", tenant="ward")
LOOSE = HEAD + APPROVALS + "tools: {look: {risk: low}}\n"
STRICT = LOOSE + "rules: [{id: no, because: b, effect: deny, match: {tool: look}}]\n"
ran: list[str] = []


def look(at: str) -> str:
    """Look at something."""
    ran.append(at)
    return at


@pytest.fixture
def file(tmp_path: Path) -> Path:
    ran.clear()
    path = tmp_path / "policy.yaml"
    path.write_text(LOOSE)
    return path


@pytest.fixture
def guard(file: Path) -> Any:
    with Guard(file, detector=NoDetector()) as made:
        yield made


def records(guard: Guard, kind: Kind) -> list[AuditRecord]:
    return [r for r in guard.parts.store.records() if r.draft.kind is kind]


def test_a_changed_file_is_in_force_for_sessions_that_are_open_already(guard: Guard, file: Path) -> None:
    with guard.session(caller=CALLER) as session:
        assert session.call(look, {"at": "a"}) == "a"
        file.write_text(STRICT)
        before = guard.parts.policy.sha256
        assert guard.reload() is True
        with pytest.raises(DeniedError):
            session.call(look, {"at": "b"})
    loaded = records(guard, Kind.POLICY_LOADED)
    assert [r.draft.body.get("toolguard.policy.replaces") for r in loaded] == [None, before]
    assert loaded[-1].draft.body["toolguard.policy.sha256"] == guard.parts.policy.sha256 != before
    assert ran == ["a"]


def test_an_unchanged_file_is_not_loaded_again(guard: Guard) -> None:
    policy = guard.parts.policy
    assert guard.reload() is False
    assert guard.parts.policy is policy
    assert len(records(guard, Kind.POLICY_LOADED)) == 1


@pytest.mark.parametrize("text", ["nonsense: 1", "", "a: &x [*x]", LOOSE + "rules: [{id: r}]", "\ud800"])
def test_a_file_with_faults_changes_nothing_and_is_recorded(guard: Guard, file: Path, text: str) -> None:
    policy = guard.parts.policy
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(PolicyError):
        guard.reload()
    assert guard.parts.policy is policy
    with guard.session(caller=CALLER) as session:
        assert session.call(look, {"at": "a"}) == "a"
    (refused,) = records(guard, Kind.POLICY_REFUSED)
    assert refused.draft.body["toolguard.policy.sha256"] == policy.sha256
    assert len(str(refused.draft.body["toolguard.policy.file_sha256"])) == 64


def test_a_file_that_is_gone_changes_nothing(guard: Guard, file: Path) -> None:
    file.unlink()
    with pytest.raises(PolicyError, match="cannot be read"):
        guard.reload()
    assert records(guard, Kind.POLICY_REFUSED)


def test_what_this_guard_does_not_have_is_refused_at_reload_too(guard: Guard, file: Path) -> None:
    file.write_text(HEAD + APPROVALS + "tools: {look: {risk: low, credentials: [ehr]}}\n")
    with pytest.raises(ConfigError, match="ehr"):
        guard.reload()
    assert guard.known("look") is None
    assert records(guard, Kind.POLICY_REFUSED)


def test_where_it_cannot_be_recorded_nothing_changes(guard: Guard, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = guard.parts.policy
    file.write_text(STRICT)

    def broken(change: object) -> None:
        raise StoreError("the disk is full; free some space")

    monkeypatch.setattr(guard.parts.store, "commit", broken)
    with pytest.raises(StoreError):
        guard.reload()
    assert guard.parts.policy is policy


def test_a_call_that_was_judged_by_the_policy_before_does_not_run(guard: Guard, file: Path) -> None:
    with guard.session(caller=CALLER) as session:
        bound = guard.tool(look)
        permit = session.authorise(bound, {"at": "a"}, ref=session.ref("c1"))
        file.write_text(STRICT)
        guard.reload()
        with pytest.raises(InvalidatedError, match="policy changed") as caught:
            session.execute(bound, permit)
    assert caught.value.code == "policy_changed"
    assert ran == []
    (kept,) = records(guard, Kind.CALL_NOT_RUN)
    assert kept.draft.body["toolguard.decision.reason_code"] == "policy_changed"


@pytest.mark.parametrize(("text", "runs"), [(LOOSE + "# the same, newly written\n", True), (STRICT, False)])
def test_a_call_in_one_piece_is_judged_again_when_the_policy_changes_in_the_middle(
    guard: Guard, file: Path, monkeypatch: pytest.MonkeyPatch, text: str, runs: bool
) -> None:
    with guard.session(caller=CALLER) as session:
        authorise = session.authorise

        def then_reload(*args: Any, **more: Any) -> Any:
            permit = authorise(*args, **more)
            file.write_text(text)
            guard.reload()
            return permit

        monkeypatch.setattr(session, "authorise", then_reload)
        if runs:
            assert session.call(look, {"at": "a"}) == "a"
        else:
            with pytest.raises(DeniedError):
                session.call(look, {"at": "a"})
    assert ran == (["a"] if runs else [])


def test_a_name_still_means_one_tool_after_a_reload(guard: Guard, file: Path) -> None:
    first = guard.tool(look).tool
    file.write_text(STRICT)
    guard.reload()
    assert guard.known("look") is first


def test_a_policy_that_finds_more_does_so_in_sessions_that_are_open_already(file: Path) -> None:
    with Guard(file) as guard, guard.session(caller=CALLER) as session:
        assert session.mask("badge ZQ4711 and Project Heron") == "badge <ID_1> and Project Heron"
        file.write_text(LOOSE + "masking: {deny: {Project Heron: PROJECT}}\n")
        guard.reload()
        assert session.mask("badge ZQ4711 and Project Heron") == "badge <ID_1> and <PROJECT_1>"


def test_every_call_is_judged_by_one_policy_from_beginning_to_end_while_they_change(file: Path) -> None:
    """Two policies that agree on nothing: whichever a call is judged by, its records fit that one."""
    one = HEAD + APPROVALS + "tools: {look: {risk: low}}\nrules: [{id: one, because: b, effect: allow}]\n"
    two = HEAD + APPROVALS + "tools: {look: {risk: low}}\nrules: [{id: two, because: b, effect: mask}]\n"
    wanted = {load_policy(t).sha256: r for t, r in ((one, "one"), (two, "two"))}
    file.write_text(one)
    stop = threading.Event()
    with Guard(file, detector=NoDetector()) as guard:

        def change() -> None:
            texts = [two, one]
            while not stop.is_set():
                texts.reverse()
                swap = file.with_suffix(".new")
                swap.write_text(texts[0])
                swap.replace(file)
                guard.reload()

        changing = threading.Thread(target=change)
        changing.start()
        with guard.session(caller=CALLER) as session, ThreadPoolExecutor(3) as pool:
            bound = guard.tool(look)

            def call(n: int) -> str:
                try:
                    return str(session.call(bound, {"at": str(n)}))
                except InvalidatedError:
                    return ""  # the policy changed twice in the middle

            list(pool.map(call, range(300)))
        stop.set()
        changing.join()
        decided = records(guard, Kind.CALL_DECIDED)
        assert len(decided) >= 300
        for record in decided:
            body = record.draft.body
            assert body["toolguard.policy.rule.id"] == [wanted[str(body["toolguard.policy.sha256"])]]
        by_call: dict[str, set[object]] = {}
        for record in guard.parts.store.records():
            if record.draft.call:
                by_call.setdefault(record.draft.call, set()).add(record.draft.body["toolguard.policy.sha256"])
        assert all(len(policies) == 1 for policies in by_call.values())
        assert set().union(*by_call.values()) == set(wanted)


def signed(file: Path, text: str, at: int) -> None:
    file.write_text(text)
    loaded = load_policy(file)
    statement = PolicyStatement(
        policy=loaded.id, version=loaded.version, sha256=loaded.sha256, author="cleo", signer="ann", at=at
    )
    Path(f"{file}.sig").write_bytes(PolicySigner(ANN).sign(statement))


def test_t11_an_unsigned_edit_is_refused_while_the_guard_runs(file: Path) -> None:
    signed(file, LOOSE, 1_000)
    trusted = {"ann": PublicKey.of(ANN).line}
    with Guard(file, signers=trusted, detector=NoDetector()) as guard:
        file.write_text(LOOSE.replace("version: 1", "version: 2") + "mode: shadow\n")
        with pytest.raises(PolicyRefusedError) as caught:
            guard.reload()
        assert caught.value.reason == "changed"
        assert guard.parts.policy.version == "1"
        signed(file, STRICT.replace("version: 1", "version: 2"), 2_000)
        assert guard.reload() is True
        signed(file, LOOSE, 1_000)
        with pytest.raises(PolicyRefusedError) as caught:
            guard.reload()
        assert caught.value.reason == "older_version"
        assert guard.parts.policy.version == "2"
        assert [r.draft.body["toolguard.decision.reason_code"] for r in records(guard, Kind.POLICY_REFUSED)] == [
            "changed",
            "older_version",
        ]


def until(true: Any, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_watched_file_is_put_into_force_by_itself_and_a_bad_one_is_recorded_once(file: Path) -> None:
    store = open_store("memory:")
    with Guard(file, detector=NoDetector(), store=store, reload_every=0.02) as guard:
        first = guard.parts.policy.sha256
        file.write_text("nonsense: 1\n")
        until(lambda: records(guard, Kind.POLICY_REFUSED))
        time.sleep(0.15)
        assert len(records(guard, Kind.POLICY_REFUSED)) == 1
        assert guard.parts.policy.sha256 == first
        file.write_text(STRICT)
        until(lambda: guard.parts.policy.sha256 != first)
        with guard.session(caller=CALLER) as session, pytest.raises(DeniedError):
            session.call(look, {"at": "a"})
    assert not [t for t in threading.enumerate() if t.name == "toolguard-policy" and t.is_alive()]


def test_a_guard_that_nobody_uses_any_more_is_not_kept_alive_by_its_watch(file: Path) -> None:
    import gc
    import weakref

    guard = Guard(file, detector=NoDetector(), reload_every=0.01)
    gone = weakref.ref(guard)
    del guard
    gc.collect()
    until(lambda: gone() is None or (gc.collect() and False))


@pytest.mark.parametrize("source", ["pack:hipaa", load_policy(LOOSE)])
def test_what_is_no_file_cannot_change(source: Any) -> None:
    with Guard(source, detector=NoDetector(), reload_every=0.01) as guard:
        assert guard.reload() is False
        assert guard._watch is None


ASKED = """\
approvals:
  default: {approvers: ["group:privacy-office"], quorum: %d}
tools: {look: {risk: low}}
rules: [{id: ask, because: "%s", effect: %s, match: {tool: look}}]
"""
THEN = [
    # the policy the yes was given under, the one in force when the call is made again, what happens
    (ASKED % (1, "b", "require_approval"), ASKED % (1, "other words", "require_approval"), "runs"),
    (ASKED % (1, "b", "require_approval"), ASKED % (2, "b", "require_approval"), "invalidated"),
    (ASKED % (1, "b", "require_approval"), ASKED % (1, "b", "deny"), "denied"),
    (
        ASKED % (1, "b", "require_approval"),
        ASKED % (1, "b", "allow"),
        "refused",
    ),  # asked once, it runs on its yes or not
]


@pytest.mark.parametrize(("before", "after", "outcome"), THEN)
def test_a_yes_is_held_against_the_rules_in_force_when_the_call_runs(
    tmp_path: Path, before: str, after: str, outcome: str
) -> None:
    ran.clear()
    desk = Desk(tmp_path)
    file = tmp_path / "policy.yaml"
    file.write_text(HEAD + before)
    ana = Caller.of("ana", agent="bot", tenant="general")
    with desk.guard(file) as guard, guard.session(caller=ana, run="r1") as session:
        with pytest.raises(Suspended) as waiting:
            session.call(look, {"at": "a"}, call_id="c1")
        desk.approve(waiting.value.approval_id, by="chen")
        file.write_text(HEAD + after)
        guard.reload()
        if outcome == "runs":
            assert session.call(look, {"at": "a"}, call_id="c1") == "a"
        else:
            with pytest.raises(
                {"invalidated": InvalidatedError, "denied": DeniedError, "refused": ReplayError}[outcome]
            ):
                session.call(look, {"at": "a"}, call_id="c1")
            state = desk.read(waiting.value.approval_id).state.value
            assert state == ("approved" if outcome == "refused" else "invalidated")
    assert ran == (["a"] if outcome == "runs" else [])


def test_a_call_that_ran_is_told_so_although_others_would_be_asked_by_now(tmp_path: Path) -> None:
    """'It did not run, ask again with a new call' would have an agent do it twice."""
    ran.clear()
    desk = Desk(tmp_path)
    file = tmp_path / "policy.yaml"
    before, after = next((b, a) for b, a, outcome in THEN if outcome == "invalidated")
    file.write_text(HEAD + before)
    ana = Caller.of("ana", agent="bot", tenant="general")
    with desk.guard(file) as guard, guard.session(caller=ana, run="r1") as session:
        with pytest.raises(Suspended) as waiting:
            session.call(look, {"at": "a"}, call_id="c1")
        desk.approve(waiting.value.approval_id, by="chen")
        assert session.call(look, {"at": "a"}, call_id="c1") == "a"
        file.write_text(HEAD + after)
        guard.reload()
        with pytest.raises(ReplayError):
            session.call(look, {"at": "a"}, call_id="c1")
    assert ran == ["a"]


def test_a_call_that_waits_in_place_while_the_policy_changes_is_judged_again_with_its_yes(tmp_path: Path) -> None:
    ran.clear()
    desk = Desk(tmp_path)
    file = tmp_path / "policy.yaml"
    file.write_text(HEAD + THEN[0][0])
    ana = Caller.of("ana", agent="bot", tenant="general")
    with desk.guard(file, suspend="block", wait=30.0) as guard, guard.session(caller=ana, run="r1") as session:
        with ThreadPoolExecutor(1) as pool:
            calling = pool.submit(session.call, look, {"at": "a"}, call_id="c1")
            until(lambda: desk.store.list("general"))
            (waiting,) = desk.store.list("general")
            file.write_text(HEAD + THEN[0][1])
            guard.reload()
            desk.approve(waiting.id, by="chen")
            assert calling.result(30) == "a"
        assert ran == ["a"]
        assert desk.read(waiting.id).state.value == "executed"
