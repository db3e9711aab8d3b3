"""Tools that run at the provider: no call of theirs can be stopped, so the policy judges the offer itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from toolguard import BoundTool, Effect, Session, Suspended, Tool
from toolguard.errors import DeniedError
from toolguard_openai.mcp import mcp_tool
from toolguard_openai.native import NATIVE
from toolguard_openai.requests import Request

__all__ = ["ajudge_tools", "judge_tools"]

_BOUND: dict[str, BoundTool] = {}


def judge_tools(session: Session, request: Request) -> None:
    """Judge what the request offers, before it is sent. An offer of a hosted tool is recorded as a call of it.

    Raises:
        DeniedError: the policy does not allow ``openai.<type>``, a tool is not the one this guard knows, or an MCP tool
            would run that nobody let run.
    """
    _check_own(session, request)
    for kind, config in _to_judge(session, request):
        bound, raw = _offer(session, kind, config)
        session.call(bound, raw)
    for asked, bound, raw in _approved(session, request):
        try:
            permit = session.authorise(bound, raw, ref=session.ref(asked), replays=True, suspend="raise")
            session.execute(bound, permit, replays=True)
        except Suspended:
            raise _unasked() from None
        _settled(session).add(_mark(asked, bound, raw))


async def ajudge_tools(session: Session, request: Request) -> None:
    _check_own(session, request)
    for kind, config in _to_judge(session, request):
        bound, raw = _offer(session, kind, config)
        await session.acall(bound, raw)
    for asked, bound, raw in _approved(session, request):
        try:
            permit = await session.aauthorise(bound, raw, ref=session.ref(asked), replays=True, suspend="raise")
            await session.aexecute(bound, permit, replays=True)
        except Suspended:
            raise _unasked() from None
        _settled(session).add(_mark(asked, bound, raw))


def _to_judge(session: Session, request: Request) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Hosted tools, and those carried out here that no tool box gates."""
    yield from request.hosted
    for kind, config in request.local:
        known = session.guard.known(kind)
        if known is None or known.identity.source != NATIVE:
            request.allowed.require(kind)
            yield kind, config


def _approved(session: Session, request: Request) -> Iterator[tuple[str, BoundTool, dict[str, Any]]]:
    """MCP tools that the request lets run: whether that was given is not believed of the request, it is gated again."""
    for asked, _ in request.approved:
        try:
            found = mcp_tool(session.guard, asked) if asked is not None and asked.get("id") else None
        except ValueError:
            found = None
        if asked is None or found is None:
            raise _unasked()
        bound, raw = found
        if _mark(str(asked["id"]), bound, raw) not in _settled(session):
            yield str(asked["id"]), bound, raw


_SETTLED: WeakKeyDictionary[Session, set[tuple[str, str, str]]] = WeakKeyDictionary()
"""By session, what was gated already in this process, so that a history that is sent again is not judged again."""


def _settled(session: Session) -> set[tuple[str, str, str]]:
    return _SETTLED.setdefault(session, set())


def _mark(asked: str, bound: BoundTool, raw: Mapping[str, Any]) -> tuple[str, str, str]:
    return asked, bound.tool.name, json.dumps(raw, sort_keys=True)


def _unasked() -> DeniedError:
    return DeniedError(
        "the request was not sent: it approves a call of an MCP server's tool that this guard did not let run; "
        "let box.run_responses or box.execute answer the request for it, and send that along",
        code="unguarded_tool",
    )


def _check_own(session: Session, request: Request) -> None:
    for offered in request.offered:
        known = session.guard.known(offered.name)
        if known is not None and known.identity.digest != offered.identity.digest:
            raise DeniedError(
                f"the request was not sent: it offers {offered.name!r} with another schema or description than this guard "
                "knows the tool by; offer what ToolBox.chat_tools() or ToolBox.response_tools() gives",
                code="drift",
            )


def _offer(session: Session, kind: str, config: Mapping[str, Any]) -> tuple[BoundTool, Mapping[str, Any]]:
    bound = _bound(kind)
    if session.explain(bound, config).effect is not Effect.REQUIRE_APPROVAL:
        return bound, config

    def refuse(_: Any) -> Any:
        raise DeniedError(
            f"the request was not sent: the policy wants an approval for {bound.tool.name!r}, but a tool that runs at the "
            "provider cannot wait for one; allow it by rule, or leave it out",
            code="unguarded_tool",
        )

    return replace(bound, validate=refuse), {}


def _bound(kind: str) -> BoundTool:
    if kind not in _BOUND:
        tool = Tool.describe(
            f"openai.{kind}",
            source="openai",
            description=f"The {kind} tool, run at the provider with whatever the model decides to send it.",
        )
        _BOUND[kind] = BoundTool(tool=tool, invoke=lambda _: None)
    return _BOUND[kind]
