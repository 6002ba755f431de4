"""`prefect deploy --all` from the installed package, by the commands of docs/prefect.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import yaml

from rollcall.servers.prefect import client_of
from tests.support.floor import TABLES
from tests.support.installed import execute
from tests.support.paths import ROOT
from tests.support.production import CLEAN_UP, Production, run_now
from tests.support.waiting import until

ASSESS = "rollcall-assess/assess"
VERDICT = "NEEDS_DATABASE_MIGRATION"
ABANDONED = """
    with agent as (insert into agents (email) values ('a@example.com') returning id)
    insert into agent_sessions (agent_id, status, login_at, last_activity)
    select id, 'available', timezone('utc', now()) - interval '40 hours',
        timezone('utc', now()) - interval '30 hours'
    from agent
"""


def commands_of_the_docs(production: Production) -> str:
    """The block of docs/prefect.md that deploys, with the test's server and authentication string."""
    text = (ROOT / "docs" / "prefect.md").read_text("utf-8")
    (block,) = re.findall(r"```sh\n(export PREFECT_API_URL=[^`]*?prefect work-pool create[^`]*?)```", text)
    for name, value in (
        ("127.0.0.1:4200", f"127.0.0.1:{production.port}"),
        ("user:a-long-random-password", production.auth_string),
    ):
        assert name in block
        block = block.replace(name, value)
    return str(block)


@pytest.mark.slow
def test_the_installed_package_is_deployed_and_its_worker_judges_and_cleans(
    installed: Path, databases: Callable[[], str], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    settings = json.loads(execute(installed / "rollcall", "config", "--json", cwd=empty))
    project = Path(settings["project_directory"])
    assert project.is_relative_to(installed.parent)
    production = Production(empty, databases(), databases(), project=project, python=installed / "python")
    with psycopg.connect(production.application) as connection:
        connection.execute(TABLES)
        connection.execute(ABANDONED)
    try:
        production.start_server()
        path = f"{installed}:/usr/bin:/bin"
        execute(
            *("sh", "-e", "-c", commands_of_the_docs(production)),
            cwd=project,
            PATH=path,
            PREFECT_HOME=str(empty / "home"),
        )
        worker = production.start_worker("one")
        with client_of(production.api) as client:
            deployed = {one.name: one for one in client.read_deployments()}
            declared = yaml.safe_load((project / "prefect.yaml").read_text("utf-8"))["deployments"]
            assert deployed.keys() == {one["name"] for one in declared}
            assert len(client.read_automations()) == 2
            for name in ("clean-up", "nightly"):  # the test starts each run itself
                client.pause_deployment(deployed[name].id)
            for deployment in (CLEAN_UP, ASSESS):
                run = run_now(client, deployment)
                until(lambda run=run: client.read_flow_run(run).state.is_final())
                state = client.read_flow_run(run).state
                assert (state.name, state.is_completed()) == (VERDICT, True), state
            assert worker.poll() is None
    finally:
        production.stop()
    with psycopg.connect(production.application) as connection:
        (closed,) = connection.execute("select count(logout_at) from agent_sessions").fetchone() or (0,)
    assert closed == 1
    for log in empty.glob("*.log"):
        assert str(ROOT) not in log.read_text("utf-8", errors="replace"), log
