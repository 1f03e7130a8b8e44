"""The athlete's version stands for its code: videos are made again when it is raised, and only then."""

import hashlib
from pathlib import Path

import synthetic_athlete
from rescore.engine import provenance

CODE = "928ead30fef12cca"
"""Of version 1.0.0: what the code means, comments and docstrings apart, with all of rescore that it reaches."""


def code() -> str:
    """Hash of the package and of what it reaches."""
    folder = Path(synthetic_athlete.__file__).parent
    own = sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")
    reached = {path for file in own for path in provenance.imported_files(file) if path.is_relative_to(provenance.ROOT)}
    modules = [".".join(path.relative_to(provenance.ROOT.parent).with_suffix("").parts) for path in reached]
    others = sorted({file for module in modules for file in provenance.import_closure(module)})
    digest = hashlib.sha256()
    for path in (*own, *others):
        digest.update(provenance.content(path))
    return digest.hexdigest()[:16]


def test_the_version_is_of_this_code():
    assert code() == CODE, (
        f"The athlete's code, or code that it reaches, is another one ({code()}). Can a video, joint, stage or mark differ? "
        "Then raise synthetic_athlete.__version__. If not (test_odd_videos.py holds the pixels), write the hash here alone."
    )
