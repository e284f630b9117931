"""Which names a record may carry: of platforms, vantages, targets and regions. The one place that says so.

Names are printed everywhere: in logs, terminals, pages and sentences. A name with a control, format or bidirectional
character can hide, reorder or forge what stands beside it. Nothing here knows records or files.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

PLATFORM_REMEDY: Final = "write a name of small letters, digits, '.', '-' and '_', at most 64 long"

_PLATFORM: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
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

    Control, format, bidirectional, private and unassigned characters are none of these, nor are line separators.

    >>> is_printable("Lahore 3"), is_printable("left\u202etfel"), is_printable("bell\x07"), is_printable("")
    (True, False, False, True)
    """
    return name.isprintable()


@lru_cache(maxsize=8192)
def is_region(name: str, country: str) -> bool:
    """Whether a name has the form of an ISO 3166-2 code of the country.

    >>> is_region("PK-PB", "PK"), is_region("PK-PB", "IN"), is_region("", "PK")
    (True, False, False)
    """
    return _REGION.fullmatch(name) is not None and name[:2] == country
