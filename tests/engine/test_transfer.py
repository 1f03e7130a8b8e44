"""A scale goes out as one archive and comes into a clone whole, or not at all, with one clear sentence."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from rescore import cli
from rescore.engine import archive, lock, transfer, verify
from rescore.engine.errors import RescoreError
from rescore.engine.storage import canonical_json, sha256_file, sha256_text

FILES = {
    "data/smoke/manifests/aqa7.parquet": b"rows",
    "runs/smoke/all_action/members.safetensors": bytes(range(256)) * 40,
    "runs/smoke/all_action/predictions.parquet": b"predicted",
    "results/smoke/tables/aqa7_table2.csv": b"row,column\n",
}
UNRECORDED = {"runs/smoke/records/all_action.json": b"{}\n"}
REMADE = {"data/smoke/clips/aqa7.npy": b"clips", "data/smoke/videos/aqa7.csv": b"video,bytes,sha256\n"}


def git(*words):
    names = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], check=True, capture_output=True, env=os.environ | names)


def put(files):
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(content)


def write_lock(names, room="smoke"):
    keys = dict.fromkeys(lock.KEYS)
    records = {name: {"sha256": sha256_file(Path(name)), **keys} for name in names}
    lock.LOCKS.mkdir(parents=True, exist_ok=True)
    lock.lock_path(room).write_text(lock.lock_text(records))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A committed checkout in which scale smoke was run, a clone without, and the archive of the one in the other."""
    root, base = Path.cwd(), tmp_path_factory.mktemp("made")
    for folder in (base / "maintainer", base / "clone"):
        shutil.copytree(root / "workflow/schemas", folder / "workflow/schemas")
        for name in ("params.yaml", "Snakefile", ".gitignore"):
            shutil.copy(root / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify, "workflow_faults", lambda rooms: [])
        patch.chdir(base / "maintainer")
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "all")
        put(FILES | UNRECORDED | REMADE)
        write_lock([*FILES, *REMADE])
        transfer.export_scale("smoke", base / "clone/rescore-smoke.tar")
    return base


@pytest.fixture
def maintainer(made, tmp_path, monkeypatch):
    """The maintainer's checkout."""
    monkeypatch.setattr(verify, "workflow_faults", lambda rooms: [])
    folder = Path(shutil.copytree(made / "maintainer", tmp_path / "maintainer"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def sent(made, tmp_path, monkeypatch):
    """The archive, in the clone."""
    folder = Path(shutil.copytree(made / "clone", tmp_path / "clone"))
    monkeypatch.chdir(folder)
    return folder / "rescore-smoke.tar"


def written():
    return {path for path in transfer.kept_files(["smoke"]) if Path(path).is_file()}


def rewrite(path, change=lambda about: None, members=lambda found: found, sign=True):
    """The archive with another listing or other members."""
    with tarfile.open(path) as old:
        found = [(member, old.extractfile(member).read()) for member in old]
    about = json.loads(found[0][1])["archive"]
    change(about)
    text = json.dumps({"archive": about, "sha256": sha256_text(canonical_json(about)) if sign else "0" * 64}).encode()
    listing = tarfile.TarInfo(archive.LISTING)
    listing.size = len(text)
    with tarfile.open(path, "w") as new:
        for member, content in [(listing, text), *members(found[1:])]:
            new.addfile(member, io.BytesIO(content))


def renamed(name):
    """Both the listing and the member speak of another path."""

    def change(about):
        about["files"][0]["path"] = name

    def members(found):
        found[0][0].name = name
        return found

    return {"change": change, "members": members}


def test_what_is_kept_comes_into_the_clone_and_what_is_made_again_does_not(sent):
    done = transfer.import_archive(sent)
    kept = FILES | UNRECORDED
    assert {name: Path(name).read_bytes() for name in kept} == kept
    assert written() == {*kept, "workflow/provenance/smoke.lock.jsonl"}
    assert (len(done.written), done.present) == (len(kept) + 1, 0)
    records = lock.read_lock("smoke")
    assert verify.file_faults({name: records[name] for name in FILES}) == []
    assert transfer.import_archive(sent).present == len(kept) + 1  # a second time there is nothing to do


def test_equal_files_give_equal_bytes_whoever_has_them_and_when(maintainer):
    transfer.export_scale("smoke", Path("a.tar"))
    for name in FILES:
        os.utime(name, (1, 1))
        Path(name).chmod(0o600)
    transfer.export_scale("smoke", Path("b.tar"))
    assert Path("a.tar").read_bytes() == Path("b.tar").read_bytes()
    with tarfile.open("a.tar") as read:
        assert {(member.mtime, member.uid, member.uname) for member in read} == {(0, 0, "")}


def test_an_import_goes_on_where_it_was_killed(sent, monkeypatch):
    extract = archive.extract
    monkeypatch.setattr(archive, "extract", lambda path, entries, wanted: extract(path, entries, {sorted(wanted)[0]}))
    transfer.import_archive(sent)
    monkeypatch.setattr(archive, "extract", extract)
    lock.lock_path("smoke").unlink()
    assert transfer.import_archive(sent).present == 1
    assert written() == {*FILES, *UNRECORDED, "workflow/provenance/smoke.lock.jsonl"}


def cut(share):
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def flip(path):
    """One bit in the middle of the checkpoint."""
    content = bytearray(path.read_bytes())
    content[content.index(bytes(range(256)) * 4) + 600] ^= 1
    path.write_bytes(content)


def other_parameters(path):
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("confidence: 0.95", "confidence: 0.91"))
    assert "0.91" in Path("params.yaml").read_text()


def other_records(path):
    put({"runs/smoke/x.csv": b"x"})
    write_lock(["runs/smoke/x.csv"])
    Path("runs/smoke/x.csv").unlink()


def linked(found):
    found[0][0].type, found[0][0].linkname = tarfile.SYMTYPE, "/etc/passwd"
    return found


BAD = {
    "half of it": (cut(0.5), "not a whole archive"),
    "its beginning": (cut(0.01), "not a whole archive|is damaged"),
    "nothing": (cut(0), "not a whole archive"),
    "no archive": (lambda path: path.write_text("hello" * 999), "not a whole archive"),
    "missing": (Path.unlink, "no such file"),
    "a flipped bit": (flip, r"damaged \(1\):\n  - runs/smoke/all_action/members.safetensors: SHA-256"),
    "its listing": (lambda path: rewrite(path, sign=False), "ARCHIVE.json is damaged"),
    "a later format": (lambda path: rewrite(path, lambda about: about.update(format=2)), "format 2"),
    "another's archive": (lambda path: rewrite(path, members=lambda found: []), "after 0 of 6 files"),
    "other parameters": (
        other_parameters,
        "parameter .*confidence: 0.91 here, 0.95 in the archive(.*\n)+Remedy: git checkout [0-9a-f]{40}",
    ),
    "other records": (other_records, "smoke.lock.jsonl: this checkout records other results"),
    "other code": (lambda path: Path("Snakefile").write_text("# other"), "no records of its own .* other code"),
    "no such scale": (lambda path: rewrite(path, lambda about: about.update(scale="huge")), "unknown scale 'huge'"),
    "a link": (lambda path: rewrite(path, members=linked), "file 1 is not the data/smoke/manifests"),
    "one more": (lambda path: rewrite(path, members=lambda found: [*found, found[0]]), "knows nothing"),
    "upwards": (lambda path: rewrite(path, **renamed("data/smoke/../../../x")), "leaves the folder"),
    "absolute": (lambda path: rewrite(path, **renamed("/etc/x")), "leaves the folder"),
    "the code": (lambda path: rewrite(path, **renamed("src/rescore/cli.py")), "src/rescore/cli.py': not of smoke"),
    "git's hooks": (lambda path: rewrite(path, **renamed(".git/hooks/pre-commit")), "not of smoke"),
    "originals": (lambda path: rewrite(path, **renamed("data/raw/aqa7/x.mat")), "not of smoke"),
    "other bytes here": (
        lambda path: put({"runs/smoke/all_action/predictions.parquet": b"mine"}),
        "predictions.parquet: has other bytes here\nRemedy: .*--replace",
    ),
    "a folder here": (lambda path: Path("runs/smoke/records/all_action.json").mkdir(parents=True), "a folder"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_archive_writes_nothing_and_says_why(sent, case):
    spoil, reason = BAD[case]
    spoil(sent)
    before = written()
    with pytest.raises(RescoreError, match=reason) as caught:
        transfer.import_archive(sent)
    assert written() == before
    assert "Traceback" not in str(caught.value)


def test_without_space_nothing_is_written(sent, monkeypatch):
    monkeypatch.setattr(transfer, "MARGIN", 1 << 60)
    with pytest.raises(RescoreError, match=r"no space for the import .*\n.* bytes needed"):
        transfer.import_archive(sent)
    assert written() == set()


def test_what_is_here_is_replaced_only_when_asked(sent):
    put({"runs/smoke/all_action/predictions.parquet": b"mine"})
    transfer.import_archive(sent, replace=True)
    assert Path("runs/smoke/all_action/predictions.parquet").read_bytes() == b"predicted"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda: Path("runs/smoke/all_action/predictions.parquet").unlink(), "predictions.parquet: missing"),
        (lambda: put({"runs/smoke/all_action/predictions.parquet": b"x"}), "not the recorded file"),
        (lambda: put({"params.yaml": Path("params.yaml").read_bytes() + b"\n"}), "params.yaml: not committed"),
        (lambda: lock.lock_path("smoke").unlink(), "not run here"),
    ],
)
def test_what_nobody_could_prove_is_not_exported(maintainer, spoil, reason):
    spoil()
    with pytest.raises(RescoreError, match=reason):
        transfer.export_scale("smoke", Path("a.tar"))
    assert not Path("a.tar").exists()


def test_an_archive_among_what_it_holds_is_refused(maintainer):
    with pytest.raises(RescoreError, match="Write the archive elsewhere"):
        transfer.export_scale("smoke", Path("runs/smoke/a.tar"))


def test_both_are_commands(maintainer, sent, capsys, monkeypatch):
    monkeypatch.setenv("RESCORE_RUN", "")  # an import holds the run's lock, as a run does
    monkeypatch.chdir(maintainer)
    assert cli.main(["export", "--scale", "smoke"]) == 0
    said = capsys.readouterr().out
    assert f"SHA-256 {sha256_file(sent)}" in said
    monkeypatch.chdir(sent.parent)
    assert cli.main(["import", "rescore-smoke.tar"]) == 0
    assert "6 files written" in capsys.readouterr().out
