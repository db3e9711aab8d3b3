"""Channels: how approvers are told and, where a channel can prove who they are, how they answer."""

from toolguard.channels.card import Card, Row, card_of
from toolguard.channels.exchange import Connected, Inbound, Mounted, Outbound
from toolguard.channels.load import Place, open_channels
from toolguard.channels.words import CONSEQUENCE, HINTS, STATE_WORDS, duration

__all__ = [
    "CONSEQUENCE",
    "HINTS",
    "STATE_WORDS",
    "Card",
    "Connected",
    "Inbound",
    "Mounted",
    "Outbound",
    "Place",
    "Row",
    "card_of",
    "duration",
    "open_channels",
]
