"""The documentation site: it builds without a warning, and its reference is complete."""

from __future__ import annotations

import html
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from scripts import reference_pages
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text("utf-8")))


def sections_of(page: Path) -> dict[str, list[str]]:
    """The first cell of each row of the tables, by the heading above them."""
    sections: dict[str, list[str]] = {}
    for part in page.read_text("utf-8").split("<h2 id=")[1:]:
        name = re.match(r'"([^"]+)"', part)
        assert name is not None
        cells = re.findall(r"<tr>\s*<td>(.*?)</td>", part, re.DOTALL)
        sections[name[1]] = [html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in cells]
    return sections


@pytest.mark.medium
def test_every_file_of_the_docs_has_a_page(site: Path) -> None:
    pages = {path.relative_to(site).with_suffix("") for path in site.rglob("*.html")}
    sources = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    as_pages = {source.with_name("index") if source.name == "README" else source for source in sources}
    assert as_pages <= pages


def test_links_between_pages_lead_somewhere(site: Path) -> None:
    """MkDocs checks the Markdown; this checks what the hook made of it."""
    broken = []
    for page in site.rglob("*.html"):
        if page.name == "404.html":  # its links begin at the root of a server
            continue
        for target in re.findall(r'(?:href|src)="([^"#?:]+)(?:[#?][^"]*)?"', page.read_text("utf-8")):
            if not (page.parent / html.unescape(target)).exists():
                broken.append(f"{page.relative_to(site)}: {target}")
    assert not broken


def test_no_page_loads_anything_from_the_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]+(?:src|href)="(https?:[^"]+)"',
            page.read_text("utf-8"),
        )
        assert not loaded, page


def test_every_setting_is_on_its_page_with_its_default(site: Path) -> None:
    defaults: Mapping[str, object] = yaml.safe_load((ROOT / "dbt_project.yml").read_text("utf-8"))["vars"]
    assert reference_pages.documented_settings() == defaults.keys()
    page = text_of(site / "reference/settings.html")
    assert all(re.search(rf"\b{name}\b", page) for name in defaults)


def test_every_command_and_option_is_on_its_page(site: Path) -> None:
    sections = sections_of(site / "reference/commands.html")
    commands = reference_pages.commands()
    assert sections.keys() == commands.keys()
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts if option[0] == "-"}
        shown = {cell.split(" ")[0] for cell in sections[name] if cell.startswith("-")}
        assert shown == options - {"--help"}, name


def test_every_column_of_a_view_is_on_its_page(site: Path) -> None:
    document = yaml.safe_load((ROOT / "models/cleaned/_cleaned.yml").read_text("utf-8"))
    columns = {f"rollcall{m['name']}": [c["name"] for c in m["columns"]] for m in document["models"]}
    assert sections_of(site / "reference/views.html") == columns
    assert "{{" not in text_of(site / "reference/views.html")


@pytest.mark.parametrize("command", sorted(path.stem for path in (ROOT / "tests/contract").glob("*.txt")))
def test_every_documented_field_is_in_the_command_s_document(command: str) -> None:
    """`tests/contract/` holds the fields that the command prints."""
    sections = (ROOT / "docs/json.md").read_text("utf-8").split(f"\n## {command}\n")
    if len(sections) == 1:
        assert command in ("detach", "flags", "grants"), "no section describes it"
        return
    printed = (ROOT / f"tests/contract/{command}.txt").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", sections[1].split("\n## ")[0], re.MULTILINE)
    assert rows
    for name in (name for row in rows for name in re.findall(r"`([^`]+)`", row)):
        assert f"{name} " in {line.rsplit(" ", 1)[0].lstrip(".") + " " for line in printed.splitlines()}


def test_every_environment_variable_is_documented() -> None:
    """Each variable of Rollcall that the code names has a row on the page, and no other has."""
    sources = [*(ROOT / "rollcall").rglob("*.py"), *(ROOT / "flows").rglob("*.py"), ROOT / "profiles.yml"]
    read = {
        name
        for path in sources
        for name in re.findall(r"\bROLLCALL_[A-Z]+(?:_[A-Z]+)*\b", path.read_text("utf-8"))
    }
    page = (ROOT / "docs/environment.md").read_text("utf-8")
    documented = set(re.findall(r"^\| `(ROLLCALL_[A-Z_]+)`", page, re.MULTILINE))
    assert documented == read


ARCHITECTURE = (ROOT / "docs/architecture.md").read_text("utf-8")


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:rollcall|flows)(?:\.\w+)+)`", ARCHITECTURE))))
def test_every_part_of_the_package_that_the_architecture_names_exists(name: str) -> None:
    if f"'{name}'" in sql_of_the_project():  # a setting of the transaction
        return
    module, _, attribute = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), attribute)


def test_every_parameter_of_the_sql_is_documented_and_no_other() -> None:
    read = set(re.findall(r"'(rollcall\.[a-z_]+)'", sql_of_the_project()))
    table = ARCHITECTURE.split("### Parameters of the SQL")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([^`]+)`", row)} == read


def test_every_file_that_the_architecture_names_exists() -> None:
    for name in re.findall(r"`((?:models|macros|analyses)/[\w./]+)`", ARCHITECTURE):
        assert (ROOT / name).exists(), name


def test_every_layer_is_on_the_page_of_the_architecture(site: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = [c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    names = [
        ".".join([*contract.get("containers", ()), name.strip()])
        for contract in contracts
        for layer in contract["layers"]
        for name in layer.split("|")
    ]
    page = text_of(site / "architecture.html")
    assert len(names) > 25
    assert [name for name in names if name not in page] == []


def sql_of_the_project() -> str:
    folders = ("models", "macros", "analyses")
    return "\n".join(path.read_text("utf-8") for name in folders for path in (ROOT / name).rglob("*.sql"))


def test_the_subject_of_a_sentence_is_a_thing() -> None:
    """As CONTRIBUTING.md asks: these words begin the sentences that do not name it."""
    words = re.compile(r"\b(whoever|whomever|nobody|somebody|anybody)\b", re.IGNORECASE)
    pages = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "models/glossary.md"]
    found = [(page.name, word) for page in pages for word in words.findall(page.read_text("utf-8"))]
    assert not found


def test_the_built_site_is_not_committed() -> None:
    done = subprocess.run(["git", "check-ignore", "-q", "site/index.html"], cwd=ROOT, check=False)
    assert done.returncode == 0
