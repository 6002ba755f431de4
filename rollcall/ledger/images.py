"""Proof that the recorded images of a run are unaltered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollcall.database.connections import Snapshot
from rollcall.dbt.project import Project
from rollcall.errors import Refused

__all__ = ["ImagesProof", "prove_images", "refuse_altered_images"]

KEYS_NAMED = 5


@dataclass(frozen=True)
class ImagesProof:
    """Comparison of a run's recorded images with their digests.

    Attributes:
        is_recorded: whether the run kept digests; runs of earlier versions did not.
        altered: number of sessions whose image or digest was altered, added or removed after the run.
        altered_keys: the first keys of these sessions.
        is_complete: whether the digest over all images matches the one kept with the run.
    """

    is_recorded: bool
    altered: int
    altered_keys: tuple[str, ...]
    is_complete: bool

    @property
    def holds(self) -> bool:
        """Whether no image is known to be altered."""
        return not self.altered and self.is_complete

    def to_json(self) -> dict[str, Any]:
        return {
            "recorded": self.is_recorded,
            "holds": self.holds,
            "altered": self.altered,
            "altered_keys": list(self.altered_keys),
            "complete": self.is_complete,
        }


def prove_images(snapshot: Snapshot, project: Project, run_id: str) -> ImagesProof | None:
    """Compare the images of a run with their digests; None for an unknown run."""
    rows = snapshot.rows(project.sql("prove_images"), [run_id])
    if not rows:
        return None
    row = rows[0]
    return ImagesProof(row["is_recorded"], row["altered"], tuple(row["altered_keys"]), row["is_complete"])


def refuse_altered_images(snapshot: Snapshot, project: Project, run_id: str) -> None:
    """Refuse to restore images that were altered after the run.

    Raises:
        Refused: an image does not match its digest; names the first keys.
    """
    proof = prove_images(snapshot, project, run_id)
    if proof is None or proof.holds:
        return
    named = ", ".join(proof.altered_keys[:KEYS_NAMED])
    what = f"{proof.altered} of its images ({named})" if proof.altered else "its images as a whole"
    raise Refused(
        f"the record of run {run_id} was altered after the run: {what} do not fit the digest",
        "Nothing was restored. Take the values from a backup; `rollcall doctor` lists the roles that may "
        "write to the ledger",
    )
