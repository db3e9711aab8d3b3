"""The demonstration's own small installation: keys, people, policy and configuration in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from toolguard import practice
from toolguard.directory import Audience
from toolguard.practice import AGENT, APPROVER, REQUESTER

__all__ = ["AGENT", "APPROVER", "REQUESTER", "TENANT", "Place", "prepare"]

TENANT = "general"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Paths and tokens. ``tokens`` maps a person, or the agent's service account, to its secret."""

    folder: Path
    config: Path
    tokens: dict[str, str]

    def token_file(self, who: str) -> Path:
        """Where a person's token lies, for the command line."""
        return practice.token_file(self.folder, who)

    def link(self, who: str, url: str) -> str:
        """A one-time sign-in link for the inbox."""
        return f"{url}/signin#{practice.issue(self.folder, who, tenant=TENANT, audience=Audience.LINK, lifetime=600.0)}"


def prepare(folder: Path) -> Place:
    """Write everything an installation needs, with a token for each of the two people and for the agent's account."""
    policy = files("toolguard_demo").joinpath("policy.yaml").read_bytes()
    place = Place(folder=folder, config=practice.prepare(folder, tenant=TENANT, policy=policy), tokens={})
    for audience, who in ((Audience.DECIDE, REQUESTER), (Audience.DECIDE, APPROVER), (Audience.SERVICE, AGENT)):
        place.tokens[who] = practice.issue(folder, who, tenant=TENANT, audience=audience)
        practice.keep_token(folder, who, place.tokens[who])
    return place
