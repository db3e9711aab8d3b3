"""Second factors: a code holds once, now, for its person, and guessing is slow."""

import datetime as dt
import stat
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from toolguard.directory import SecondFactors
from toolguard.errors import ConfigError, IdentityError

START = 1_800_000_015.0


class Time:
    at = START

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def factors(tmp_path: Path, time: Time) -> SecondFactors:
    return SecondFactors(tmp_path / "factors.json", now=time)


def code(address: str, at: float) -> str:
    """What an authenticator app shows at that moment."""
    secret = parse_qs(urlsplit(address).query)["secret"][0]
    return pyotp.TOTP(secret).at(dt.datetime.fromtimestamp(at, dt.UTC))


@pytest.mark.parametrize("off", [-30, 0, 30])
def test_the_code_of_now_and_its_neighbours_hold(factors: SecondFactors, off: float) -> None:
    factors.verify("ada", code(factors.enrol("ada"), START + off))


@pytest.mark.parametrize("off", [-90, 90, 86400])
def test_an_old_or_coming_code_does_not(factors: SecondFactors, off: float) -> None:
    shown = code(factors.enrol("ada"), START + off)
    with pytest.raises(IdentityError):
        factors.verify("ada", shown)


def test_a_code_holds_once_also_for_two_at_once(factors: SecondFactors) -> None:
    shown = code(factors.enrol("ada"), START)
    got: list[str] = []

    def use() -> None:
        try:
            factors.verify("ada", shown)
        except IdentityError:
            return
        got.append("in")

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == ["in"]


def test_an_older_code_is_dead_once_a_newer_one_was_used(factors: SecondFactors) -> None:
    address = factors.enrol("ada")
    factors.verify("ada", code(address, START))
    with pytest.raises(IdentityError):
        factors.verify("ada", code(address, START - 30))


def test_another_persons_code_does_not_hold(factors: SecondFactors) -> None:
    factors.enrol("ada")
    shown = code(factors.enrol("grace"), START)
    with pytest.raises(IdentityError):
        factors.verify("ada", shown)
    with pytest.raises(IdentityError):
        factors.verify("nobody", shown)


@pytest.mark.parametrize("wrong", ["", "000000", "12345", "1" * 100, "٣٣٣٣٣٣", "abcdef", "0000 00\n"])
def test_what_is_no_code_is_refused(factors: SecondFactors, wrong: str) -> None:
    address = factors.enrol("ada")
    if wrong.strip() == code(address, START):
        pytest.fail("a code in a million was drawn; run again")
    with pytest.raises(IdentityError):
        factors.verify("ada", wrong)


def test_guessing_is_paused_and_the_true_code_waits_too(factors: SecondFactors, time: Time) -> None:
    address = factors.enrol("ada")
    for _ in range(5):
        with pytest.raises(IdentityError):
            factors.verify("ada", "nonsense")
    with pytest.raises(IdentityError, match="wait"):
        factors.verify("ada", code(address, START))
    time.at += 301
    factors.verify("ada", code(address, time.at))


def test_enrolling_again_and_removing_end_the_old_factor(factors: SecondFactors) -> None:
    old = factors.enrol("ada")
    factors.enrol("ada")
    with pytest.raises(IdentityError):
        factors.verify("ada", code(old, START))
    assert factors.has("ada")
    assert factors.remove("ada")
    assert not factors.remove("ada")
    assert not factors.has("ada")


def test_the_file_is_the_owners_alone_and_a_damaged_one_lets_nobody_through(
    factors: SecondFactors, tmp_path: Path
) -> None:
    address = factors.enrol("ada")
    file = tmp_path / "factors.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        factors.verify("ada", code(address, START))
    file.chmod(0o600)
    file.write_text("{}x")
    with pytest.raises(ConfigError, match="damaged"):
        factors.verify("ada", code(address, START))
