"""What every channel has to keep, as a pytest class to inherit from.

class TestPager(ChannelContract):
    name = "pager"

    def make(self, desk): return Pager()

    def told(self, channel): return channel.sent      # what people were shown, as text
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from toolguard._core.approval import Approval, State
from toolguard._core.call import Caller
from toolguard.errors import Suspended
from toolguard.guard import Guard
from toolguard.ports import Channel, Notice, NoticeChannel
from toolguard.testing.desk import Desk
from toolguard.testing.fakes import FakeClock, WordDetector

__all__ = ["ChannelContract"]

_POLICY = """\
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {{name: contract, version: 1}}
approvals: {{default: {{approvers: ["group:privacy-office"], channel: "{channel}", expires: 1h}}}}
tools: {{send_letter: {{risk: high, decisive: [to]}}}}
"""
PATIENT = "Margaret"
HOSTILE = "\u202eevil\u202c zero\u200bwidth \u2066x\u2069" + "\n" * 400 + "below"


def send_letter(to: str, body: str) -> str:
    """Send a letter."""
    return f"sent to {to}"


class ChannelContract:
    """The promises. `make` builds the channel, `told` gives what people were shown through it, oldest first."""

    name = "inbox"
    """What the policy's ``channel:`` says."""

    def make(self, desk: Desk) -> Channel:
        """The channel, as it is set up for the people of ``desk``."""
        raise NotImplementedError("give a method 'make' that returns the channel")

    def told(self, channel: Any) -> Sequence[str]:
        """The text of each message that people were shown so far."""
        raise NotImplementedError("give a method 'told' that returns what people were shown")

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def desk(self, tmp_path: Path, clock: FakeClock) -> Iterator[Desk]:
        desk = Desk(tmp_path, clock=clock)
        yield desk
        desk.store.close()

    @pytest.fixture
    def channel(self, desk: Desk) -> Channel:
        return self.make(desk)

    @pytest.fixture
    def guard(self, desk: Desk, tmp_path: Path) -> Guard:
        file = tmp_path / "contract.yaml"
        file.write_text(_POLICY.format(channel=self.name), "utf-8")
        return desk.guard(file, detector=WordDetector({PATIENT: "PERSON"}))

    def ask(self, guard: Guard, desk: Desk, *, body: str = f"Dear {PATIENT}", reason: str = "") -> Approval:
        """An agent asks for what a person has to approve."""
        with (
            guard.session(caller=Caller.of("ana", agent="discharge-agent", tenant="general")) as session,
            pytest.raises(Suspended) as waits,
        ):
            session.call(send_letter, {"to": "ward 7", "body": body}, reason=reason)
        return desk.read(waits.value.approval_id)

    # --- the promises

    def test_what_waits_is_told_with_what_is_asked(self, guard: Guard, desk: Desk, channel: Channel) -> None:
        self.ask(guard, desk)
        assert desk.authority.tick([channel]) >= 1
        assert any("send_letter" in text for text in self.told(channel))

    def test_no_identifier_is_told_in_clear(self, guard: Guard, desk: Desk, channel: Channel) -> None:
        self.ask(guard, desk, reason=f"{PATIENT} asked")
        desk.authority.tick([channel])
        assert self.told(channel)
        assert not any(PATIENT in text for text in self.told(channel))

    def test_hidden_characters_and_a_flood_of_lines_reach_nobody(
        self, guard: Guard, desk: Desk, channel: Channel
    ) -> None:
        self.ask(guard, desk, body=HOSTILE, reason=HOSTILE)
        desk.authority.tick([channel])
        for text in self.told(channel):
            assert not {"\u202e", "\u200b", "\u2066"} & set(text)
            assert "\n" * 20 not in text

    def test_telling_again_is_no_fault(self, guard: Guard, desk: Desk, channel: Channel) -> None:
        approval = self.ask(guard, desk)
        for _ in range(3):
            channel.announce(approval)
        if isinstance(channel, NoticeChannel):
            for notice in Notice:
                channel.notify(approval, notice)

    @pytest.mark.parametrize("end", ["approved", "denied", "expired"])
    def test_every_end_can_be_told(
        self, guard: Guard, desk: Desk, channel: Channel, clock: FakeClock, end: str
    ) -> None:
        approval = self.ask(guard, desk)
        desk.authority.tick([channel])
        if end == "approved":
            desk.approve(approval.id)
        elif end == "denied":
            desk.deny(approval.id)
        else:
            clock.advance(4000)
            desk.authority.sweep()
        desk.authority.tick([channel])
        channel.announce(desk.read(approval.id))
        assert desk.read(approval.id).state.value == end
        assert not desk.store.outbox()

    def test_what_it_never_told_of_and_is_over_asks_nobody_for_anything(
        self, guard: Guard, desk: Desk, channel: Channel
    ) -> None:
        approval = self.ask(guard, desk)
        desk.deny(approval.id)
        channel.announce(desk.read(approval.id))
        assert desk.read(approval.id).state is State.DENIED

    def test_many_threads_may_tell_at_once(self, guard: Guard, desk: Desk, channel: Channel) -> None:
        approvals = [self.ask(guard, desk) for _ in range(4)]
        faults: list[BaseException] = []

        def tell(approval: Approval) -> None:
            try:
                channel.announce(approval)
            except BaseException as fault:  # noqa: BLE001 - whatever it is, the test says so
                faults.append(fault)

        threads = [threading.Thread(target=tell, args=(approval,)) for approval in approvals]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not faults

    def test_its_faults_hold_nobody_up(self, guard: Guard, desk: Desk, channel: Channel) -> None:
        class Broken:
            def announce(self, approval: Approval) -> None:
                raise RuntimeError(PATIENT)

        approval = self.ask(guard, desk)
        assert desk.authority.tick([Broken(), channel]) == 0
        assert desk.approve(approval.id).state is State.APPROVED
        assert desk.store.outbox()
