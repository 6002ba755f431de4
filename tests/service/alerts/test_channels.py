"""`rollcall alerts test` against real receivers: what is said of each channel, and no secret anywhere."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.command import rollcall
from tests.support.receivers import TOKEN, mail_server, webhook


def configured(folder: Path, block: str) -> Path:
    (folder / "rollcall.yml").write_text(f"alerts:\n{block}", "utf-8")
    return folder


def sent_test(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = rollcall("alerts", "test", *options, state=folder, ROLLCALL_CONFIG=str(folder), **environment)
    assert TOKEN not in done.stdout + done.stderr
    return done


def test_each_channel_gets_the_message(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with webhook() as hook, mail_server() as mails:
        (tmp_path / "hook.url").write_text(f"{hook.url}\n")
        folder = configured(
            tmp_path,
            "  channels:\n    team: {env: TEAM_URL}\n    board: {file: hook.url}\n"
            f'    lead: {{url: "{mails.url}"}}\n',
        )
        done = sent_test(folder, TEAM_URL=hook.url)
        assert (done.returncode, done.stdout.count("delivered")) == (0, 3), done.stdout + done.stderr
        assert [message["title"] for message in hook.messages] == ["Rollcall: test message"] * 2
        (mail,) = mails.mails
        assert "Subject: Rollcall: test message" in mail
        assert "Nothing happened" in mail
    assert TOKEN not in caplog.text


def test_what_could_not_be_delivered_has_its_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        closed_port = listening.getsockname()[1]
    with webhook() as works, webhook() as fails, webhook() as sleeps:
        fails.status = 500
        sleeps.silent = True
        folder = configured(
            tmp_path,
            "  deadline_seconds: 1\n  channels:\n    works: {env: WORKS}\n    fails: {env: FAILS}\n"
            "    sleeps: {env: SLEEPS}\n    down: {env: DOWN}\n    unset: {env: UNSET_URL}\n"
            "    strange: {env: STRANGE}\n    gone: {file: gone.url}\n",
        )
        done = sent_test(
            folder,
            "--json",
            WORKS=works.url,
            FAILS=fails.url,
            SLEEPS=sleeps.url,
            DOWN=f"json://127.0.0.1:{closed_port}/{TOKEN}",
            STRANGE=f"no-such-service://{TOKEN}",
        )
        assert done.returncode == 5
        reasons = {item["channel"]: item["reason"] for item in json.loads(done.stdout)}
    assert reasons["works"] is None
    assert reasons["fails"] == "the receiver answered 500"
    assert reasons["unset"] == "the variable UNSET_URL is not set"
    assert reasons["gone"] == "the file gone.url cannot be read"
    assert reasons["strange"] == "its URL is not one that Apprise knows"
    assert reasons["down"] == "the receiver was not reached or refused it"
    assert reasons["sleeps"]


def test_a_receiver_that_answers_byte_by_byte_is_not_waited_for(tmp_path: Path) -> None:
    """No timeout between two bytes ends such an answer."""
    with webhook() as drips:
        drips.dripping = True
        folder = configured(tmp_path, "  deadline_seconds: 1\n  channels: {drips: {env: DRIPS}}\n")
        done = sent_test(folder, DRIPS=drips.url)
        assert not drips.closing.is_set(), "the receiver is still answering"
    assert done.returncode == 1
    assert "did not answer within 1 s" in done.stdout


def test_without_a_channel_it_is_wrong_usage(tmp_path: Path) -> None:
    done = sent_test(configured(tmp_path, "  owner: me\n"))
    assert done.returncode == 2
    assert "No channel is configured" in done.stderr
