"""The JUnit file of a run."""

from __future__ import annotations

from xml.etree import ElementTree

from rollcall.report.junit import junit_xml
from tests.support.outcomes import BEFORE, HOSTILE, JUDGED, SUITES, assessment, hostile, keys_of

# --- JUnit ------------------------------------------------------------------------------------


def test_junit_fails_what_decides_and_shows_warnings_as_skipped() -> None:
    root = ElementTree.fromstring(junit_xml(assessment(BEFORE, keys_of(20))))
    assert root.tag == "testsuites"
    suites = {suite.get("name"): suite for suite in root}
    assert list(suites) == [f"rollcall.{name}" for name in JUDGED]
    for name in JUDGED:
        suite = suites[f"rollcall.{name}"]
        cases = suite.findall("testcase")
        assert [case.get("name") for case in cases] == [rule.name for rule in SUITES[name].rules]
        for kind, tag in (("failures", "failure"), ("skipped", "skipped"), ("errors", "error")):
            assert int(suite.get(kind, "")) == len(suite.findall(f"testcase/{tag}"))
        assert int(suite.get("tests", "")) == len(cases)
        assert all(case.get("classname") and case.get("time") for case in cases)
    failed = {case.get("name") for case in root.iter("testcase") if case.find("failure") is not None}
    assert failed == {
        "missing_column",
        "missing_index",
        "missing_own_object",
        "abandoned_session",
        "orphaned_call_reference",
        "invalid_on_call",
    }
    assert int(root.get("failures", "")) == len(failed)
    case = root.find(".//testcase[@name='abandoned_session']/failure")
    assert case is not None
    assert str(case.get("message")).startswith("1,203 sessions: The session is still open")
    assert "`clean` closes it" in str(case.text)
    assert keys_of(20)[19] in str(case.text)
    skipped = root.find(".//testcase[@name='zombie_call']/skipped")
    assert skipped is not None
    assert str(skipped.get("message")).startswith("warning: 7 calls:")
    info = root.find(".//testcase[@name='heartbeat_feed']")
    assert info is not None
    assert [child.tag for child in info] == ["system-out"]


def test_junit_of_hostile_text_parses_and_keeps_it() -> None:
    latest = hostile().latest
    assert latest is not None
    source = junit_xml(latest)
    root = ElementTree.fromstring(source.encode())
    text = "".join(root.itertext())
    assert HOSTILE[0] in text
    assert "nul␀bell␇" in text
    assert "]]> &amp;" in text
    assert root.find("testsuite/properties/property[@name='database']") is not None
