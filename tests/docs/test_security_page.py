"""SECURITY.md names a test that exists for each attack, and links that lead somewhere."""

from __future__ import annotations

import re

import pytest

from tests.support.paths import ROOT

PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("SECURITY.md", "docs/privileges.md")}
ATTACKS = PAGES["SECURITY.md"].split("<!-- attacks -->")[1].split("<!-- /attacks -->")[0]


def test_every_attack_has_a_defence_and_a_test() -> None:
    rows = [line.strip("|").split(" | ") for line in ATTACKS.strip().splitlines()[2:]]
    assert rows
    assert all(len(row) == 3 and "`tests/" in row[2] for row in rows)


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", ATTACKS))))
def test_every_named_test_exists(named: tuple[str, str]) -> None:
    file, test = named
    assert re.search(rf"^def {test}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#h][^)]*)\)", PAGES[page]):
        assert (ROOT / page).parent.joinpath(target).exists(), target
