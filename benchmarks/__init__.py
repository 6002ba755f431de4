"""Benchmarks: Rollcall's speed as ratios of side-by-side measurements.

`python -m benchmarks --list` prints their names. A benchmark is not a test: a busy machine may miss a goal,
and the exit code stays 0.
"""
