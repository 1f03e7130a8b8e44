"""A .dvc file beside each fetched file, as `dvc import` or `dvc import-url` writes it, so that DVC can ask the origin again.

data/raw is a DVC project of its own inside the repository (`dvc init --subdir`): asking an origin needs the network, and
`dvc status` and `dvc pull` of the results must not. `dvc --cd data/raw status` says where an origin has moved on.

The files are brought and verified by `rescore.sources.fetch`, because `dvc import` knows no checksum beforehand, clones whole
histories and has no mirror; here DVC's own classes record what `dvc import` would have recorded, the commit of the catalogue
locked and no branch named, so that `dvc update` means the origin's default branch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rescore.sources.catalogue import OriginFile, Source, origin_path

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import Stage

ALONE = "the files are verified, and SOURCE.json alone says where they came from"


def record(source: Source, root: Path, found: Mapping[str, str], mirrored: bool) -> str:
    """Write `root/<source>/<file>.dvc` for every file of a source, where `root` is a DVC project; unchanged ones keep their time.

    The same bytes by whichever way the files came. Needs no git and, except for sources over HTTP, no network.

    Args:
        root: the DVC project, data/raw.
        found: the path inside the repository of files that lie elsewhere than the catalogue says, by name.
        mirrored: the files came from a mirror, which does not know the mark (ETag) that an HTTP server gives a file.

    Returns:
        One sentence: what was recorded, or why nothing was.
    """
    if not (root / ".dvc").is_dir():
        return f"not recorded by DVC, because {root} is no DVC project (no {root / '.dvc'}); {ALONE}"
    if not source.pointers:
        return f"not recorded by DVC, file by file, because there are {len(source.files)}; {ALONE}"
    if source.repository is None and mirrored:
        return f"not recorded by DVC, because only the origin gives what `dvc update` compares (unset RESCORE_MIRROR); {ALONE}"
    from dvc.exceptions import DvcException

    try:
        written = _record_all(source, root, found)
    except (DvcException, OSError) as error:
        return f"not recorded by DVC ({error}); {ALONE}"
    return f"{written} of {len(source.files)} .dvc files written" if written else "recorded by DVC"


def _record_all(source: Source, root: Path, found: Mapping[str, str]) -> int:
    from dvc.repo import Repo

    # `no_scm`: nothing here asks git, so a copy without .git is recorded as well.
    with Repo(str(root), config={"core": {"no_scm": True}}) as repo:
        return sum(_record(repo, source, file, root, found) for file in source.files)


def _record(repo: "Repo", source: Source, file: OriginFile, root: Path, found: Mapping[str, str]) -> bool:
    """Put one file's content into data/raw's cache and write its .dvc file; False where that stands already."""
    from dvc.exceptions import DvcException

    try:
        stage = make_stage(repo, source, file, root, found)
    except DvcException:  # it reads the file that is there first, and stops at a spoilt one
        record_path(source, file, root).unlink(missing_ok=True)
        stage = make_stage(repo, source, file, root, found)
    stage.outs[0].save()
    stage.outs[0].commit()
    if same_origin_and_content(Path(stage.path), stage.dumpd()):
        return False
    if source.repository is None:
        stage.save_deps()  # asks the server for the file's mark
    stage.md5 = stage.compute_md5()
    stage.dump()
    return True


def record_path(source: Source, file: OriginFile, root: Path) -> Path:
    return (root / source.name / f"{file.name}.dvc").absolute()


def make_stage(repo: "Repo", source: Source, file: OriginFile, root: Path, found: Mapping[str, str]) -> "Stage":
    """The import stage of one file, as `dvc import` and `dvc import-url` build it."""
    path = record_path(source, file, root)
    place, origin = origin_path(source, file), {}
    if source.repository is not None:
        place = found.get(file.name, place)
        origin = {"erepo": {"url": source.repository, "rev_lock": source.commit}}
    else:
        place = f"{source.url}/{place}"
    stage = repo.stage.create(
        single_stage=True,
        validate=False,
        fname=str(path),
        wdir=str(path.parent),
        deps=[place],
        outs=[str(path.with_suffix(""))],
        **origin,
    )
    stage.frozen = True
    return stage


def same_origin_and_content(path: Path, state: Mapping[str, Any]) -> bool:
    """Whether a .dvc file names the repository and commit (or the URL) and the content of an import stage."""
    try:
        kept = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [identity(kept), kept["outs"]] == [identity(state), state["outs"]]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):  # absent, or not such a file
        return False


def identity(state: Mapping[str, Any]) -> Any:
    dependency = state["deps"][0]
    return dependency.get("repo", dependency["path"])
