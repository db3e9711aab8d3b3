"""Approvals in Slack: signed buttons, a dialogue for the reason, and every copy of a message kept true.

``[channels.slack]`` of ``toolguard.toml`` puts it into ``toolguard serve``; see docs/slack.md.
"""

try:
    import slack_sdk  # noqa: F401 - says early, and in one place, that the extra is missing
except ImportError:
    from toolguard.errors import MissingExtraError

    raise MissingExtraError("Slack needs the 'slack' extra; install toolguard-middleware[slack]") from None

from toolguard_slack.channel import SlackChannel
from toolguard_slack.settings import SlackSettings, make_channel

__all__ = ["SlackChannel", "SlackSettings", "make_channel"]
