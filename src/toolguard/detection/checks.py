"""Check digits. They raise a score and never veto: a mistyped or invented number still identifies."""

from __future__ import annotations

import re

__all__ = ["aba_ok", "dea_ok", "iban_ok", "luhn_ok", "mbi_ok", "npi_ok", "ssn_ok", "vin_ok"]

_VIN_VALUES = dict(
    zip(
        "0123456789ABCDEFGHJKLMNPRSTUVWXYZ", [*range(10), *range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)], strict=True
    )
)
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_MBI = re.compile(
    r"[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y]\d-?[AC-HJKMNP-RT-Y]{2}\d{2}"
)


def luhn_ok(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B."""
    total = 0
    for index, char in enumerate(reversed(digits)):
        value = int(char) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return bool(digits) and total % 10 == 0


def npi_ok(digits: str) -> bool:
    """US national provider identifier: ten digits, Luhn with the prefix 80840 (45 CFR 162.406)."""
    return len(digits) == 10 and digits[0] in "12" and luhn_ok("80840" + digits)


def dea_ok(number: str) -> bool:
    """US DEA registration: two characters, six digits, check digit."""
    if len(number) != 9 or not number[2:].isdigit():
        return False
    d = [int(c) for c in number[2:]]
    return (d[0] + d[2] + d[4] + 2 * (d[1] + d[3] + d[5])) % 10 == d[6]


def aba_ok(digits: str) -> bool:
    """US bank routing number: nine digits, weights 3-7-1."""
    if len(digits) != 9:
        return False
    return sum(int(c) * w for c, w in zip(digits, (3, 7, 1) * 3, strict=True)) % 10 == 0


def iban_ok(number: str) -> bool:
    """ISO 13616: remainder 1 modulo 97."""
    compact = number.replace(" ", "").replace("-", "").upper()
    if not compact.isalnum() or not compact.isascii() or len(compact) < 15:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def vin_ok(vin: str) -> bool:
    """ISO 3779 vehicle identification number with its check digit in ninth place."""
    vin = vin.upper()
    if len(vin) != 17 or any(c not in _VIN_VALUES for c in vin):
        return False
    rest = sum(_VIN_VALUES[c] * w for c, w in zip(vin, _VIN_WEIGHTS, strict=True)) % 11
    return vin[8] == ("X" if rest == 10 else str(rest))


def mbi_ok(text: str) -> bool:
    """Medicare beneficiary identifier: the eleven-character pattern of CMS."""
    return _MBI.fullmatch(text.upper()) is not None


def ssn_ok(digits: str) -> bool:
    """A number the US Social Security Administration can have issued."""
    return (
        len(digits) == 9
        and digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
    )
