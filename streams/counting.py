"""A number with its noun, as commands say it. By itself, for a vantage as one file has no package of languages."""

from __future__ import annotations


def amount(number: int, noun: str, nouns: str = "") -> str:
    """Return so many of something, in digits, one or several.

    >>> amount(1, "cell"), amount(0, "cell"), amount(1200, "series", "series")
    ('1 cell', '0 cells', '1,200 series')
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
