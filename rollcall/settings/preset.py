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

__all__ = ["PRESET", "Preset", "find_preset", "known_presets"]

PRESET = "ROLLCALL_PRESET"
FOLDER = "presets"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")  # a file name, and never a path


@dataclass(frozen=True)
class Preset:
    """The vars of one application.

    Attributes:
        path: the file; None where no preset is chosen.
        variables: the vars in it, unchecked.
        recognised_by: the columns, by the table, that tell this application from others.
    """

    path: Path | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    recognised_by: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name by which `preset:` and ``ROLLCALL_PRESET`` choose it; empty for no preset."""
        return self.path.stem if self.path else ""


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
            return _read(path)
    raise ConfigurationError(f"{source} names a preset that does not exist: {name}", _choices(name, folders))


def known_presets(folder: Path, project_directory: Path) -> list[Preset]:
    """Read every preset that can be chosen, sorted by name.

    Args:
        folder: the folder of `rollcall.yml`; its presets precede those of Rollcall with the same name.

    Raises:
        ConfigurationError: a file cannot be read, or another user may have written it.
    """
    found: dict[str, Path] = {}
    for presets in (project_directory / FOLDER, folder / FOLDER):
        for path in presets.glob("*.yml"):
            if NAME.fullmatch(path.stem):
                if presets != project_directory / FOLDER:
                    refuse_strangers(path, "ROLLCALL_VARS")
                found[path.stem] = path
    return [_read(found[name]) for name in sorted(found)]


def _read(path: Path) -> Preset:
    document = read_yaml_file(path)
    variables = document.get("vars")
    if not isinstance(variables, dict) or set(document) - {"vars", "recognised_by"}:
        raise ConfigurationError(
            f"{path} is no preset: it has the mapping `vars`, and may have `recognised_by`",
            "put each var below `vars:`",
        )
    return Preset(path, variables, _recognised_by(path, document.get("recognised_by", {})))


def _recognised_by(path: Path, tables: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(tables, dict) or not all(
        isinstance(columns, list) and all(isinstance(name, str) for name in (table, *columns))
        for table, columns in tables.items()
    ):
        raise ConfigurationError(
            f"{path}: `recognised_by` is no mapping of tables to lists of columns",
            "write it like `recognised_by: {agents: [id, email]}`",
        )
    return {table: tuple(columns) for table, columns in tables.items()}


def _choices(name: str, folders: tuple[Path, ...]) -> str:
    known = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.yml")})
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known presets: {', '.join(known) or 'none'}"
