"""T3: another user of the service's machine, by the way to a file, by its owner, or by what a channel keeps; and proxies."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from attacks.test_one_user import CONFIG, place
from toolguard.config import load_config, separation
from toolguard.errors import ConfigError
from toolguard_server.cli import _proxies

__all__ = ["place"]

Prepare = Callable[[Path], object]
ROOT = os.geteuid() == 0
THEIRS: set[Path] = set()
"""What was given to the other user, where only pretending is possible."""


def give(path: Path) -> None:
    if ROOT:
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
    THEIRS.add(path)


def reached(place: Path, prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What another user can misuse after ``prepare``: really that user where we are root, else one by the file modes."""
    THEIRS.clear()
    for path in place.iterdir():
        path.chmod(0o600 if path.name in ("service.key", "toolguard.witness") else 0o644)
    for folder in (place, *place.parents):
        if folder.stat().st_uid == os.geteuid() and len(folder.parts) > 2:
            folder.chmod(0o755)
    prepare(place)
    config = load_config(place / "toolguard.toml")
    if not ROOT:
        monkeypatch.setattr(separation, "_own", lambda path: path in THEIRS)
        monkeypatch.setattr(separation, "_may", lambda path, what: path.exists() and path.stat().st_mode & what == what)
        return list(separation.reaches(config))
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        return list(separation.reaches(config))
    finally:
        os.seteuid(0)


def shared(place: Path) -> Path:
    folder = place / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def link_into_a_shared_folder(place: Path) -> None:
    kept = shared(place) / "tokens.json"
    kept.write_text("{}")
    (place / "tokens.json").unlink()
    (place / "tokens.json").symlink_to(kept)


def link_by_a_link_of_ones_own(place: Path) -> None:
    (place / "real.json").write_text("{}")
    between = shared(place) / "between"
    between.symlink_to("../real.json")
    (place / "tokens.json").unlink()
    (place / "tokens.json").symlink_to(Path("shared", "between"))


def folder_that_is_a_link(place: Path) -> None:
    inside = shared(place) / "inside"
    inside.mkdir()
    (inside / "tokens.json").write_text("{}")
    (place / "kept").symlink_to("shared/inside")
    (place / "toolguard.toml").write_text(CONFIG.replace('"tokens.json"', '"kept/tokens.json"'))


def up_again_behind_a_link(place: Path) -> None:
    folder = shared(place)
    (folder / "deep").mkdir()
    (folder / "tokens.json").write_text("{}")
    (place / "kept").symlink_to("shared/deep")
    (place / "toolguard.toml").write_text(CONFIG.replace('"tokens.json"', '"kept/../tokens.json"'))


def folder_above(place: Path) -> None:
    place.parent.chmod(0o777)


def folder_itself(place: Path) -> None:
    place.chmod(0o777)


def key_shut_by_its_owner(place: Path) -> None:
    give(place / "service.key")
    (place / "service.key").chmod(0)


def tokens_shut_by_their_owner(place: Path) -> None:
    give(place / "tokens.json")
    (place / "tokens.json").chmod(0o444)


def folder_shut_by_its_owner(place: Path) -> None:
    give(place)
    place.chmod(0o555)


def key_in_a_folder_shut_by_its_owner(place: Path) -> None:
    folder = place / "keys"
    folder.mkdir()
    (place / "service.key").rename(folder / "service.key")
    (folder / "service.key").chmod(0o644)
    give(folder)
    folder.chmod(0)
    (place / "toolguard.toml").write_text(CONFIG.replace('"service.key"', '"keys/service.key"'))


def second_factors(place: Path) -> None:
    (place / "factors.json").write_text("{}")
    (place / "factors.json").chmod(0o644)
    text = CONFIG.replace('tokens = "tokens.json"', 'tokens = "tokens.json"\nsecond_factors = "factors.json"')
    (place / "toolguard.toml").write_text(text)


def secret_of_a_channel(place: Path) -> None:
    (place / "slack-secret").write_text("s")
    (place / "slack-secret").chmod(0o644)
    (place / "toolguard.toml").write_text(CONFIG + '[channels.slack]\nsigning_secret = "file:slack-secret"\n')


def all_but_the_key() -> list[str]:
    return ["service.witness", "directory.tokens", "directory.file"]


@pytest.mark.parametrize(
    ("prepare", "found"),
    [
        (link_into_a_shared_folder, ["directory.tokens"]),
        (link_by_a_link_of_ones_own, ["directory.tokens"]),
        (folder_that_is_a_link, ["directory.tokens"]),
        (up_again_behind_a_link, ["directory.tokens"]),
        (folder_above, all_but_the_key()),
        (folder_itself, all_but_the_key()),
        (key_shut_by_its_owner, ["service.signing_key"]),
        (tokens_shut_by_their_owner, ["directory.tokens"]),
        (folder_shut_by_its_owner, all_but_the_key()),
        (key_in_a_folder_shut_by_its_owner, ["service.signing_key"]),
        (second_factors, ["directory.second_factors"]),
        (secret_of_a_channel, ["channels.slack.signing_secret"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_t3_what_can_be_replaced_opened_or_read_is_reached(
    place: Path, prepare: Prepare, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reached(place, prepare, monkeypatch) == found


def shut(place: Path) -> None:
    place.chmod(0o700)


def sticky(place: Path) -> None:
    place.chmod(0o1777)


def linked_and_kept(place: Path) -> None:
    (place / "real.json").write_text("{}")
    (place / "tokens.json").unlink()
    (place / "tokens.json").symlink_to(place / "real.json")


@pytest.mark.parametrize("prepare", [shut, sticky, linked_and_kept], ids=lambda prepare: prepare.__name__)
def test_t3_what_is_really_apart_is_said_to_be(place: Path, prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reached(place, prepare, monkeypatch) == []


def test_t3_a_channels_secret_in_this_process_own_environment_is_within_reach(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = place / "toolguard.toml"
    config.write_text(CONFIG + '[channels.slack]\nsigning_secret = "env:SLACK_SECRET"\n')
    assert "channels.slack.signing_secret" not in separation.reaches(load_config(config))
    monkeypatch.setenv("SLACK_SECRET", "anything")
    assert "channels.slack.signing_secret" in separation.reaches(load_config(config))


# --- proxies


@pytest.mark.parametrize(
    "listed",
    [
        ["*"],
        [""],
        ["0.0.0.0/0"],
        ["::/0"],
        ["0.0.0.0/1", "128.0.0.0/1"],
        ["::/1"],
        ["::ffff:0:0/96"],
        ["10.0.0.5/24"],
        ["proxy.internal"],
        ["10.0.0.5, 0.0.0.0/0"],
        ["10.0.0.5:443"],
    ],
    ids=str,
)
def test_t3_nobody_lists_everybody_as_a_proxy(listed: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"service\.proxies"):
        _proxies(listed)


PROXIES = ["10.0.0.5", "fd00::/64"]


async def visitor(peer: str, *headers: tuple[str, str]) -> tuple[str, str]:
    """(address, scheme) the service takes a request to be of."""
    seen: dict[str, object] = {}

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        seen.update(scope)

    scope = {
        "type": "http",
        "client": (peer, 1),
        "scheme": "http",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await ProxyHeadersMiddleware(app, trusted_hosts=_proxies(PROXIES))(scope, None, None)  # type: ignore[arg-type]  # neither is asked
    return str(seen["client"][0]), str(seen["scheme"])  # type: ignore[index]  # a pair, as ASGI has it


FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"


@pytest.mark.parametrize(
    ("peer", "headers", "address", "scheme"),
    [
        ("203.0.113.9", [(FOR, "192.0.2.1"), (PROTO, "https")], "203.0.113.9", "http"),
        ("10.0.0.50", [(FOR, "192.0.2.1"), (PROTO, "https")], "10.0.0.50", "http"),
        ("::ffff:10.0.0.6", [(FOR, "192.0.2.1")], "::ffff:10.0.0.6", "http"),
        ("10.0.0.5", [(FOR, "192.0.2.1, 203.0.113.9")], "203.0.113.9", "http"),
        ("10.0.0.5", [(FOR, "192.0.2.1"), (FOR, "203.0.113.9")], "203.0.113.9", "http"),
        ("10.0.0.5", [(FOR, "192.0.2.1, 203.0.113.9, 10.0.0.5")], "203.0.113.9", "http"),
        ("10.0.0.5", [(FOR, "192.0.2.1, 203.0.113.9:4711")], "203.0.113.9", "http"),
        ("fd00::7", [(FOR, "192.0.2.1, [2001:db8::9]:4711")], "2001:db8::9", "http"),
        ("10.0.0.5", [("x-forwarded-host", "evil.example"), ("forwarded", "for=192.0.2.1")], "10.0.0.5", "http"),
        ("10.0.0.5", [(FOR, ""), (PROTO, "gopher")], "10.0.0.5", "http"),
    ],
)
async def test_t3_where_a_visitor_comes_from_is_the_last_proxys_word(
    peer: str, headers: list[tuple[str, str]], address: str, scheme: str
) -> None:
    assert await visitor(peer, *headers) == (address, scheme)
