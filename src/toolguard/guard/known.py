"""A tool as one guard's policy sees it."""

from __future__ import annotations

from toolguard._core.call import Tool
from toolguard._core.policy import ToolPlan
from toolguard.ports import ToolAnalysis

__all__ = ["Known"]


class Known:
    """A tool as this guard's policy sees it, worked out once."""

    __slots__ = ("analysis", "plan", "tool")

    def __init__(self, tool: Tool, plan: ToolPlan, analysis: ToolAnalysis) -> None:
        self.tool = tool
        self.plan = plan
        self.analysis = analysis
