"""Approvals in Microsoft Teams: cards that only approvers can press, every copy kept true.

``[channels.teams]`` of ``toolguard.toml`` puts it into ``toolguard serve``; see docs/teams.md.
"""

try:
    import jwt  # noqa: F401 - says early, and in one place, that the extra is missing
except ImportError:
    from toolguard.errors import MissingExtraError

    raise MissingExtraError("Teams needs the 'teams' extra; install toolguard-middleware[teams]") from None

from toolguard_teams.channel import TeamsChannel
from toolguard_teams.settings import TeamsSettings, make_channel

__all__ = ["TeamsChannel", "TeamsSettings", "make_channel"]
