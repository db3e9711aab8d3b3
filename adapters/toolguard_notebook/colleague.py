"""``python -m toolguard_notebook.colleague URL TOKEN-FILE``: an approver at the REST API, for notebooks that run by themselves."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from toolguard import practice

__all__ = ["answer", "main"]


def answer(client: httpx.Client, said: str, *, reason: str, after: float, wait: float) -> tuple[int, str]:
    """Answer the newest question that waits for whoever ``client`` is, as it was seen. → HTTP status, its new state or code."""
    until = time.monotonic() + wait
    while not (found := _waiting(client)):
        if time.monotonic() > until:
            return 408, "nothing was asked"
        time.sleep(0.1)
    time.sleep(after)
    status, body = practice.answer(client, found[0], said, reason)
    return status, str(body.get("state" if status < 400 else "code", ""))


def _waiting(client: httpx.Client) -> list[dict[str, Any]]:
    page = client.get("/v1/approvals", params={"state": "pending"})
    page.raise_for_status()
    items: list[dict[str, Any]] = page.json()["items"]
    return items


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("url")
    given.add_argument("token", type=Path)
    given.add_argument("--answer", choices=("approve", "deny"), default="approve")
    given.add_argument("--reason", default="")
    given.add_argument("--after", type=float, default=0.0)
    given.add_argument("--wait", type=float, default=60.0)
    asked = given.parse_args()
    headers = {"Authorization": f"Bearer {asked.token.read_text('utf-8').strip()}"}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=10.0) as client:
        status, said = answer(client, asked.answer, reason=asked.reason, after=asked.after, wait=asked.wait)
    sys.stdout.write(f"{said}\n" if status < 400 else f"refused: {said}\n")


if __name__ == "__main__":
    main()
