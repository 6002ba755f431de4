"""A page as a browser shows it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["browse", "needs_chromium"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--hide-scrollbars",
    "--enable-logging=stderr",
)


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def browse(
    profile: Path, page: Path, *flags: str, place: str = "", is_silent: bool = True
) -> subprocess.CompletedProcess[str]:
    """Open a place of a page in a fresh headless Chromium without a network.

    is_silent: its console has to stay silent, which the page of a third party may not know how to do.
    """
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri() + place],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not (is_silent and "CONSOLE" in done.stderr), done.stderr
    return done
