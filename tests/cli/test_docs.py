"""`rollcall docs`: the models, their columns and their lineage as one page."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rollcall.sandbox.demo import Scale, Variant
from tests.support.browser import browse, needs_chromium
from tests.support.call_centre import CAMEL_CASE, call_centre
from tests.support.command import rollcall
from tests.support.paths import ROOT

TINY = Scale(agents=40, sessions=200, calls=400, days=10)
AGENT_SESSIONS = "#!/model/model.rollcall.agent_sessions"
AGENT_SESSIONS_COLUMNS = ("session_id", "login_at", "is_open", "defects")
VERDICTS = range(10, 14)


@pytest.mark.medium
@needs_chromium
def test_one_page_shows_each_view_and_the_next_report_links_it(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path, CAMEL_CASE, Variant(), scale=TINY)
    names = {"ROLLCALL_VARS": yaml.safe_dump(CAMEL_CASE)}
    done = rollcall("docs", url=centre.url, state=tmp_path, **names)
    assert done.returncode == 0, done.stderr
    page = tmp_path / "reports" / "lineage.html"
    assert str(page) in done.stdout
    assert str(ROOT) not in page.read_text()
    assert '"callAgents' in page.read_text().replace("\\", ""), "the page is of this application"
    flags = ("--virtual-time-budget=20000", "--dump-dom")
    opened = browse(tmp_path / "profile", page, *flags, is_silent=False).stdout
    assert "Rollcall makes a call centre" in opened
    shown = browse(tmp_path / "profile", page, *flags, place=AGENT_SESSIONS, is_silent=False).stdout
    assert "One row per session, as it is once cleaned" in shown
    for column in AGENT_SESSIONS_COLUMNS:
        assert column in shown

    assessed = ("assess", "--report", str(tmp_path / "reports"))
    assert rollcall(*assessed, url=centre.url, state=tmp_path, **names).returncode in VERDICTS
    report = (tmp_path / "reports" / "latest" / "index.html").read_text()
    assert 'href="../lineage.html"' in report
