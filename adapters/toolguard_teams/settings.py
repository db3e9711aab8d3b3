"""``[channels.teams]``: which app, which tenants, which rooms and people."""

from __future__ import annotations

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolguard.channels import Place
from toolguard.errors import ConfigError, IdentityError
from toolguard_teams.channel import TeamsChannel
from toolguard_teams.connector import Connector
from toolguard_teams.inbound import SERVICE_HOSTS, Keys, Sender, check_host
from toolguard_teams.places import Places

__all__ = ["TeamsSettings", "make_channel"]

_GUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


class TeamsSettings(BaseModel):
    """The keys of ``[channels.teams]``. The secret is a reference: ``env:NAME``, or the path of a file.

    Attributes:
        tenant: the toolguard tenant whose approvals are told here.
        app_id, app_tenant: the bot's registration in Entra (GUIDs).
        secret: a reference to its client secret.
        tenants: Entra tenants whose people count; ``app_tenant`` alone by default.
        rooms: room of a policy's ``channel: teams:ROOM`` → conversation id of a Teams channel (``19:…@thread.tacv2``).
        people: room → Entra object ids that are told in their own chat.
        service_url: Teams' connector for your cloud and region.
        conversations: the private file in which it is kept where cards stand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str
    app_id: str = Field(pattern=_GUID)
    app_tenant: str = Field(pattern=_GUID)
    secret: str
    tenants: tuple[str, ...] = ()
    rooms: dict[str, str] = {}
    people: dict[str, tuple[str, ...]] = {}
    service_url: str = "https://smba.trafficmanager.net/teams/"
    conversations: str = "toolguard.teams"


def make_channel(place: Place, *, client: httpx.Client | None = None) -> TeamsChannel:
    """The channel ``[channels.NAME]`` describes (entry point ``toolguard.channels``). Raises ConfigError.

    ``client`` is what Teams and Entra are reached by: one with a proxy of yours, for example.
    """
    name = place.name
    try:
        checked = TeamsSettings.model_validate(dict(place.settings))
        check_host(checked.service_url, SERVICE_HOSTS)
    except ValidationError as fault:
        told = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in fault.errors(include_input=False)
        )
        raise ConfigError(f"[channels.{name}]: {told}; see docs/teams.md for every key") from None
    except IdentityError:
        raise ConfigError(f"[channels.{name}]: 'service_url' has to be https on one of Teams' own hosts") from None
    if not checked.rooms and not checked.people:
        raise ConfigError(f"[channels.{name}]: nobody would be told; name 'rooms' or 'people'")
    client = client or httpx.Client(timeout=10.0, follow_redirects=False)
    sender = Sender(app_id=checked.app_id, tenants=frozenset(checked.tenants or (checked.app_tenant,)))
    return TeamsChannel(
        place.authority,
        name=name,
        tenant=checked.tenant,
        sender=sender,
        connector=Connector(
            app_id=checked.app_id,
            secret=place.secret(checked.secret),
            tenant=checked.app_tenant,
            client=client,
            hosts=sender.hosts,
        ),
        keys=Keys(client, place.authority.now),
        places=Places(place.folder / checked.conversations),
        rooms=checked.rooms,
        people=checked.people,
        service_url=checked.service_url,
        entra_tenant=checked.app_tenant,
        inbox=place.inbox,
    )
