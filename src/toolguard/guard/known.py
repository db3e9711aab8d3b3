"""What is in force: one policy, and every tool this guard knows as that policy sees it."""

from __future__ import annotations

from toolguard._core.call import Tool
from toolguard._core.policy import Policy
from toolguard.ports import Aiming, Pointing, ToolAnalysis

__all__ = ["Force", "Known"]


class Known:
    """A tool as one policy sees it, worked out once."""

    __slots__ = ("aiming", "analysis", "plan", "pointing", "policy", "tool")

    def __init__(self, tool: Tool, policy: Policy, analysis: ToolAnalysis) -> None:
        self.tool = tool
        self.policy = policy
        self.plan = policy.plan(tool)
        self.analysis = analysis
        # asking a protocol of what it is takes longer than deciding on a call, so it is asked once
        self.pointing = analysis if isinstance(analysis, Pointing) else None
        self.aiming = analysis if isinstance(analysis, Aiming) else None


class Force:
    """A policy with the tools seen by it. It is replaced as a whole, so that no call sees half of one and half of another."""

    __slots__ = ("known", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.known: dict[str, Known] = {}

    def under(self, policy: Policy) -> Force:
        """The same tools under another policy."""
        after = Force(policy)
        after.known = {name: Known(k.tool, policy, k.analysis) for name, k in self.known.items()}
        return after
