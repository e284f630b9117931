"""Write what is shipped: `python -m monitoring`."""

from __future__ import annotations

import sys

from monitoring.shipped import ROOT, files


def main() -> None:
    """Write every file."""
    for path, text in files().items():
        place = ROOT / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
