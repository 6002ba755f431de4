"""A Prefect flow that does nothing: what Prefect itself costs."""

from __future__ import annotations

from prefect import flow

__all__ = ["idle"]


@flow(name="idle", persist_result=False, retries=0)
def idle() -> None:
    """Do nothing."""
