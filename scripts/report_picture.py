"""Take the README's screenshot of the readiness report.

`python scripts/report_picture.py` runs `rollcall demo` in a temporary folder, so that the report is real. It
needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rollcall.servers.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "report.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1000, 1300
LARGEST = 200_000  # bytes; the README loads the picture


def main() -> int:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no browser found: install one of {', '.join(BROWSERS)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="rollcall-picture-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's account must enter it
        state = Path(folder, "state")
        environment = {**os.environ, "ROLLCALL_STATE_DIR": str(state), "PYTHONPATH": str(ROOT)}
        try:
            command = [sys.executable, "-c", "from rollcall.cli import main; main()", "demo"]
            subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        finally:
            PostgresServer(state / "postgres").stop()
        PICTURE.parent.mkdir(exist_ok=True)
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
        page = (state / "reports" / "latest" / "index.html").resolve().as_uri()
        subprocess.run(
            [
                *(browser, *options, f"--user-data-dir={folder}/profile"),
                *(f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={PICTURE}", page),
            ],
            check=True,
            capture_output=True,
        )
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size:,} bytes")
    return 0 if size < LARGEST else 1


if __name__ == "__main__":
    sys.exit(main())
