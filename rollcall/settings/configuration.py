"""The configuration of a run: database, roles, and vars.

The defaults of the vars are in `dbt_project.yml` only. A preset overrides them, `rollcall.yml`
overrides the preset, ``ROLLCALL_VARS`` overrides the file, and ``--vars`` overrides all.
"""

from __future__ import annotations

import difflib
import os
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.settings.alerts import AlertSettings, read_alert_settings
from rollcall.settings.mapping import normalised, problems_between
from rollcall.settings.preset import find_preset
from rollcall.settings.problems import line
from rollcall.settings.user_file import UserFile, find_user_file, refuse_strangers
from rollcall.settings.variables import first_line, problems_of_values, read_yaml

__all__ = [
    "LIBPQ_DATABASE",
    "PROJECT_DIRECTORY",
    "STATE",
    "VARS",
    "Settings",
    "load_settings",
    "state_directory",
]

PACKAGE = Path(__file__).resolve().parents[1]
INSTALLED = PACKAGE / "files"  # where setup.py puts the dbt project and the suites in a wheel
PROJECT_DIRECTORY = INSTALLED if INSTALLED.is_dir() else PACKAGE.parent
DATABASE_URL = "ROLLCALL_DATABASE_URL"
VARS = "ROLLCALL_VARS"
STATE = "ROLLCALL_STATE_DIR"
MOST_AT_ONCE = 1024  # PostgreSQL takes no larger max_parallel_maintenance_workers
LIBPQ_DATABASE = ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE")
NO_DATABASE = (
    f"set {DATABASE_URL}=postgresql://USER@HOST/DATABASE (the password is best kept in "
    "~/.pgpass), or libpq's PGHOST or PGSERVICE; `rollcall demo` needs none"
)


@dataclass(frozen=True)
class Settings:
    """A checked configuration.

    Attributes:
        conninfo: the connection string for libpq; it may hold a password and is never shown.
        variables: the value of every var.
        overrides: the vars that the user set; dbt gets them.
        state_directory: the folder for the scratch files of dbt and Prefect, and for the reports.
        project_directory: the dbt project, the suites and the deployments.
        user_file: `rollcall.yml`, if there is one.
        origins: the source of the value, by the name of each var that the user set.
        alerts: the receivers of alerts, and when they get them.
    """

    conninfo: str = field(repr=False)
    variables: dict[str, Any]
    overrides: dict[str, Any]
    state_directory: Path
    project_directory: Path = PROJECT_DIRECTORY
    migrate_role: str | None = None
    clean_role: str | None = None
    user_file: UserFile = field(default_factory=lambda: find_user_file({}))
    origins: Mapping[str, str] = field(default_factory=dict)
    alerts: AlertSettings = field(default_factory=AlertSettings, repr=False)

    def path_of(self, name: str) -> Path:
        """The path in a var, relative to `rollcall.yml` or to the current folder.

        A default that does not exist there is taken from Rollcall's own files.
        """
        path = self.user_file.folder / str(self.variables[name])
        if name in self.overrides:
            return path
        if path.exists():
            refuse_strangers(path, f"the var {name}")
            return path
        return self.project_directory / str(self.variables[name])

    def to_json(self) -> dict[str, Any]:
        """The vars with their origins, and the folders, without the connection."""
        return {
            "config_file": str(self.user_file.path) if self.user_file.path else None,
            "state_directory": str(self.state_directory),
            "project_directory": str(self.project_directory),
            "vars": {
                name: {"value": value, "origin": self.origin_of(name)}
                for name, value in self.variables.items()
            },
            "alerts": self.alerts.to_json(),
        }

    def origin_of(self, name: str) -> str:
        """The source of a var's value: a file, the environment, or ``--vars``."""
        return self.origins.get(name, "default")

    @property
    def reports_directory(self) -> Path:
        return self.state_directory / "reports"


def load_settings(
    variables: str | None = None,
    environment: Mapping[str, str] = os.environ,
    conninfo: str | None = None,
) -> Settings:
    """Read and check the configuration.

    Args:
        variables: YAML of ``--vars``, which wins over ``ROLLCALL_VARS``.
        environment: the variables ``ROLLCALL_*`` and those of libpq.
        conninfo: the database, where it is not read from the environment.

    Raises:
        ConfigurationError: no database, unreadable YAML, or no such preset.
        ConfigurationProblems: unknown vars, and vars that cannot work, one line each.
    """
    defaults = _defaults()
    user_file = find_user_file(environment)
    preset = find_preset(environment, user_file, PROJECT_DIRECTORY)
    sources: dict[str, Mapping[str, Any]] = {  # a later one wins
        str(preset.path): preset.variables,
        str(user_file.path): user_file.variables,
        VARS: read_yaml(environment.get(VARS, ""), VARS),
        "--vars": read_yaml(variables or "", "--vars"),
    }
    overrides = {name: normalised(name, value) for given in sources.values() for name, value in given.items()}
    origins = {name: source for source, given in sources.items() for name in given}
    known = {name: value for name, value in overrides.items() if name in defaults}
    problems = [_unknown(name, origins[name], defaults) for name in overrides if name not in defaults]
    problems += problems_of_values(known, defaults, origins)
    alerts, problems_of_alerts = read_alert_settings(user_file.alerts)
    problems += problems_of_alerts
    merged = {**defaults, **overrides}
    if not problems:
        problems = [*_contradictions(merged), *_values_out_of_range(merged), *problems_between(merged)]
    if problems:
        raise ConfigurationProblems(problems)
    return Settings(
        conninfo=conninfo if conninfo is not None else _conninfo(environment),
        variables=merged,
        overrides=overrides,
        state_directory=state_directory(environment, user_file),
        migrate_role=environment.get("ROLLCALL_MIGRATE_ROLE") or None,
        clean_role=environment.get("ROLLCALL_CLEAN_ROLE") or None,
        user_file=user_file,
        origins=origins,
        alerts=alerts,
    )


def state_directory(environment: Mapping[str, str], user_file: UserFile | None = None) -> Path:
    """The state folder: of ``ROLLCALL_STATE_DIR``, or ``.rollcall`` beside `rollcall.yml`, or else here.

    Raises:
        ConfigurationError: another user may have written it.
    """
    user_file = user_file or find_user_file(environment)
    if environment.get(STATE):
        return Path(environment[STATE])
    path = user_file.folder / ".rollcall"
    if path.exists():  # it holds compiled SQL, which is executed
        refuse_strangers(path, STATE)
    return path


def _conninfo(environment: Mapping[str, str]) -> str:
    url = environment.get(DATABASE_URL, "").strip()
    if url:
        return url
    if any(environment.get(name) for name in LIBPQ_DATABASE):
        return ""
    raise ConfigurationError("no database is configured", NO_DATABASE)


def _defaults() -> dict[str, Any]:
    path = PROJECT_DIRECTORY / "dbt_project.yml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return dict(document["vars"])
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"dbt_project.yml cannot be read ({first_line(error)})",
            f"restore {path} from the repository",
        ) from error


def _unknown(name: object, source: str, defaults: Mapping[str, Any]) -> str:
    """Describe a var that does not exist, and where it is given."""
    text = name[:60] if isinstance(name, str) else ""
    near = difflib.get_close_matches(text, defaults, n=1)
    return line(
        f"unknown var {text} in {source}"
        if text.isprintable() and text
        else f"unknown var in {source}: its name is no plain text",
        f"did you mean {near[0]}?" if near else "the vars are listed in dbt_project.yml",
    )


def _contradictions(variables: Mapping[str, Any]) -> Iterator[str]:
    """Find vars whose values contradict each other."""
    working = [
        *(variables["available_statuses"] or [variables["available_status"]]),
        *(variables["on_call_statuses"] or [variables["on_call_status"]]),
        *(variables["break_statuses"] or [variables["break_status"]]),
        *variables["other_working_statuses"],
    ]
    for label, values, other in (
        ("the working statuses", working, "not_working_statuses"),
        ("inbound_directions", variables["inbound_directions"], "outbound_directions"),
    ):
        both = sorted(set(values) & set(variables[other]))
        if both:
            yield line(
                f"the status {', '.join(both)} is in {label} and in {other}",
                "Keep the status in one list only",
            )
    unknown = sorted(set(variables["after_call_statuses"]) - set(variables["other_working_statuses"]))
    if unknown:
        yield line(
            f"after_call_statuses has {', '.join(unknown)}, which other_working_statuses does not have",
            "Add it there; time on calls or in a break is no after-call work as well",
        )
    if len(set(working)) < len(working):
        yield line(
            f"two working statuses are the same ({', '.join(working)})",
            "available_status, on_call_status, break_status and other_working_statuses must differ",
        )
    for name, other in (
        ("closed_status", "not_working_statuses"),
        ("connected_call_status", "live_call_statuses"),
    ):
        if variables[name] not in variables[other]:
            yield line(
                f"var {name} is {variables[name]}, which {other} does not have",
                f"add it to {other} or change {name}",
            )


def _values_out_of_range(variables: Mapping[str, Any]) -> Iterator[str]:
    if variables["closed_logout_at"] not in ("last_seen", "now"):
        yield line(
            f"var closed_logout_at must be last_seen or now, not {variables['closed_logout_at']!r}",
            "correct it",
        )
    for name in ("heartbeat_feed_min_share", "breaker_max_share", "breaker_cluster_share"):
        if variables[name] > 1:
            yield line(f"var {name} is a share, at most 1", "correct it")
    for name in ("batch_connections", "index_build_processes"):
        if variables[name] not in range(1, MOST_AT_ONCE + 1):
            yield line(
                f"var {name} must be a whole number from 1 to {MOST_AT_ONCE}, not {variables[name]!r}",
                "correct it",
            )
    for name in ("app_time_zone", "business_time_zone"):
        if variables[name] not in zoneinfo.available_timezones():
            yield line(
                f"var {name} names no time zone: {variables[name]}", "use a name like UTC or Europe/Berlin"
            )
