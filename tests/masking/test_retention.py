"""Tokens end some time after their session was last used, and never while something waits in it."""

import pytest

from toolguard import Guard, Suspended
from toolguard.config import load_config
from toolguard.errors import ConfigError
from toolguard.keys import KeyRing, Purpose, SecretKey
from toolguard.retention import WEEK
from toolguard.testing import FakeClock, WordDetector
from toolguard.testing.desk import Desk

DAY = 86400.0
POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: vault, version: 1}
approvals: {default: {approvers: ["group:privacy-office"], expires: 90d}}
tools: {export: {risk: high}, toolguard.reveal: {risk: low}}
"""


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    desk = Desk(tmp_path, clock=FakeClock())
    yield desk
    desk.store.close()


@pytest.fixture
def guard(desk):
    words = WordDetector({"Ada": "PERSON"})
    return desk.guard(
        desk.folder / "policy.yaml", detector=words, suspend="raise", clock=desk.clock, keep_tokens=30 * DAY
    )


def export(what: str) -> str:
    """Export."""
    raise AssertionError


def shown(guard, caller, run):
    with guard.session(caller=caller, run=run) as session:
        return session.reveal("<PERSON_1>", purpose="treatment").text


def test_an_idle_session_is_purged_and_one_in_use_is_not(guard, desk, ana):
    for run in ("idle", "used"):
        with guard.session(caller=ana, run=run) as session:
            session.mask("Ada")
    desk.clock.advance(25 * DAY)
    assert shown(guard, ana, "used") == "Ada"
    desk.clock.advance(20 * DAY)
    assert shown(guard, ana, "used") == "Ada"
    assert shown(guard, ana, "idle") == "<PERSON_1>"


@pytest.mark.parametrize("days", [1, 15, 29])
def test_nothing_is_purged_before_its_time(guard, desk, ana, days):
    with guard.session(caller=ana, run="r") as session:
        session.mask("Ada")
    desk.clock.advance(days * DAY)
    guard.parts.retention.sweep("general")
    assert shown(guard, ana, "r") == "Ada"


def test_a_session_that_goes_on_for_weeks_is_in_use(guard, desk, ana):
    with guard.session(caller=ana, run="long") as session:
        session.mask("Ada")
        for _ in range(10):
            desk.clock.advance(WEEK)
            session.mask("nothing new")
        guard.parts.retention.sweep("general")
        assert session.reveal("<PERSON_1>", purpose="treatment").text == "Ada"


def test_a_session_in_which_something_waits_is_kept_until_it_does_not(guard, desk, ana):
    with guard.session(caller=ana, run="waits") as session:
        session.mask("Ada")
        with pytest.raises(Suspended) as raised:
            session.call(export, {"what": "x"}, call_id="1")
    desk.clock.advance(60 * DAY)
    guard.parts.retention.sweep("general")
    key = session._key
    assert guard.parts.store.values(key, session._sealer)
    desk.deny(raised.value.approval_id)
    guard.parts.retention.sweep("general")
    assert not guard.parts.store.values(key, session._sealer)


def test_without_a_word_of_it_tokens_are_kept(desk, ana):
    guard = desk.guard(desk.folder / "policy.yaml", detector=WordDetector({"Ada": "PERSON"}), clock=desk.clock)
    with guard.session(caller=ana, run="r") as session:
        session.mask("Ada")
    desk.clock.advance(3000 * DAY)
    assert shown(guard, ana, "r") == "Ada"


def test_another_tenants_sessions_are_left_alone(policy, ana):
    from toolguard import Caller

    clock = FakeClock()
    guard = Guard(
        policy(),
        detector=WordDetector({"Ada": "PERSON"}),
        clock=clock,
        keep_tokens=30 * DAY,
        keys=KeyRing([SecretKey.generate(Purpose.SEAL)]),
    )
    other = Caller.of("eve", agent="desk", tenant="elsewhere", roles={"clinician"})
    for caller in (ana, other):
        with guard.session(caller=caller, run="r") as session:
            session.mask("Ada")
    clock.advance(60 * DAY)
    assert guard.parts.retention.sweep("elsewhere") == 1
    assert guard.parts.retention.sweep("elsewhere") == 0
    assert guard.parts.store.values(session._key, session._sealer) == {}


@pytest.mark.parametrize(("said", "seconds"), [("30d", 30 * DAY), ("12h", DAY / 2)])
def test_the_configuration_says_it(tmp_path, said, seconds):
    file = tmp_path / "toolguard.toml"
    file.write_text(f'[guard]\npolicy = "p.yaml"\n[store]\nurl = "memory:"\nkeep_tokens = "{said}"\n', "utf-8")
    assert load_config(file).store.keep_seconds == seconds
    file.write_text(file.read_text("utf-8").replace(said, "soon"), "utf-8")
    with pytest.raises(ConfigError, match=r"store\.keep_tokens"):
        load_config(file)
