"""The wheel of this checkout, built, and installed into an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.paths import ROOT

UV = ROOT / ".venv" / "bin" / "uv"
NOT_BUILT = (".*", "target", "build", "*.egg-info", "site", "__pycache__")


def execute(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command that must work; gives its standard output."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def install_wheel(folder: Path) -> Path:
    """Build the wheel and install it with the locked packages; gives the folder of the programs.

    Args:
        folder: an empty one.
    """
    source, environment = folder / "source", folder / "env"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_BUILT))
    execute(UV, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", cwd=source)
    shutil.rmtree(source)
    (wheel,) = (folder / "dist").glob("*.whl")
    execute(UV, "venv", "--quiet", "--python", ROOT / ".venv/bin/python", environment, cwd=folder)
    execute(
        *(UV, "pip", "install", "--quiet", "--python", environment / "bin/python"),
        *("--constraint", ROOT / "requirements.txt", wheel),
        cwd=folder,
    )
    return environment / "bin"
