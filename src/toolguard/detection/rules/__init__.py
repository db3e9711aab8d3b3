"""Recognizers made of patterns and lists: one module per family, all in linear time.

Every recognizer takes a `Lexed` text and returns spans in it. ``recognize`` runs them all, leaving out the
families that the text cannot hold (no digit, no ``@``, no letter).
"""

from __future__ import annotations

from toolguard.detection.rules.run import recognize

__all__ = ["recognize"]
