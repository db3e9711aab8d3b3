"""The same agent twice: with what LangChain brings for approvals, and guarded. Attacks do not know which they are at."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, HumanInTheLoopMiddleware
from langchain_core.messages import AIMessage
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command, interrupt

from adapters.langchain.kit import Script, call, caller, says
from toolguard.errors import ApprovalError
from toolguard.policyfile import load_policy
from toolguard.testing.desk import Desk
from toolguard_langchain import GuardMiddleware, guard_tools

CONFIG: dict[str, Any] = {"configurable": {"thread_id": "thread-1"}}
POLICY = """
apiVersion: toolguard/v1
kind: ToolPolicy
metadata: {name: bank, version: 1}
approvals: {default: {approvers: ["group:privacy-office"], expires: 1h}}
tools: {pay: {risk: medium, decisive: [to]}, wipe: {risk: medium}, ask_and_pay: {risk: medium}}
rules:
  - {id: ask, because: "Money is looked at.", match: {tool: [pay, ask_and_pay]}, effect: require_approval}
  - {id: never, because: "Nothing is wiped.", match: {tool: wipe}, effect: deny}
"""
MISSPELT = POLICY.replace(
    "{pay: {risk: medium, decisive: [to]}, wipe", "{pya: {risk: medium, decisive: [to]}, wipe"
).replace("[pay, ask", "[pya, ask")
ASKED = {"to": "pharmacy", "amount": 10}


class Site:
    """An agent whose model proposes one payment. ``ran`` is what really ran: tool and arguments, in order."""

    ran: list[tuple[Any, ...]]

    def __init__(
        self,
        folder: Path,
        middleware: Sequence[AgentMiddleware] = (),
        *,
        before: Sequence[AgentMiddleware] = (),
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.ran = []
        self.connection = sqlite3.connect(folder / "checkpoints.db", check_same_thread=False)
        self.saver = SqliteSaver(self.connection)
        self.script = Script(lines=[says(call(settings.get("tool", "pay"), dict(ASKED))), *([AIMessage("done")] * 9)])
        self.agent = self.build(self.tools(settings), list(before), list(middleware), settings)

    def tools(self, settings: dict[str, Any]) -> list[BaseTool]:
        failing = settings.get("fails", 0)

        @tool
        def pay(to: str, amount: int) -> str:
            """Pay somebody."""
            self.ran.append(("pay", to, amount))
            if len(self.ran) <= failing:
                raise ConnectionError("no route to the bank")
            return f"paid {amount}"

        @tool
        def wipe(to: str = "", amount: int = 0) -> str:
            """Delete everything."""
            self.ran.append(("wipe",))
            return "wiped"

        return [pay, wipe]

    def build(
        self,
        tools: list[BaseTool],
        before: list[AgentMiddleware],
        middleware: list[AgentMiddleware],
        settings: dict[str, Any],
    ) -> Any:
        raise NotImplementedError

    def start(self) -> Any:
        """Run until the agent waits, or is done."""
        return self.invoke({"messages": [("user", "pay the pharmacy")]}, CONFIG)

    def invoke(self, given: Any, config: Any) -> Any:
        return self.agent.invoke(given, config)

    def answer(self, word: str) -> Any:
        """A person says ``approve`` or ``deny``. → what goes on with the agent, any number of times."""
        raise NotImplementedError

    def edit(self, name: str, args: dict[str, Any]) -> Any:
        """A person answers with another call."""
        raise NotImplementedError

    def paused(self) -> Any:
        """The checkpoint at which the agent waits."""
        return self.agent.get_state(CONFIG).config

    def swap(self, **args: Any) -> None:
        """Somebody who can write to the checkpoints' database puts other arguments in the waiting call."""
        kept = self.saver.get_tuple(CONFIG)
        assert kept is not None
        values = kept.checkpoint["channel_values"]
        values["messages"][-1].tool_calls[0]["args"].update(args)
        for send in values.get("__pregel_tasks", ()):  # what waits to be run holds a copy
            for waiting in send.arg if isinstance(send.arg, list) else [send.arg["tool_call"]]:
                waiting["args"].update(args)
        row = self.saver.serde.dumps_typed(kept.checkpoint)
        self.connection.execute(
            "UPDATE checkpoints SET type = ?, checkpoint = ? WHERE checkpoint_id = ?", (*row, kept.checkpoint["id"])
        )
        self.connection.commit()

    def asked(self) -> int:
        """How often people were asked."""
        raise NotImplementedError

    def close(self) -> None:
        self.connection.close()


class Bare(Site):
    """LangChain's own human in the loop. Whoever resumes says what the person said: there is nothing else."""

    def build(
        self,
        tools: list[BaseTool],
        before: list[AgentMiddleware],
        middleware: list[AgentMiddleware],
        settings: dict[str, Any],
    ) -> Any:
        named = "pya" if settings.get("misspelt") else "pay"
        review: Any = {named: True, "wipe": {"allowed_decisions": ["reject"]}}
        own: list[AgentMiddleware] = [] if settings.get("asks_itself") else [HumanInTheLoopMiddleware(review)]
        if settings.get("asks_itself"):
            own = [_Asks()]
        return create_agent(self.script, tools, middleware=[*before, *own, *middleware], checkpointer=self.saver)

    def answer(self, word: str) -> Callable[..., Any]:
        decision = {"type": "reject" if word == "deny" else word}
        return lambda config=CONFIG: self.invoke(Command(resume={"decisions": [decision]}), config)

    def edit(self, name: str, args: dict[str, Any]) -> Any:
        decision = {"type": "edit", "edited_action": {"name": name, "args": args}}
        return self.invoke(Command(resume={"decisions": [decision]}), CONFIG)

    def asked(self) -> int:
        return _Asks.asked


class _Asks(AgentMiddleware):
    """How an application asks around a tool, in the documentation's way: ``interrupt`` where the tool would run."""

    asked = 0

    def wrap_tool_call(self, request: Any, handler: Any) -> Any:
        _Asks.asked += 1
        interrupt({"tool": request.tool_call["name"]})
        return handler(request)


class Guarded(Site):
    """The same agent, guarded: real policy, real authority, the answers signed."""

    def build(
        self,
        tools: list[BaseTool],
        before: list[AgentMiddleware],
        middleware: list[AgentMiddleware],
        settings: dict[str, Any],
    ) -> Any:
        (self.folder / "desk").mkdir(exist_ok=True)
        self.desk = Desk(self.folder / "desk")
        self.guard = self.desk.guard(load_policy(MISSPELT if settings.get("misspelt") else POLICY))
        wrapped = guard_tools(tools, guard=self.guard, mode="interrupt")
        ours = GuardMiddleware(self.guard)
        return create_agent(self.script, wrapped, middleware=[*before, *middleware, ours], checkpointer=self.saver)

    def invoke(self, given: Any, config: Any) -> Any:
        with self.guard.session(caller=caller(), run="thread-1"):
            return self.agent.invoke(given, config)

    def requests(self) -> list[str]:
        return [
            str(r.draft.body["toolguard.approval.id"])
            for r in self.desk.store.records()
            if r.draft.kind == "approval.requested"
        ]

    def answer(self, word: str) -> Callable[..., Any]:
        for waiting in self.requests():
            with contextlib.suppress(ApprovalError):  # it has ended: that is the point of some attacks
                (self.desk.approve if word == "approve" else self.desk.deny)(waiting)
        return lambda config=CONFIG: self.invoke(Command(resume=True), config)

    def edit(self, name: str, args: dict[str, Any]) -> Any:
        decision = {"type": "edit", "edited_action": {"name": name, "args": args}}
        return self.invoke(Command(resume={"decisions": [decision]}), CONFIG)

    def asked(self) -> int:
        return len(self.requests())

    def close(self) -> None:
        self.guard.close()
        self.desk.store.close()
        super().close()
