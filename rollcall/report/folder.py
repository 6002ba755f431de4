"""The reports folder: one folder per run, written atomically; the oldest are removed."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from datetime import UTC
from pathlib import Path

from rollcall.errors import ConfigurationError, RollcallError
from rollcall.report.html import DATA_DOCS, LINEAGE, write_report
from rollcall.report.junit import junit_xml
from rollcall.report.markdown import markdown_summary
from rollcall.report.outcome import RunOutcome

__all__ = ["LINEAGE", "ReportFailed", "publish"]

LATEST = "latest"
RESULT = "result.json"
UNFINISHED_PREFIX = ".rollcall-unfinished-"
UNFINISHED_SECONDS = 3_600.0

# The ledger's run ids, with or without their suffix; sorted by time.
_OWN_NAME = re.compile(r"\d{8}T\d{6}Z(-[0-9a-z]+)*")

_REDIRECT = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=../{name}/index.html">
<title>Rollcall: the latest report</title>
</head>
<body><p><a href="../{name}/index.html">The latest report</a></p></body>
</html>
"""


class ReportFailed(RollcallError):
    """The report could not be written; the work of the run itself is done and recorded."""


def publish(directory: Path, outcome: RunOutcome, keep: int = 30) -> Path:
    """Write all reports of a run into a new folder.

    The folder is named after the run, or after its start time, with a number appended if the name is taken.
    It contains ``index.html``, ``summary.md``, ``result.json`` and, after a judgement, ``junit.xml`` and
    ``data-docs/``. It appears complete or not at all. ``latest`` beside it then points to it.

    Args:
        directory: the folder of all runs; created if missing.
        keep: number of runs to keep, this one included; folders with other names are not touched.

    Returns:
        The path of the new ``index.html``.

    Raises:
        ConfigurationError: keep is below 1.
        ReportFailed: the folder cannot be written.
    """
    if keep < 1:
        raise ConfigurationError(f"{keep} reports cannot be kept", "Keep at least 1.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        unfinished = directory / f"{UNFINISHED_PREFIX}{secrets.token_hex(6)}"
        unfinished.mkdir()
        try:
            _write_all(unfinished, outcome)
            folder = _name_it(unfinished, directory, outcome)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _point_latest_at(folder)
    except OSError as error:
        raise ReportFailed(
            f"The report could not be written to {directory}: {error.strerror or error}",
            "Make the folder writable, or make room on its disk; the run itself is recorded",
        ) from error
    _prune(directory, keep, folder.name)
    return folder / "index.html"


def _write_all(folder: Path, outcome: RunOutcome) -> None:
    latest = outcome.latest
    if latest is not None and latest.judgements:
        from rollcall.report.data_docs import build_data_docs

        name = outcome.run_id or outcome.command
        build_data_docs(folder / DATA_DOCS.parent, latest.judgements, name, latest.judged_at, "../index.html")
    if latest is not None:
        _write(folder / "junit.xml", junit_xml(latest, outcome.fail_on, broken_proof=outcome.broken_proof))
    _write(folder / "summary.md", markdown_summary(outcome))
    _write(folder / RESULT, json.dumps(outcome.to_json(), indent=2) + "\n")
    write_report(folder, outcome)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _name_it(unfinished: Path, directory: Path, outcome: RunOutcome) -> Path:
    """Rename the finished folder in one atomic step, to a name that is free."""
    if outcome.run_id and _OWN_NAME.fullmatch(outcome.run_id):
        name = outcome.run_id
    else:
        name = f"{outcome.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    folder, copy = directory / name, 1
    while True:
        if not folder.exists():
            try:
                return unfinished.rename(folder)
            except OSError:
                # another process has taken the name
                if not folder.exists():
                    raise
        copy += 1
        folder = directory / f"{name}-{copy}"


def _point_latest_at(folder: Path) -> None:
    """Point `latest` to the folder: a symbolic link, or a page where links are unavailable."""
    latest = folder.parent / LATEST
    if latest.is_dir() and not latest.is_symlink():
        _write_redirect(latest, folder.name)
        return
    link = folder.parent / f"{UNFINISHED_PREFIX}{secrets.token_hex(6)}"
    try:
        link.symlink_to(folder.name, target_is_directory=True)
    except (OSError, NotImplementedError):
        _write_redirect(latest, folder.name)
        return
    os.replace(link, latest)  # noqa: PTH105 - one atomic step


def _write_redirect(latest: Path, name: str) -> None:
    latest.mkdir(exist_ok=True)
    unfinished = latest / ".index.html.part"
    _write(unfinished, _REDIRECT.format(name=name))
    os.replace(unfinished, latest / "index.html")  # noqa: PTH105


def _prune(directory: Path, keep: int, newest: str) -> None:
    """Remove the oldest run folders and the remains of killed runs, never the newest."""
    own = sorted(path.name for path in directory.iterdir() if _is_own(path) and path.name != newest)
    for name in own[: max(0, len(own) - (keep - 1))]:
        going = directory / f"{UNFINISHED_PREFIX}{secrets.token_hex(6)}"
        with suppress(OSError):
            (directory / name).rename(going)
            shutil.rmtree(going, ignore_errors=True)
    for path in directory.glob(f"{UNFINISHED_PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > UNFINISHED_SECONDS:
                path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)


def _is_own(path: Path) -> bool:
    """Whether Rollcall made the folder, judging by its name and its content."""
    is_named = _OWN_NAME.fullmatch(path.name) is not None
    return is_named and not path.is_symlink() and (path / RESULT).is_file()
