"""The environment of the other tools, apart from Rollcall's: made on first use, kept in the state folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from rollcall.settings.configuration import load_settings

__all__ = ["HERE", "scripts_of_peers"]

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
READY = "ready"  # written last, so that an interrupted installation is made again


def scripts_of_peers() -> Path:
    """The folder of the environment's commands: `python`, `soda`, `dbt`.

    Raises:
        RuntimeError: the packages could not be installed.
    """
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    folder = load_settings(conninfo="").state_directory / "peers" / digest
    if not (folder / READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        python = str(folder / "bin" / "python")
        _uv("venv", "--quiet", "--python", sys.executable, str(folder))
        _uv("pip", "install", "--quiet", "--python", python, "--requirement", str(REQUIREMENTS))
        (folder / READY).touch()
    return folder / "bin"


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"the environment of the other tools could not be made: {done.stderr.strip()}")
