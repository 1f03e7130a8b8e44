"""Every link of a document leads somewhere in the repository, whether or not the site is built; the README stays short."""

import re
from pathlib import Path

import pytest

DOCUMENTS = [Path(name) for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
DOCUMENTS += sorted([*Path("docs").rglob("*.md"), *Path("papers").rglob("*.md"), *Path("src").rglob("README.md")])
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
SHORT = 90


def anchors(path):
    """Names of a document's headings, as GitHub and MkDocs make them."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title.lower())).strip("-") for title in titles}


def faults(path):
    for link in LINK.findall(re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)):
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists():
            yield f"{link}: not there"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{link}: no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_links_lead_somewhere(path):
    assert list(faults(path)) == []


def test_a_broken_link_is_seen(tmp_path):
    (tmp_path / "a.md").write_text("# One thing\n[x](b.md) [y](#one-thing) [z](#two) `[`")
    assert list(faults(tmp_path / "a.md")) == ["b.md: not there", "#two: no such heading"]


def test_the_readme_is_a_screen_and_a_half_and_leads_to_every_first_page():
    text = Path("README.md").read_text()
    assert text.count("\n") <= SHORT
    assert {"make reproduce", "make test"} <= {*re.findall(r"^(make \w+)", text, re.M)}


def test_the_site_has_every_document_and_every_room_of_the_package():
    named = {*re.findall(r"[\w/]+\.md", Path("mkdocs.yml").read_text())}
    assert {path.relative_to("docs").as_posix() for path in Path("docs").rglob("*.md")} <= named
    rooms = {path.parent.name for path in Path("src/rescore").glob("*/__init__.py")}
    assert {f"api/{room}.md" for room in rooms} <= named
    for path in Path("docs/api").glob("*.md"):
        for module in re.findall(r"^::: (\S+)", path.read_text(), re.M):
            assert Path("src", *module.split("."), "__init__.py").is_file(), module


def test_citations_of_documents_in_the_code_hold():
    names = {name for path in Path("src").rglob("*.py") for name in re.findall(r"docs/[\w/]+\.md", path.read_text())}
    assert [name for name in sorted(names) if not Path(name).is_file()] == []
