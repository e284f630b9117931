"""Which names a record may carry: of platforms, vantages, targets and regions. The one place that says so.

Names are printed everywhere: in logs, terminals, pages and sentences. A name with a control, format or bidirectional
character can hide, reorder or forge what stands beside it. Nothing here knows records or files.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: A platform's name is so long at most.
PLATFORM_MAX: Final = 64
PLATFORM_REMEDY: Final = (
    f"write a name of small letters, digits, '.', '-' and '_', at most {PLATFORM_MAX} long"
)

#: Letters, marks and a sign that are printable by Unicode's categories, and show as nothing: Default_Ignorable of
#: Unicode 16 less the format characters, and the empty Braille pattern.
_BLANK: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)
#: Characters that control, turn or hide text, or that XML forbids. Line breaks, tabs and the joiners that Persian and
#: Urdu need are none.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_PLATFORM: Final = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{PLATFORM_MAX - 1}}}")
_REGION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")


@lru_cache(maxsize=8192)
def is_platform(name: str) -> bool:
    """Whether a platform may be called so, in a targets file and in a record.

    >>> is_platform("x"), is_platform("X"), is_platform("you tube")
    (True, False, False)
    """
    return _PLATFORM.fullmatch(name) is not None


def is_printable(name: str) -> bool:
    r"""Whether a name holds none but letters, marks, digits, signs and plain spaces.

    Control, format, bidirectional, private and unassigned characters are none of these, nor are line separators, nor
    letters and signs that show as nothing: two names that look alike must be one.

    >>> is_printable("Lahore 3"), is_printable("left\u202etfel"), is_printable("bell\x07"), is_printable("")
    (True, False, False, True)
    >>> is_printable("\u3164"), is_printable("a\u2800b"), is_printable("\uad11\uc8fc")
    (False, False, True)
    """
    return name.isprintable() and (name.isascii() or _BLANK.isdisjoint(name))


def escaped(text: str) -> str:
    r"""The text with escapes for what is not printable, for a message about it.

    >>> print(escaped("a\u202eb\x00"), escaped("Lahore"))
    a\u202eb\x00 Lahore
    """
    if is_printable(text):
        return text
    return "".join(sign if is_printable(sign) else ascii(sign)[1:-1] for sign in text)


def visible(text: str) -> str:
    r"""The text with escapes for what turns, hides or breaks what stands beside it, for a page, picture or feed.

    >>> print(visible("a\u202eb\x00"), len(visible("\u0645\u06cc\u200c\u0634\n")))
    a\u202eb\x00 5
    """
    return text if text.isprintable() else _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


@lru_cache(maxsize=8192)
def is_region(name: str, country: str) -> bool:
    """Whether a name has the form of an ISO 3166-2 code of the country.

    >>> is_region("PK-PB", "PK"), is_region("PK-PB", "IN"), is_region("", "PK")
    (True, False, False)
    """
    return _REGION.fullmatch(name) is not None and name[:2] == country
