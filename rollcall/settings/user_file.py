"""The user's configuration file, `rollcall.yml`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.settings.variables import read_yaml_file

__all__ = ["CONFIG", "FILE_NAME", "PRESET_KEY", "UserFile", "find_user_file", "refuse_strangers"]

CONFIG = "ROLLCALL_CONFIG"
FILE_NAME = "rollcall.yml"
PRESET_KEY = "preset"  # beside the vars
ALERTS_KEY = "alerts"


@dataclass(frozen=True)
class UserFile:
    """The vars of `rollcall.yml`, and the folder for relative paths.

    Attributes:
        folder: the file's folder; without a file the current folder.
        path: the file; None where there is none.
        variables: the vars in it, unchecked.
        preset: the name of a preset in it, unchecked; None where there is none.
        alerts: the block about alerts in it, unchecked; None where there is none.
    """

    folder: Path
    path: Path | None
    variables: Mapping[str, Any]
    preset: Any = None
    alerts: Any = None


def find_user_file(environment: Mapping[str, str], start: Path | None = None) -> UserFile:
    """Read the `rollcall.yml` of ``ROLLCALL_CONFIG``, or the nearest one upwards.

    Args:
        environment: ``ROLLCALL_CONFIG`` is a file, or a folder that may hold `rollcall.yml`.
        start: the first folder of the search; by default the current folder.

    Raises:
        ConfigurationError: the named file does not exist, a file cannot be read or is not a mapping, or
            another user may have written the found file.
    """
    named = environment.get(CONFIG)
    if named:
        path = Path(named).expanduser().resolve()
        if path.is_dir():
            inside = path / FILE_NAME
            return _read(inside) if inside.is_file() else UserFile(path, None, {})
        if not path.is_file():
            raise ConfigurationError(f"there is no file {path}", f"correct {CONFIG}")
        return _read(path)
    current = (start or Path.cwd()).resolve()
    for folder in (current, *current.parents):
        path = folder / FILE_NAME
        if path.is_file():
            refuse_strangers(path, CONFIG)
            return _read(path)
    return UserFile(current, None, {})


def _read(path: Path) -> UserFile:
    variables = read_yaml_file(path)
    preset, alerts = variables.pop(PRESET_KEY, None), variables.pop(ALERTS_KEY, None)
    return UserFile(path.parent, path, variables, preset, alerts)


def refuse_strangers(path: Path, named_by: str) -> None:
    """Refuse a path of another user, which could set thresholds or plant SQL.

    Args:
        named_by: the variable with which the user can name a trusted path.

    Raises:
        ConfigurationError: another user may have written it.
    """
    for place in (path, path.parent):
        found = place.stat()
        if found.st_uid not in (0, os.geteuid()):
            reason = "it belongs to another user"
        elif found.st_mode & stat.S_IWOTH and not (place.is_dir() and found.st_mode & stat.S_ISVTX):
            reason = "every user may write it"
        else:
            continue
        raise ConfigurationError(
            f"{path} is not used: {place}: {reason}",
            f"change its owner or mode, or name it with {named_by} if you trust it",
        )
