"""dbt as its own command line, for tests of the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.paths import ROOT

RUN_RELATIONS = ("run", "--exclude", "build_days", "time_spine")
"""Make the tables and views that Rollcall deploys, without building the days, which is never unchanged."""


class Dbt:
    """dbt on one database, as its command line; everything it writes goes to a scratch folder.

    variables: vars. Unless they say otherwise dbt deploys like Rollcall's own command line.
    project: the folder of the dbt project.
    """

    def __init__(
        self, url: str, scratch: Path, variables: dict[str, Any] | None = None, project: Path = ROOT
    ) -> None:
        self._url = url
        self._project = str(project)
        self.target = scratch / "dbt"
        self._variables = {"deployed_by_rollcall": True, **(variables or {})}

    def __call__(self, *command: str, **variables: Any) -> dict[str, str]:
        """Run a command; the message of each node that it ran, by name. Fails unless all went well."""
        from dbt.cli.main import dbtRunner

        parameters = conninfo_to_dict(self._url)
        names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}
        with pytest.MonkeyPatch.context() as environment:
            for key, name in names.items():
                environment.setenv(name, str(parameters[key]))
            outcome = dbtRunner().invoke(
                [
                    *("--quiet", "--log-level-file", "none", *command),
                    *("--project-dir", self._project, "--profiles-dir", self._project),
                    *("--target-path", str(self.target), "--log-path", str(self.target)),
                    *("--vars", json.dumps({**self._variables, **variables})),
                ]
            )
        results = list(getattr(outcome.result, "results", ()))
        failed = [
            f"{r.node.name}: {r.message}"
            for r in results
            if hasattr(r, "node") and r.status in ("error", "fail", "warn", "runtime error")
        ]
        assert not failed, "\n".join(failed)
        assert outcome.success, outcome.exception
        return {r.node.name: str(r.message) for r in results if hasattr(r, "node")}

    def artifact(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.target / f"{name}.json").read_text("utf-8"))
        return document
