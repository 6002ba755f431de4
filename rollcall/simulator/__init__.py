"""The simulator: a call centre's traffic on a real database, with known ground truth.

Asyncio clients behave as the application does (`agents`, `calls`, `router`; their statements are in
`application`, their decisions in `scripts`). Who is really there is kept in memory (`truth`). What
other processes changed is read back (`observer`) and judged against the truth (`judge`), without a line
of Rollcall's SQL: the two can only agree by both being right.
"""

from rollcall.simulator.options import Options
from rollcall.simulator.report import Report
from rollcall.simulator.simulation import Simulation, simulate

__all__ = ["Options", "Report", "Simulation", "simulate"]
