"""The service behind a reverse proxy: whose word counts for where a visitor comes from."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from server.process import configure, start, stop, wait_for
from toolguard.config import load_config
from toolguard.errors import ConfigError
from toolguard_server.cli import _proxies

URL = "https://approvals.general.example"


def wrong_tokens(place: Path, proxies: list[str]) -> list[int]:
    """What thirty visitors with wrong tokens are told, all of whom one machine forwards."""
    ward = configure(place, url=URL)
    config = place / "toolguard.toml"
    config.write_text(config.read_text().replace("[service]\n", f"[service]\nproxies = {proxies!r}\n"))
    process = start(place, "--host", "127.0.0.1", "--port", "0", "--ready-file", str(place / "ready.json"))
    try:
        url = wait_for(process, place)
        assert url.startswith("http://127.0.0.1:")
        answers = []
        for n in range(30):
            headers = {
                "Authorization": "Bearer tg_decide_wrong",
                "X-Forwarded-For": f"192.0.2.{n}",
                "X-Forwarded-Proto": "https",
                "Host": "approvals.general.example",
            }
            answers.append(httpx.get(f"{url}/v1/approvals", headers=headers, timeout=60))
        secure = {"strict-transport-security" in answer.headers for answer in answers}
        assert secure == {bool(proxies)}
        return [answer.status_code for answer in answers]
    finally:
        stop(process)
        ward.store.close()


def test_visitors_are_told_apart_behind_a_proxy_that_is_named(tmp_path: Path) -> None:
    assert set(wrong_tokens(tmp_path, ["127.0.0.1"])) == {401}


@pytest.mark.parametrize("proxies", [[], ["192.0.2.0/24"]], ids=["none is named", "another is named"])
def test_nobody_else_says_where_a_visitor_comes_from(tmp_path: Path, proxies: list[str]) -> None:
    answers = wrong_tokens(tmp_path, proxies)
    assert answers[:20] == [401] * 20
    assert 429 in answers


@pytest.mark.parametrize("listed", ["*", "0.0.0.0/0", "::/0", "proxy.general.example", "10.0.0.1/8"])
def test_everybody_is_no_proxy(listed: str) -> None:
    with pytest.raises(ConfigError, match=r"service\.proxies"):
        _proxies([listed])


def test_none_is_named_by_default(tmp_path: Path) -> None:
    configure(tmp_path).store.close()
    assert load_config(tmp_path / "toolguard.toml").service.proxies == []
