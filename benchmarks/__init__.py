"""How fast Rollcall is, as ratios of things measured side by side: `python -m benchmarks --list`.

A benchmark is not a test: a machine that is busy may miss a goal, and the exit code stays 0.
"""
