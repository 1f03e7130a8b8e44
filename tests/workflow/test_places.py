"""The real workflow and commands where other people run them: odd folders, other users, no home, no locks, closed streams.

Each works, or is one sentence with its remedy before anything is made.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.test_checkout import WITHOUT_RIGHTS
from tests.workflow.conftest import environment, make_clone

pytestmark = pytest.mark.slow

AUDIT = "results/open/audit.csv"
"""A step of seconds that every clone can make."""
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && cd "$0" && exec "$@"'


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path / "clone")


def call(folder, *command, clone=None, **variables):
    """A command's status and all that it printed."""
    known = environment(clone or folder, **{"RESCORE_MIRROR": "", **variables})
    done = subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=known,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return done.returncode, done.stdout + done.stderr


def engine(*words):
    return [sys.executable, "-m", "snakemake", *words, "--config", "scale=open"]


def rescore(*words):
    return [sys.executable, "-m", "rescore", *words]


def read_only(folder):
    """What is put in front of a command so that it sees a folder on a read-only file system."""
    prefix = ["unshare", "--mount", "sh", "-c", READ_ONLY, folder]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("no mounting here")
    return prefix


def another_user(folder):
    """What is put in front of a command so that the folder is another user's."""
    if os.getuid() != 0 or subprocess.run([*WITHOUT_RIGHTS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can play two users")
    folder.chmod(0o755)
    subprocess.run(["chown", "-R", "4242:4242", str(folder)], check=True)
    return WITHOUT_RIGHTS


@pytest.mark.parametrize("kind", [read_only, another_user])
def test_in_a_checkout_that_may_not_be_written_whatever_only_reads_reads(finished, public_path, kind):
    edited = public_path / "clone"
    shutil.copytree(finished, edited, symlinks=True)
    before = kind(edited)
    status, said = call(edited, *before, *engine("-n"), clone=edited)
    assert status == 0, said
    status, said = call(edited, *before, *rescore("verify"), clone=edited, RESCORE_MIRROR="")
    assert said.startswith("clean: "), said
    status, said = call(edited, *before, *rescore("audit"), clone=edited)
    assert status == 0, said
    assert "not written to results/audit.csv" in said
    for command in ("plan", "check", "fetch"):
        status, said = call(edited, *before, *rescore(command), clone=edited)
        assert "Traceback" not in said
        assert status == 0, said
    status, said = call(edited, *before, *engine("--cores", "1"), clone=edited)
    assert status != 0
    assert "cannot be w" in said  # written, or worked in: whichever is met first
    assert "a clone of your own" in said
    assert "Traceback" not in said


def test_a_run_in_anothers_checkout_names_the_commit_all_the_same(public_path):
    clone = make_clone(public_path / "clone")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q"], ["add", "Snakefile"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=clone, check=True)
    before = another_user(clone)
    asked = "from rescore.engine import step_record; print(step_record.code_version())"
    status, said = call(clone, *before, sys.executable, "-c", asked)
    assert status == 0
    assert "'commit': None" not in said
    assert subprocess.run([*before, "git", "log"], cwd=clone, capture_output=True, check=False).returncode, (
        "git itself refuses"
    )


def test_started_elsewhere_it_says_where_to_go(clone):
    docs = clone / "docs"
    for command, words in {
        "engine": engine("-n", "-s", clone / "Snakefile"),
        "directory": engine("-n", "-s", clone / "Snakefile", "-d", docs),
    }.items():
        status, said = call(docs, *words, clone=clone)
        assert status != 0, command
        assert f"cd {clone}" in said, said
        assert "Traceback" not in said
    asked = [["fetch", "aqa7-lists"], ["plan"], ["check"], ["audit"], ["verify"], ["score", "x.avi"], ["doctor"]]
    for words in (*asked, ["rehearse"], ["replicate"]):
        status, said = call(docs, *rescore(*words), clone=clone)
        assert (status, said) == (
            1,
            f"rescore: rescore {words[0]}: {docs} is not the root of a checkout. Remedy: cd {clone}\n",
        )
    assert not (docs / "data").exists()


@pytest.mark.parametrize("name", ["an apostrophe's Prüfung 跳水", "$HOME (x) & [y]; #1"])
def test_a_checkout_in_a_folder_of_any_name(tmp_path, name):
    clone = make_clone(tmp_path / name)
    status, said = call(clone, *engine(AUDIT, "--cores", "1"))
    assert status == 0, said
    assert (clone / AUDIT).is_file()


@pytest.mark.parametrize("folder", ["~/the videos/it's", "$FILMS/10 m; (x)"])
def test_videos_in_a_folder_of_any_name(finished, clone, tmp_path, folder):
    home, films = tmp_path / "a home", tmp_path / "all 'films'"
    place = Path(folder.replace("~", str(home)).replace("$FILMS", str(films)))
    shutil.copytree(finished / "data/smoke/videos/aqa7", clone / place)
    text = (clone / "params.yaml").read_text()
    (clone / "params.yaml").write_text(
        text.replace("aqa7_videos: synthetic", "aqa7_videos: official").replace(
            "aqa7_directory: data/raw/aqa7/videos", f'aqa7_directory: "{folder}"'
        )
    )
    home.mkdir(exist_ok=True)
    variables = {"HOME": str(home), "FILMS": str(films)}
    words = [sys.executable, "-m", "snakemake", "data/smoke/videos/aqa7.csv", "--cores", "1", "--config", "scale=smoke"]
    status, said = call(clone, *words, **variables)
    assert status == 0, said
    first = (clone / "data/smoke/videos/aqa7.csv").read_text().splitlines()[1]
    assert str(place) in first
    status, said = call(clone, *rescore("check", "--scale", "smoke"), **variables)
    assert "does not exist" not in said, said


def test_without_a_search_path(clone):
    status, said = call(clone, "/usr/bin/env", "-u", "PATH", *engine(AUDIT, "--cores", "1"))
    assert status == 0, said


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("plan", ">&-"),
        ("audit", "2>&-"),
        ("fetch", "<&- >&- 2>&-"),
        ("plan", "| head -c 20"),
        ("audit", "<&- >&- 2>&-"),
    ],
)
def test_closed_streams(clone, closed, command):
    status, said = call(clone, "bash", "-c", f"{shlex.join(rescore(command))} {closed}")
    assert status == 0, said
    assert "Traceback" not in said
    assert "Exception" not in said


def test_a_run_with_closed_streams(clone):
    status, said = call(clone, "bash", "-c", f"{shlex.join(engine(AUDIT, '--cores', '1'))} <&- >&- 2>&-")
    assert (clone / AUDIT).is_file(), said
    assert status == 0


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_a_terminal_that_is_not_utf_8(clone, variables):
    for words in (rescore("audit"), rescore("plan"), engine("-n")):
        status, said = call(clone, *words, **variables)
        assert status == 0, said
        assert "Traceback" not in said


def test_a_number_without_a_name_runs_with_a_home_and_a_name_of_the_environment(public_path):
    """What `rescore doctor` tells such a user to export."""
    if os.getuid() != 0:
        pytest.skip("only root can become a number")
    clone, home = make_clone(public_path / "clone"), public_path / "home"
    home.mkdir()
    for path in (clone, home):
        subprocess.run(["chown", "-R", "4242:4242", str(path)], check=True)
    reading = "dac_read_search"  # Python itself may lie in a folder of root's
    number = [
        "setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups", f"--inh-caps=+{reading}",
        f"--ambient-caps=+{reading}", f"--bounding-set=-all,+{reading}",
    ]  # fmt: skip
    status, said = call(clone, *number, *engine(AUDIT, "--cores", "1"), HOME=str(home), USER="me", LOGNAME="me")
    assert status == 0, said
    assert (clone / AUDIT).stat().st_uid == 4242
    status, said = call(clone, "env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", *number, *rescore("doctor"))
    assert "export HOME=" in said
    assert "export USER=" in said
    status, said = call(clone, "env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", *number, *rescore("verify"))
    assert "no lock, so nothing is recorded" in said


def test_results_on_a_big_disk(clone, tmp_path):
    for name in ("results", "runs", "data"):
        if (clone / name).exists():
            shutil.move(clone / name, tmp_path / "big" / name)
        (tmp_path / "big" / name).mkdir(parents=True, exist_ok=True)
        (clone / name).symlink_to(tmp_path / "big" / name)
    status, said = call(clone, *engine("--cores", "1"), DVC_STAGE="reproduce")
    assert status != 0
    assert "DVC keeps no results behind links" in said
    assert not (clone / AUDIT).exists()
    status, said = call(clone, *engine(AUDIT, "--cores", "1"))
    assert status == 0, said
    assert "Nothing to be done" in call(clone, *engine(AUDIT, "--cores", "1"))[1]


WITHOUT_LOCKS = """
import errno, fcntl
def flock(handle, kind):
    raise OSError(getattr(errno, "{name}"), "no such locks")
fcntl.flock = flock
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [("ENOLCK", engine("-n")), ("ENOSYS", engine("-n")), ("EOPNOTSUPP", engine(AUDIT, "--cores", "1"))],
)
def test_without_file_locks(clone, tmp_path, name, words):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_LOCKS.format(name=name))
    path = f"{clone / 'src'}{os.pathsep}{tmp_path}"
    status, said = call(clone, *words, PYTHONPATH=path)
    assert status == 0, said
    assert "two runs at once cannot be noticed" in said


def test_a_library_of_another_version_is_said_by_a_run(clone, tmp_path):
    folder = tmp_path / "modules/scipy-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: scipy\nVersion: 1.0\n")
    path = f"{clone / 'src'}{os.pathsep}{tmp_path / 'modules'}"
    status, said = call(clone, *engine(AUDIT, "--cores", "1"), PYTHONPATH=path)
    assert status == 0, said
    assert said.count("warning: scipy is 1.0, where requirements.lock names ") == 1
