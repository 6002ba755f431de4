"""What Prefect's pages show of a flow run: its name, the progress, and the artifacts.

Names and keys say which database it is, so that those of two databases on one server are never confused.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import get_client
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException

from rollcall.database.conninfo import Place, place_of
from rollcall.errors import RollcallError
from rollcall.settings.configuration import load_settings
from rollcall.steps.batches.result import ProgressCallback

__all__ = ["key_of", "named_after_its_state", "progress", "resource_of", "run_name", "show"]

SECONDS_BETWEEN_UPDATES = 5
UNREACHED = (httpx.HTTPError, PrefectException)


def run_name(command: str) -> Callable[[], str]:
    """The name of a flow run at its start, such as ``clean call_centre 05:30`` (UTC)."""

    def name() -> str:
        words = [command]
        with contextlib.suppress(RollcallError):  # the flow itself reports it
            words.append(place_of(load_settings().conninfo).database)
        return " ".join([*words, f"{datetime.now(UTC):%H:%M}"])

    return name


def named_after_its_state(state: State[Any]) -> State[Any]:
    """Append the name of the last state to that of the flow run. Gives the state."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        run = context.flow_run
        with contextlib.suppress(*UNREACHED):
            get_client(sync_client=True).set_flow_run_name(run.id, f"{run.name} {state.name}")
    return state


def show(kind: str, text: str, place: Place) -> None:
    """Keep a text in Markdown with the flow run, under a key of the database.

    Args:
        kind: the first word of the key, such as ``readiness``.
    """
    create_markdown_artifact(text, key_of(kind, place), f"{kind.capitalize()} of {place}")


@contextlib.contextmanager
def progress(total: int, place: Place) -> Iterator[ProgressCallback]:
    """Show the progress of a clean-up; nothing is shown where nothing is to be done.

    A thread sends it every few seconds, so that no batch ever waits for Prefect's server.
    """
    done = _Share()
    if not total:
        yield done
        return
    what = f"Clean-up of {total} sessions, {place}"
    artifact = cast(UUID, create_progress_artifact(0.0, key_of("progress", place), what))
    ended = threading.Event()

    def send() -> None:
        with contextlib.suppress(*UNREACHED):
            update_progress_artifact(artifact, done.percent)

    def keep_sending() -> None:
        while not ended.wait(SECONDS_BETWEEN_UPDATES):
            send()

    sender = threading.Thread(target=contextvars.copy_context().run, args=(keep_sending,), daemon=True)
    sender.start()
    try:
        yield done
    finally:
        ended.set()
        sender.join()
        send()


def resource_of(place: Place) -> dict[str, str]:
    """The resource of an event about a database."""
    return {
        "prefect.resource.id": f"rollcall.database.{place}",
        "prefect.resource.name": place.database,
        "rollcall.host": place.host,
        "rollcall.port": place.port,
        "rollcall.database": place.database,
    }


class _Share(ProgressCallback):
    percent = 0.0

    def advanced(self, done: int, total: int) -> None:
        self.percent = 100.0 * done / total if total else 100.0


def key_of(kind: str, place: Place) -> str:
    """The key of an artifact; a key has small letters, digits and dashes only.

    The letters of a digest at its end tell two databases apart whose names differ in other characters.
    """
    host = "local" if place.host.startswith("/") else place.host
    readable = re.sub(r"[^a-z0-9]+", "-", f"{kind} {place.database} {host} {place.port}".lower()).strip("-")
    return f"{readable}-{hashlib.sha256(str(place).encode()).hexdigest()[:6]}"
