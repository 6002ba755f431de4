"""The block `alerts:` of `rollcall.yml`: every problem at once, and no secret in a message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.errors import ConfigurationError
from rollcall.settings.alerts import AlertSettings
from rollcall.settings.configuration import Settings, load_settings
from tests.support.command import rollcall

SECRET = "T0KEN-4711"


def settings(folder: Path, text: str) -> Settings:
    path = folder / "rollcall.yml"
    path.write_text(text, "utf-8")
    return load_settings(environment={"ROLLCALL_CONFIG": str(path)}, conninfo="")


def test_every_setting_is_read(tmp_path: Path) -> None:
    read = settings(
        tmp_path,
        """
        settle_minutes: 7
        alerts:
          channels:
            team: {env: SLACK_URL, severity: warning}
            night: {file: pager.url, owner: telephony}
            lead: {url: "mailto://mail.example.com?from=rollcall@example.com&to=lead@example.com"}
          owner: platform
          owners: {abandoned_session: telephony, breaker: operations}
          severities: {regret: critical}
          quiet_hours: "22:00-06:00"
          time_zone: Europe/Berlin
          missed_minutes: {clean: 15}
          report_url: https://reports.example.com/rollcall/
        """,
    )
    assert read.variables["settle_minutes"] == 7, "the vars beside the block count too"
    assert list(read.alerts.channels) == ["team", "night", "lead"]
    assert read.alerts.owner_of("abandoned_session") == "telephony"
    assert read.alerts.owner_of("zombie_call") == "platform"
    assert read.alerts.report_url == "https://reports.example.com/rollcall"
    shown = read.to_json()["alerts"]
    assert shown["channels"]["team"] == {"url": "env SLACK_URL", "severity": "warning", "owner": None}


def test_every_problem_has_a_line_and_no_line_shows_a_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(
            tmp_path,
            f"""
            setle_minutes: 7
            alerts:
              channels:
                slack: {{url: "slack://{SECRET}/B/C"}}
                hook: {{url: "json://user:{SECRET}@example.com/hook"}}
                mail: {{url: "mailto://mail.example.com?to=a@example.com&pass={SECRET}"}}
                none: {{severity: warning}}
                level: {{env: SLACK_URL, severity: loud}}
                "slack://{SECRET}": {{env: SLACK_URL}}
              quiet_hours: "22-6"
              time_zone: Berlin
              remind_hours: 0
              remind_houres: 1
              report_url: "https://user:{SECRET}@example.com"
            """,
        )
    text = str(refused.value)
    assert SECRET not in text
    assert refused.value.exit_code == 2
    for part in (
        "unknown var setle_minutes",
        "alerts.channels.slack.url may hold a secret. Give it by reference",
        "alerts.channels.hook.url carries credentials",
        "alerts.channels.mail.url carries credentials",
        "alerts.channels.none needs one of `env`, `file` and `url`",
        "alerts.channels.level.severity must be 'info', 'warning' or 'critical'",
        "alerts.channels.? must be a name",
        "alerts.quiet_hours must be a text like",
        "alerts.time_zone names no time zone",
        "alerts.remind_hours must be greater than 0",
        "alerts.remind_houres is no setting",
        "alerts.report_url must be a URL",
    ):
        assert [line for line in text.splitlines() if part.lower() in line.lower()], (part, text)


def test_config_shows_the_channels_without_their_urls(tmp_path: Path) -> None:
    (tmp_path / "rollcall.yml").write_text("alerts: {channels: {team: {env: SLACK_URL}}}\n")
    shown = rollcall(
        "config", "--json", ROLLCALL_CONFIG=str(tmp_path), SLACK_URL=f"slack://{SECRET}/B/C", state=tmp_path
    )
    assert json.loads(shown.stdout)["alerts"]["channels"]["team"]["url"] == "env SLACK_URL"
    assert SECRET not in shown.stdout + shown.stderr


def test_the_page_names_every_setting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
    assert [name for name in AlertSettings.model_fields if f"`{name}`" not in page] == []
