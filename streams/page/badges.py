"""Badges: how a country or an incident stands, in a line, for other people's pages."""

from __future__ import annotations

from typing import Final

from streams.page.observatory import State
from streams.publish.draw import shown

_COLOURS: Final = {
    State.WELL: ("#d5e3f0", "#10304f"),
    State.MINOR: ("#f3c27a", "#2a1a00"),
    State.MAJOR: ("#a82c0f", "#ffffff"),
    State.CRITICAL: ("#a82c0f", "#ffffff"),
    State.DARK: ("#17181c", "#ffffff"),
    State.UNCONFIRMED: ("#f1e3cf", "#4a2c00"),
    State.LEARNING: ("#e2dfd7", "#3b3f46"),
    State.UNKNOWN: ("#e2dfd7", "#3b3f46"),
}
_LETTER: Final = 6.6


def badge(name: str, state: State, words: str, *, simulated: bool = False) -> str:
    """A badge as SVG; it says its words to a screen reader too.

    >>> "Pakistan: As usual" in badge("Pakistan", State.WELL, "As usual")
    True
    """
    if simulated:
        words = f"SIMULATED: {words}"
    left, right = (round(_LETTER * len(text)) + 18 for text in (name, words))
    ground, ink = _COLOURS[state]
    label = shown(f"{name}: {words}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="22" role="img" '
        f'aria-label="{label}">'
        f"<title>{label}</title>"
        f'<rect width="{left}" height="22" fill="#14171c"/>'
        f'<rect x="{left}" width="{right}" height="22" fill="{ground}"/>'
        '<g font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">'
        f'<text x="{left / 2}" y="15" fill="#ffffff">{shown(name)}</text>'
        f'<text x="{left + right / 2}" y="15" fill="{ink}">{shown(words)}</text></g></svg>'
    )
