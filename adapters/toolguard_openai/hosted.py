"""Tools that run at the provider: no call of theirs can be stopped, so the policy judges the offer itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolguard import BoundTool, Effect, Session, Tool
from toolguard.errors import DeniedError
from toolguard_openai.requests import Request

__all__ = ["ajudge_tools", "judge_tools"]

_BOUND: dict[str, BoundTool] = {}


def judge_tools(session: Session, request: Request) -> None:
    """Judge what the request offers, before it is sent. An offer of a hosted tool is recorded as a call of it.

    Raises:
        DeniedError: the policy does not allow ``openai.<type>``, or a tool is not the one this guard knows.
    """
    _check_own(session, request)
    for kind, config in request.hosted:
        bound, raw = _offer(session, kind, config)
        session.call(bound, raw)


async def ajudge_tools(session: Session, request: Request) -> None:
    _check_own(session, request)
    for kind, config in request.hosted:
        bound, raw = _offer(session, kind, config)
        await session.acall(bound, raw)


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
