"""The reports of a judgement that could not be made: they exist, and say why."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["reports_of_failure"]


@contextlib.contextmanager
def reports_of_failure(
    command: str,
    junit: Path | None,
    markdown: Path | None,
    *,
    describe: Callable[[BaseException], str | None],
) -> Iterator[None]:
    """Write the files that were asked for when the block fails; the failure goes on its way.

    Args:
        command: like ``assess``.
        describe: one line about an exception; none for one that is no failure.
    """
    try:
        yield
    except BaseException as error:
        message = describe(error)
        if message is not None:
            _write(junit, markdown, command, message)
        raise


def _write(junit: Path | None, markdown: Path | None, command: str, message: str) -> None:
    from rollcall.report.junit import junit_of_failure
    from rollcall.report.markdown import markdown_of_failure

    for path, text in (
        (junit, junit_of_failure(message)),
        (markdown, markdown_of_failure(command, message)),
    ):
        if path is None:
            continue
        with contextlib.suppress(OSError):  # the failure itself may be that no file can be written there
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
