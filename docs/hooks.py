"""What the site has beside `docs/`: documents that lie elsewhere in the repository, and the pages of the reference run.

Links are written as the repository needs them; here they are turned to where the site has the same document.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ELSEWHERE = {
    "contributing.md": "CONTRIBUTING.md",
    "security.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
    "papers/extensions.md": "papers/extensions/README.md",
    "datasets/aqa7.md": "src/rescore/datasets/aqa7/README.md",
    "datasets/mtl_aqa.md": "src/rescore/datasets/mtl_aqa/README.md",
    "datasets/pretraining.md": "src/rescore/datasets/pretraining/README.md",
    "datasets/rhythmic_gymnastics.md": "src/rescore/datasets/rhythmic_gymnastics/README.md",
    "systems/dae.md": "src/rescore/systems/dae/README.md",
    "systems/gdlt.md": "src/rescore/systems/gdlt/README.md",
    "notebooks/predictions.ipynb": "notebooks/predictions.ipynb",
}
"""Pages of the site by the repository's files."""
SCALES = ("demo", "open")
RESULTS = """# Results of the reference run

Whole pages, as a run writes them; [reading the page](page.md) says what stands where. At scale demo all videos are
**synthetic**: its numbers say nothing about a paper.

| scale | page | tables |
|---|---|---|
"""
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)#\s]+)")


def relink(markdown: str, page: str) -> str:
    """Turn a page's relative links, which lead through the repository, to the site's pages."""
    sites = {path: name for name, path in ELSEWHERE.items()}
    here = posixpath.dirname(ELSEWHERE.get(page, f"docs/{page}"))

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, found[1]))
        if target not in sites and not target.startswith("docs/"):
            return found[1]
        return posixpath.relpath(sites.get(target, target.removeprefix("docs/")), posixpath.dirname(page) or ".")

    return LINK.sub(turned, markdown)


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Called by MkDocs for each page; those that are made here are of the site alone."""
    made = page.file.src_uri.startswith("results")
    return markdown if made else relink(markdown, page.file.src_uri)


def on_files(files: Files, config: Any) -> Files:
    """Add documents and pages; called by MkDocs before it renders."""
    root = Path(config.config_file_path).parent
    for name, path in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(root / path).read_text(encoding="utf-8")))
    rows = []
    for scale in SCALES:
        page, tables = root / "results" / scale / "index.html", root / "results" / scale / "tables.md"
        row = {"page": f"`snakemake --cores all --config scale={scale}` makes it", "tables": ""}
        if page.is_file():
            files.append(File.generated(config, f"results/{scale}.html", abs_src_path=str(page)))
            row["page"] = f"[{scale}](results/{scale}.html)"
        if tables.is_file():
            text = f"# Tables at scale {scale}\n\n{tables.read_text(encoding='utf-8')}"
            files.append(File.generated(config, f"results/{scale}_tables.md", content=text))
            row["tables"] = f"[all tables](results/{scale}_tables.md)"
        rows.append(f"| {scale} | {row['page']} | {row['tables']} |\n")
    files.append(File.generated(config, "results.md", content=RESULTS + "".join(rows)))
    return files
