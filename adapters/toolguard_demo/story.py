"""The story: four things a person asks of the agent, and what anybody tries who should not get anywhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from toolguard import Caller, Session
from toolguard_demo import asks
from toolguard_demo.agents import Agent, LangChainAgent, OpenAIAgent, Turn
from toolguard_demo.desk import Desk
from toolguard_demo.hospital import Hospital
from toolguard_demo.place import AGENT, APPROVER, REQUESTER, TENANT, Place
from toolguard_demo.show import Screen

__all__ = ["Story"]

_PATIENCE = 600.0
"""Seconds an interactive run waits for somebody to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything the scenes share. ``model_saw`` gives all bytes the model was sent, where that can be known."""

    screen: Screen
    hospital: Hospital
    place: Place
    url: str
    auto: bool
    scripted: bool
    model_saw: Callable[[], str]

    def caller(self) -> Caller:
        return Caller.of(REQUESTER, agent=AGENT, tenant=TENANT, roles={"clinician"})

    # --- scenes both agents play ---------------------------------------------------------------------

    def look_up(self, agent: Agent, session: Session) -> None:
        screen, hospital = self.screen, self.hospital
        typed = asks.look_up(hospital)
        before = len(hospital.got)
        turn = agent.ask(typed)
        got = hospital.got[before:]
        clear = session.reveal(turn.answer, purpose="treatment").text
        secrets = hospital.identifiers().values()
        screen.views(
            [
                ("the person typed", typed),
                ("the model saw", turn.saw),
                *(("the model called", c) for c in turn.calls),
                *(("the tool got", _call(name, args)) for name, args in got),
                *(("the model got back", c) for c in turn.came_back),
                ("the model answered", turn.answer),
                ("the person reads", clear),
            ],
            secrets,
        )
        if self.scripted:
            wanted = {"name": hospital.name, "birth_date": hospital.someone["birthDate"]}
            screen.promise(
                f"{agent.name}: the trusted tool got the real name and birth date", ("search_patients", wanted) in got
            )
            screen.promise(f"{agent.name}: the clinician reads the answer in clear", hospital.name in clear)
        leaked = [kind for kind, value in hospital.identifiers().items() if value in self._seen(turn)]
        screen.promise(f"{agent.name}: the model saw none of the patient's identifiers", not leaked)

    def refer(self, agent: Agent) -> None:
        screen, hospital = self.screen, self.hospital
        before = hospital.times("send_email")
        turn = agent.ask(asks.REFER)
        sent = [args for name, args in hospital.got if name == "send_email"][before:]
        secrets = list(hospital.identifiers().values())
        rows = [
            ("the person typed", asks.REFER),
            ("the model saw", turn.saw),
            *(("the model called", c) for c in turn.calls),
        ]
        screen.views([*rows, *(("the mail system got", _call("send_email", a)) for a in sent)], secrets)
        if self.scripted:
            screen.promise(
                f"{agent.name}: the mail went to the real address", [a["to"] for a in sent] == [asks.OUTSIDE]
            )
        held = not any(value in json.dumps(a, ensure_ascii=False) for a in sent for value in secrets)
        screen.promise(f"{agent.name}: no identifier left the hospital with it", held)

    def delete(self, agent: Agent) -> None:
        turn = agent.ask(asks.DELETE)
        calls = [("the model called", c) for c in turn.calls]
        back = [("the model got back", c) for c in turn.came_back]
        self.screen.views([("the person typed", asks.DELETE), *calls, *back, ("the model answered", turn.answer)])
        if self.scripted:
            self.screen.promise(f"{agent.name}: the model tried to delete a record", bool(turn.calls))
        self.screen.promise(f"{agent.name}: nothing was deleted", self.hospital.times("delete_record") == 0)

    # --- LangChain: the call waits in place ----------------------------------------------------------

    def export_in_place(self, agent: LangChainAgent) -> None:
        """A second thread is the people around the agent; the agent itself simply waits in its call."""
        screen = self.screen
        seen: list[dict[str, Any]] = []
        people = threading.Thread(target=self._people, args=(seen,), daemon=True)
        people.start()
        turn = agent.ask(asks.EXPORT)
        people.join(10)
        screen.views([("the model got back", c) for c in turn.came_back] + [("the model answered", turn.answer)])
        ran = self.hospital.times("export_cohort")
        approved = bool(seen) and Desk(self.url, self.place.tokens[APPROVER]).state(seen[0]["id"]) == "executed"
        screen.promise("the approved export ran exactly once", approved and ran == 1)
        if not self.scripted or not seen:
            return
        screen.views([("the same call again", agent.call_again())])
        screen.promise("the same call, replayed, did not run again", self.hospital.times("export_cohort") == ran)

    def _people(self, seen: list[dict[str, Any]]) -> None:
        approver = Desk(self.url, self.place.tokens[APPROVER])
        request = approver.waiting(30.0)
        if request is None:
            return
        seen.append(request)
        self.screen.request(request)
        self._outsiders_try(request)
        self._decide(approver, request)
        approver.close()

    def _outsiders_try(self, request: dict[str, Any]) -> None:
        """Everyone who must not decide, tries: over the same REST service a person uses."""
        screen = self.screen
        refused = Desk(self.url, self.place.tokens[REQUESTER]).decide(request, "approve", "it is fine, trust me")
        screen.promise(
            "the requester, herself in the privacy office, cannot approve her own call",
            refused == (403, "self_approval"),
        )
        status, _ = Desk(self.url, self.place.tokens[AGENT]).decide(request, "approve", "urgent")
        screen.promise("the agent's own credential cannot decide", status == 403)
        other = {**request, "call_digest": "v1:" + "0" * 64}
        status, code = Desk(self.url, self.place.tokens[APPROVER]).decide(other, "approve", "looked at something else")
        screen.promise("a yes to other arguments than those shown is refused", (status, code) == (412, "stale"))

    def _decide(self, approver: Desk, request: dict[str, Any]) -> None:
        """With ``--auto`` a second identity answers through the service; otherwise whoever follows the instructions."""
        if self.auto:
            status, _ = approver.decide(request, "approve", "registry study, agreed with the data steward")
            self.screen.promise("a second person approved it through the service", status == 200)
            return
        command = f"toolguard approvals approve {request['id']} --reason 'agreed' --url {self.url}"
        self.screen.how_to_decide(
            [
                (
                    "decide in another terminal (or 'deny'):",
                    f"{command} --token-file {self.place.token_file(APPROVER)}",
                ),
                ("or in a browser; the link works once, for ten minutes:", self.place.link(APPROVER, self.url)),
            ]
        )
        self.screen.note("waiting for you …")

    # --- OpenAI: the run is put down and taken up again ----------------------------------------------

    def export_and_resume(self, agent: OpenAIAgent) -> None:
        screen, hospital = self.screen, self.hospital
        before = hospital.times("export_cohort")
        first = agent.ask(asks.EXPORT)
        if first.suspended is None:
            screen.promise("OpenAI: the export was suspended", not self.scripted)
            return
        blob = first.suspended.to_json()
        screen.views([("the model called", c) for c in first.calls])
        screen.note(f"suspended: the run is {len(blob)} characters of JSON, to be resumed in any process")
        self._approve_now()
        turn = agent.resume(blob)
        screen.views([("resumed; came back", c) for c in turn.came_back[-1:]])
        screen.promise("OpenAI: the resumed call ran exactly once", hospital.times("export_cohort") == before + 1)
        agent.resume(blob)
        screen.promise(
            "OpenAI: resuming the same run again did not run it again", hospital.times("export_cohort") == before + 1
        )
        if self.scripted:
            self._arguments_changed(agent)

    def _approve_now(self) -> None:
        approver = Desk(self.url, self.place.tokens[APPROVER])
        request = approver.waiting(30.0)
        if request is None:
            return
        self.screen.request(request)
        self._decide(approver, request)
        while not self.auto and approver.state(request["id"]) == "pending":
            threading.Event().wait(0.3)
        approver.close()

    def _arguments_changed(self, agent: OpenAIAgent) -> None:
        """Somebody edits the suspended run after it was approved: the yes was for other arguments."""
        screen, hospital = self.screen, self.hospital
        before = hospital.times("export_cohort")
        turn = agent.ask(asks.EXPORT)
        if turn.suspended is None:
            screen.promise("a second export is a new question", False)
            return
        auto = replace(self, auto=True)
        approver = Desk(self.url, self.place.tokens[APPROVER])
        request = approver.waiting(30.0)
        if request is not None:
            auto._decide(approver, request)
        approver.close()
        blob = turn.suspended.to_json().replace("heart failure", "type 2 diabetes")
        changed = agent.resume(blob)
        screen.views([("arguments changed; came back", c) for c in changed.came_back[-1:]])
        screen.promise("arguments changed after the approval did not run", hospital.times("export_cohort") == before)

    def _seen(self, turn: Turn) -> str:
        return self.model_saw() or "\n".join([turn.saw, *turn.came_back])


def _call(name: str, args: dict[str, Any]) -> str:
    return f"{name}({', '.join(f'{k}={json.dumps(v, ensure_ascii=False)}' for k, v in args.items() if v is not None)})"
