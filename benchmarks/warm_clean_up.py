"""`python -m benchmarks.warm_clean_up`: the scheduled clean-up again and again in one process.

Its last line is the median of the processor time of a run, in seconds, after a first run that is not counted.
"""

from __future__ import annotations

import statistics
import time

from flows.clean import clean

RUNS = 5


def main() -> None:
    clean()
    print(statistics.median(_seconds_of_one() for _ in range(RUNS)))


def _seconds_of_one() -> float:
    before = time.process_time()
    clean()
    return time.process_time() - before


if __name__ == "__main__":
    main()
