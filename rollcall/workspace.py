"""A database with its settings, project and suites: the input of every step."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from rollcall.database.connections import Connection, Database, fetch
from rollcall.dbt.project import Project
from rollcall.settings.configuration import Settings

if TYPE_CHECKING:
    from rollcall.rules.suites import Suite

__all__ = ["Workspace"]

logger = logging.getLogger(__name__)


class Workspace:
    """The database, the compiled dbt project and the suites, made at first use.

    Args:
        settings: checked configuration.

    Raises:
        ConnectionFailed: the database cannot be reached.
        ConfigurationError: by `database` and `project`: a configured table or column does not exist.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._database = Database.reach(settings.conninfo, settings.variables["app_time_zone"])
        logger.info("The database is reached", extra={"database": self._database.name})
        self.project = Project(settings, self._database)

    @cached_property
    def database(self) -> Database:
        """The database, after compiling the project, so that no transaction waits for dbt."""
        self.project.compile()
        return self._database

    def process_id_of(self, connection: Connection) -> int:
        """The backend process of a connection, also behind a pooler."""
        return int(fetch(connection, self.project.sql("server_process"))[0]["pid"])

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """The suites of `expectations/`, by name."""
        from rollcall.rules.gx import load_suites

        return load_suites(self.settings.project_directory / "expectations")
