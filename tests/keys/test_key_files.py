"""Keys as files: what is accepted, and what stops the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from toolguard.cli.keys import app
from toolguard.errors import KeyUnavailableError
from toolguard.keys import Purpose, SecretKey, read_keys, write_key


@pytest.fixture
def key() -> SecretKey:
    return SecretKey.generate(Purpose.SEAL)


def test_a_key_survives_its_file_and_only_its_owner_can_read_it(tmp_path: Path, key: SecretKey) -> None:
    path = tmp_path / "guard.key"
    write_key(path, key)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_keys(path, purpose=Purpose.SEAL) == (key,)
    assert read_keys(f"file:{path}", purpose=Purpose.SEAL) == (key,)


def test_a_key_comes_from_the_environment_by_reference(key: SecretKey) -> None:
    assert read_keys("env:KEY", purpose=Purpose.SEAL, environ={"KEY": key.line}) == (key,)
    with pytest.raises(KeyUnavailableError, match="'KEY' is not set"):
        read_keys("env:KEY", purpose=Purpose.SEAL, environ={})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o610])
def test_a_key_others_can_reach_is_refused(tmp_path: Path, key: SecretKey, mode: int) -> None:
    path = tmp_path / "guard.key"
    write_key(path, key)
    path.chmod(mode)
    with pytest.raises(KeyUnavailableError, match="can be read by others"):
        read_keys(path, purpose=Purpose.SEAL)


def _flip(line: str) -> str:
    at = line.index(":", 20) + 5
    return line[:at] + ("A" if line[at] != "A" else "B") + line[at + 1 :]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda line: "", "is empty"),
        (lambda line: "hunter2", "does not hold a toolguard key"),
        (lambda line: line.replace(":v1:", ":v2:"), "does not hold a toolguard key"),
        (lambda line: "x" + line, "does not hold a toolguard key"),
        (lambda line: line[:-8], "damaged"),
        (_flip, "damaged"),
        (lambda line: line.replace("seal-", "sign-"), "damaged"),
        (lambda line: f"{line}\n{line}", "same key twice"),
        (lambda line: SecretKey.generate(Purpose.SIGN).line, "for 'sign' where one for 'seal'"),
    ],
)
def test_a_wrong_key_file_is_refused_without_showing_it(tmp_path: Path, key: SecretKey, damage, says: str) -> None:  # type: ignore[no-untyped-def] # a lambda a row
    path = tmp_path / "guard.key"
    path.write_text(damage(key.line))
    path.chmod(0o600)
    with pytest.raises(KeyUnavailableError, match=says) as caught:
        read_keys(path, purpose=Purpose.SEAL)
    assert key.line[-20:] not in str(caught.value)


def test_a_key_is_never_overwritten(tmp_path: Path, key: SecretKey) -> None:
    path = tmp_path / "guard.key"
    write_key(path, key)
    with pytest.raises(KeyUnavailableError, match="already there"):
        write_key(path, SecretKey.generate(Purpose.SEAL))
    assert read_keys(path, purpose=Purpose.SEAL) == (key,)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="does not exist"):
        read_keys(tmp_path / "none.key", purpose=Purpose.SIGN)


def test_repr_does_not_show_the_secret(key: SecretKey) -> None:
    assert key.line.rpartition(":")[2] not in repr(key)
    assert repr(key.secret) not in repr(key)


def test_init_prints_only_what_is_public(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    result = CliRunner().invoke(app, ["init", str(folder)])
    assert result.exit_code == 0, result.output
    for name in ("guard.key", "service.key"):
        secret = (folder / name).read_text().strip().rpartition(":")[2]
        assert secret not in result.output
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert "toolguard-pub:v1:sign-" in result.output
    assert folder.stat().st_mode & 0o777 == 0o700
    again = CliRunner().invoke(app, ["init", str(folder)])
    assert again.exit_code == 3
    assert "already there" in again.output


def test_show_and_rotate_print_ids_only(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["init", str(tmp_path)])
    before = (tmp_path / "service.key").read_text()
    rotated = runner.invoke(app, ["rotate", str(tmp_path / "service.key")])
    lines = (tmp_path / "service.key").read_text().splitlines()
    assert rotated.exit_code == 0
    assert len(lines) == 2
    assert lines[0] == before.strip()
    shown = runner.invoke(app, ["show", str(tmp_path / "service.key")])
    assert shown.output.count("toolguard-pub:v1:") == 2
    assert all(line.rpartition(":")[2] not in shown.output + rotated.output for line in lines)


def test_show_of_nothing_fails_plainly(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["show", os.fspath(tmp_path / "none")])
    assert result.exit_code == 3
    assert "does not exist" in result.output
