"""``python -m toolguard_notebook.setup FOLDER``: write what a practice ward needs. A process of its own, so that no key
and no token passes through a notebook's kernel."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path

from toolguard.directory import Audience
from toolguard.practice import APPROVER, CONFIG, REQUESTER, issue, keep_token, prepare
from toolguard_notebook.practice import TENANT

__all__ = ["main"]


def main() -> None:
    given = argparse.ArgumentParser()
    given.add_argument("folder", type=Path)
    given.add_argument("--port", type=int, default=8790)
    asked = given.parse_args()
    folder: Path = asked.folder
    if (folder / CONFIG).exists():
        sys.exit(f"{str(folder)!r} holds an installation already; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    policy = files("toolguard_notebook").joinpath("policy.yaml").read_bytes()
    prepare(folder, tenant=TENANT, policy=policy, port=asked.port)
    for who in (REQUESTER, APPROVER):
        keep_token(folder, who, issue(folder, who, tenant=TENANT, audience=Audience.DECIDE))


if __name__ == "__main__":
    main()
