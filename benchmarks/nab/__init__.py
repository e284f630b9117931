"""Numenta's Anomaly Benchmark, as a check that the univariate channel is sane.

The data are the user's to fetch, and never part of this project: `python -m benchmarks.nab FOLDER`.
"""
