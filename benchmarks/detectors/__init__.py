"""Detectors side by side, on the same simulated worlds: the table of `docs/detection.md`.

`python -m benchmarks.detectors` runs it and writes the table. Everybody gets the same results, the same series and
the same judge; parameters were frozen before, on other seeds (`choices.py`).
"""
