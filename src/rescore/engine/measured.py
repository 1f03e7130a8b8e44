"""What a page shows of the clock and the machine, and how to leave it out.

Run times, devices and the commit differ between two runs that give equal results. Pages put them between marks, and whatever
compares pages by content takes them out first.
"""

import hashlib
import re
from pathlib import Path

from rescore.engine.storage import sha256_file

MEASURED = re.compile(r"<!--measured-->.*?<!--/measured-->", re.S)


def without_measured(text: str) -> str:
    """A page without run times and devices: what two runs with equal results have in common, byte by byte."""
    return MEASURED.sub("", text)


def content_digest(path: Path) -> str:
    """SHA-256 of a file; of a page, without what was measured."""
    if path.suffix != ".html":
        return sha256_file(path)
    text = without_measured(path.read_text(encoding="utf-8", errors="surrogateescape"))
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()
