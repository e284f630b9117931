"""Makes `streams/publish/fonts/`: one font for pictures, of Libre Franklin (Latin, Cyrillic) and Vazirmatn (Arabic).

A picture is drawn where no font may be installed, and looks the same everywhere with a font of its own. Run it in a
folder in which `npm pack @fontsource/libre-franklin@5.3.0 @fontsource/vazirmatn@5.3.0` were unpacked, with fonttools
and brotli: `python build.py FOLDER OUT`. Both fonts are under the SIL Open Font License 1.1, without a reserved name.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools.merge import Merger
from fontTools.ttLib import TTFont
from fontTools.ttLib.scaleUpem import scale_upem

NAME = "Netdusk Sans"
UNITS = 1000
PARTS = (
    "fontsource-libre-franklin-5.3.0/package/files/libre-franklin-latin-{weight}-normal.woff2",
    "fontsource-libre-franklin-5.3.0/package/files/libre-franklin-latin-ext-{weight}-normal.woff2",
    "fontsource-libre-franklin-5.3.0/package/files/libre-franklin-cyrillic-{weight}-normal.woff2",
    "fontsource-vazirmatn-5.3.0/package/files/vazirmatn-arabic-{weight}-normal.woff2",
)


def build(folder: Path, out: Path, weight: int, style: str) -> None:
    """Write one weight."""
    parts = []
    for number, part in enumerate(PARTS):
        font = TTFont(folder / part.format(weight=weight))
        if font["head"].unitsPerEm != UNITS:
            scale_upem(font, UNITS)
        font.flavor = None
        path = out / f"part-{number}.ttf"
        font.save(path)
        parts.append(path)
    font = Merger().merge([str(path) for path in parts])
    names = {1: NAME, 2: style, 3: f"netdusk;{NAME} {style}", 4: f"{NAME} {style}", 6: f"NetduskSans-{style}"}
    for record in font["name"].names:
        if record.nameID in names:
            record.string = names[record.nameID]
    font.save(out / f"netdusk-sans-{style.lower()}.ttf")
    for path in parts:
        path.unlink()


if __name__ == "__main__":
    for one, word in ((400, "Regular"), (700, "Bold")):
        build(Path(sys.argv[1]), Path(sys.argv[2]), one, word)
