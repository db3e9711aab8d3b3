"""``[channels.slack]``: which app, which workspace, which rooms."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolguard.channels import Place
from toolguard.errors import ConfigError
from toolguard_slack.channel import SlackChannel

__all__ = ["SlackSettings", "make_channel"]


class SlackSettings(BaseModel):
    """The keys of ``[channels.slack]``. Secrets are references: ``env:NAME``, or the path of a file.

    Attributes:
        tenant: the tenant whose approvals this workspace sees.
        app_id, team: the app's id (``A…``) and the workspace's (``T…``); ``enterprise`` (``E…``) for an org-wide app.
        rooms: room of a policy's ``channel: slack:ROOM`` → Slack channel id (``C…``); ``default`` for ``slack`` alone.
        external_teams: other workspaces whose people count (Slack Connect); none by default.
        signing_secret, bot_token, app_token: references; ``app_token`` turns Socket Mode on.
        api: where Slack's Web API is; only for tests against a server of your own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    app_id: str = Field(pattern=r"^A[A-Z0-9]{2,20}$")
    team: str = Field(pattern=r"^T[A-Z0-9]{2,20}$")
    enterprise: str = Field(default="", pattern=r"^(E[A-Z0-9]{2,20})?$")
    rooms: dict[str, str]
    external_teams: tuple[str, ...] = ()
    signing_secret: str
    bot_token: str
    app_token: str = ""
    api: str = "https://slack.com/api/"


def make_channel(place: Place) -> SlackChannel:
    """The channel ``[channels.NAME]`` describes (entry point ``toolguard.channels``). Raises ConfigError."""
    name = place.name
    try:
        checked = SlackSettings.model_validate(dict(place.settings))
    except ValidationError as fault:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in fault.errors(include_input=False)
        )
        raise ConfigError(f"[channels.{name}]: {told}; see docs/slack.md for every key") from None
    if not checked.api.startswith(("https://", "http://127.0.0.1:")):
        raise ConfigError(f"[channels.{name}]: 'api' has to be https; tokens would travel in clear text")
    return SlackChannel(
        place.authority,
        name=name,
        tenant=checked.tenant,
        app_id=checked.app_id,
        team=checked.team,
        enterprise=checked.enterprise,
        external_teams=frozenset(checked.external_teams),
        rooms=checked.rooms,
        signing_secret=place.secret(checked.signing_secret),
        bot_token=place.secret(checked.bot_token),
        app_token=place.secret(checked.app_token) if checked.app_token else "",
        inbox=place.inbox,
        api=checked.api,
    )
