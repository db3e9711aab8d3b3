"""Numbers, telephone numbers and addresses as people say them aloud."""

from __future__ import annotations

from random import Random
from typing import Final

from training.dates import spoken_number

__all__ = ["spoken_digits", "spoken_house", "spoken_phone"]

_DIGITS: Final = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_UNITS: Final = ["", "", "", " apartment {}", " apt {}", " unit {}", " suite {}", " number {}"]
_STREETS: Final = [
    "street",
    "avenue",
    "road",
    "lane",
    "drive",
    "court",
    "place",
    "way",
    "boulevard",
    "circle",
    "terrace",
]


def spoken_digits(random: Random, size: int) -> str:
    """``size`` digits one by one, some doubled ("double four"), zero as "oh" by habit."""
    zero = random.choice(["zero", "oh", "oh"])
    words: list[str] = []
    for _ in range(size):
        digit = random.randrange(10)
        words.append(zero if digit == 0 else _DIGITS[digit])
    if random.random() < 0.15:
        at = random.randrange(len(words))
        words[at : at + 1] = ["double", words[at]]
    return " ".join(words)


def spoken_phone(random: Random) -> str:
    """A telephone number in words or in figures, in groups as it is said."""
    if random.random() < 0.25:
        gap = random.choice([" ", ", ", " - "])
        return gap.join(str(random.randrange(low, 10 * low)) for low in (100, 100, 1000))
    groups = random.choice([(3, 3, 4), (3, 3, 4), (3, 4), (3, 3, 2, 2)])
    gap = random.choice([" ", " ", ", ", "... ", " - "])
    head = random.choice(["", "", "", "area code ", "one "])
    return head + gap.join(spoken_digits(random, size) for size in groups)


def spoken_house(random: Random, street: str, town: str) -> str:
    """An address said aloud; ``street`` is the bare name of the street."""
    number = random.choice([random.randint(1, 99), random.randint(100, 999), random.randint(1000, 9999)])
    if number > 99 and random.random() < 0.7:
        said = f"{spoken_number(number // 100)} {'oh ' if number % 100 < 10 else ''}{spoken_number(number % 100)}"
    else:
        said = spoken_number(number)
    unit = random.choice(_UNITS).format(random.choice([spoken_number(random.randint(1, 40)), random.choice("abcdef")]))
    place = random.choice(["", f" in {town}", f" {town}", f", {town}"])
    return f"{said} {street.lower()} {random.choice(_STREETS)}{unit}{place}"
