"""The reports of a failed judgement: the requested files are written and give the reason."""

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
    """Write the requested files when the block fails, and let the exception propagate.

    Args:
        command: such as ``assess``.
        describe: the line for an exception; None for an exception that is no failure.
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
        with contextlib.suppress(OSError):  # the failure may be that the folder is not writable
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
