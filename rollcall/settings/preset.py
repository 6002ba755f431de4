"""Presets: the vars of a known application, chosen by name and refined by the vars of the user."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.settings.user_file import PRESET_KEY, UserFile, refuse_strangers
from rollcall.settings.variables import read_yaml_file

__all__ = ["PRESET", "Preset", "find_preset"]

PRESET = "ROLLCALL_PRESET"
FOLDER = "presets"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")  # a file name, and never a path


@dataclass(frozen=True)
class Preset:
    """The vars of one application.

    Attributes:
        path: the file; None where no preset is chosen.
        variables: the vars in it, unchecked.
    """

    path: Path | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)


def find_preset(environment: Mapping[str, str], user_file: UserFile, project_directory: Path) -> Preset:
    """Read the preset that ``ROLLCALL_PRESET`` or, without it, the key `preset` of `rollcall.yml` names.

    A preset in the folder `presets` beside `rollcall.yml` precedes one of Rollcall's own.

    Raises:
        ConfigurationError: there is no such preset, its file cannot be read, or another user may have
            written it.
    """
    source = PRESET if environment.get(PRESET) else PRESET_KEY
    name = environment.get(PRESET) or user_file.preset
    if name is None:
        return Preset()
    folders = (user_file.folder / FOLDER, project_directory / FOLDER)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{source} names no preset: a name has small letters, digits, _ and -",
            _choices("", folders),
        )
    for folder in folders:
        path = folder / f"{name}.yml"
        if path.is_file():
            if folder is folders[0]:
                refuse_strangers(path, "ROLLCALL_VARS")
            return Preset(path, _variables(path))
    raise ConfigurationError(f"{source} names a preset that does not exist: {name}", _choices(name, folders))


def _variables(path: Path) -> Mapping[str, Any]:
    document = read_yaml_file(path)
    variables = document.get("vars")
    if not isinstance(variables, dict) or set(document) - {"vars", "recognised_by"}:
        raise ConfigurationError(
            f"{path} is no preset: it has the mapping `vars`, and may have `recognised_by`",
            "put each var below `vars:`",
        )
    return variables


def _choices(name: str, folders: tuple[Path, ...]) -> str:
    known = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.yml")})
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known presets: {', '.join(known) or 'none'}"
