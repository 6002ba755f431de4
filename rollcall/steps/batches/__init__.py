"""Change sessions in small guarded transactions; shared by clean and undo.

A batch is one transaction of two statements: the first locks the rows that no other transaction holds, the
second judges their present values again, and changes them. The server cancels a statement of a batch that
outlasts the lock timeout; the batch is then split and tried again. Locked rows, and sessions protected by a
ringing call, are retried at the end. A row that the database refuses is reported and stops no other row.

- `engine` runs the passes and keeps the counts of what was done,
- `queue` hands out the sessions,
- `holds` decides when the work waits or stops,
- `worker` runs batches on one connection,
- `size` adapts the number of rows.
"""

from rollcall.steps.batches.engine import Batches
from rollcall.steps.batches.result import RINGING, BatchResult, Item, ProgressCallback

__all__ = ["RINGING", "BatchResult", "Batches", "Item", "ProgressCallback"]
