"""docs/rest.md says of every route what the API's own description says.

After a change: ``python -c "from server.test_rest_document import write; write()"`` in tests/.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from authority.ward import Ward
from server.visitors import app_of
from toolguard_server.problems import STATUS

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"
_ALWAYS = {"401", "403", "404", "422", "503"}


def described() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        ward = Ward(Path(folder))
        found: dict[str, Any] = app_of(ward).openapi()
        ward.store.close()
    return found


def routes() -> str:
    rows = ["| call | what | answers |", "|---|---|---|"]
    for path, methods in described()["paths"].items():
        for method, said in methods.items():
            codes = ", ".join(sorted(set(said["responses"]) - _ALWAYS))
            rows.append(f"| `{method.upper()} {path}` | {said['summary']} | {codes} |")
    return "\n".join(rows)


def codes() -> str:
    by_status: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        by_status.setdefault(status, []).append(f"`{code}`")
    rows = [f"| {status} | {' '.join(sorted(names))} |" for status, names in sorted(by_status.items())]
    return "\n".join(["| status | `code` |", "|---|---|", *rows])


def _filled(text: str) -> str:
    for name, table in (("routes", routes()), ("codes", codes())):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        assert pattern.search(text), name
        text = pattern.sub(lambda found, table=table: found[1] + table + "\n" + found[2], text)  # type: ignore[misc] # a match is a str
    return text


def write() -> None:
    PAGE.write_text(_filled(PAGE.read_text("utf-8")), "utf-8")


def test_the_page_says_what_the_description_says() -> None:
    text = PAGE.read_text("utf-8")
    assert _filled(text) == text
