"""MkDocs hook: add generated pages, and adjust links between pages.

Pages of `docs/` link to files of the repository, so that the links work where the repository is browsed.
In the site, a link to a file with a page leads to that page; any other link keeps only its text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts import reference_pages

ROOT = Path(__file__).resolve().parent.parent

# files outside docs/ that are pages without changes
COPIED = {
    "README.md": "index.md",
    "SECURITY.md": "project/security.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
}
# generated pages
MADE = {
    "reference/commands.md": reference_pages.commands_page,
    "reference/settings.md": reference_pages.settings_page,
    "reference/views.md": reference_pages.views_page,
    "reference/glossary.md": reference_pages.glossary_page,
}
# targets of links to these files and folders
SHOWN_AT = {
    **COPIED,
    "dbt_project.yml": "reference/settings.md",
    "models/glossary.md": "reference/glossary.md",
    "models/cleaned/_cleaned.yml": "reference/views.md",
    "docs/rules": "rules/README.md",
    "docs/decisions": "decisions/README.md",
}
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for source, page in COPIED.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    for page, make in MADE.items():
        files.append(File.generated(config, page, content=make()))
    files.append(File.generated(config, "decisions/README.md", content=decisions_page()))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: Any) -> str:
    """Point the links of a page to the site's pages."""
    here = page.file.src_uri
    if here in MADE or here == "decisions/README.md":
        return markdown
    source = {shown: name for name, shown in COPIED.items()}.get(here, f"docs/{here}")
    blocks = re.split(r"(^```.*?^```)", markdown, flags=re.DOTALL | re.MULTILINE)
    for number in range(0, len(blocks), 2):  # the other parts are code
        blocks[number] = LINK.sub(lambda link: _led(link, source, here, files), blocks[number])
    return "".join(blocks).replace("<!-- layers -->", reference_pages.layers_table())


def decisions_page() -> str:
    """The index of the decisions, by title."""
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = [(path.name, path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")) for path in pages]
    lines = "\n".join(f"- [{title}]({name})" for name, title in titles)
    return f"# Decisions\n\nEach page is one decision and its reason.\n\n{lines}\n"


def _led(link: re.Match[str], source: str, here: str, files: Files) -> str:
    target = link["target"]
    if re.match(r"[a-z]+:", target):
        return link[0]
    named = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    shown = SHOWN_AT.get(named, named.removeprefix("docs/") if named.startswith("docs/") else None)
    if shown is not None and files.get_file_from_path(shown) is not None:
        led = posixpath.relpath(shown, posixpath.dirname(here) or ".")
        return f"{link['image']}[{link['text']}]({led}{link['anchor'] or ''})"
    return link["text"] if (ROOT / named).exists() else link[0]
