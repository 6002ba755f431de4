"""The simulator: a call centre's traffic on a real database, with known ground truth.

Asyncio clients behave as the application does (`agents`, `calls`, `router`; their statements are in
`application`, their decisions in `scripts`). `truth` keeps in memory which agents are present. `observer`
reads the changes of other processes, and `judge` compares them with the truth. None of these modules uses
Rollcall's SQL, so that an error in it cannot hide itself.
"""

from rollcall.sandbox.simulator.options import Options
from rollcall.sandbox.simulator.report import Report
from rollcall.sandbox.simulator.simulation import Simulation, simulate

__all__ = ["Options", "Report", "Simulation", "simulate"]
