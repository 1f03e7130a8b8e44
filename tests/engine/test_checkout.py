"""Where a user stands, who they are, and what they may write: each is known before work is done."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from rescore.engine import checkout
from rescore.engine.errors import RescoreError

WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
"""Root without what makes it root: a user like any other (Linux)."""


def made(folder):
    for name in ("Snakefile", "params.yaml"):
        (folder / name).write_text("")
    return folder


def ask(script, *arguments, prefix=(), **variables):
    environment = os.environ | {"PYTHONPATH": str(Path(checkout.__file__).parents[2])} | variables
    command = [*prefix, sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_other(folder):
    """Arguments of `ask` that run it as another user than the folder's owner; skips where that cannot be."""
    if os.getuid() != 0 or subprocess.run([*WITHOUT_RIGHTS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("only root can play two users")
    folder.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 4242, 4242, follow_symlinks=False)
    return {"prefix": WITHOUT_RIGHTS}


def test_commands_of_a_checkout_are_given_in_its_root(tmp_path, monkeypatch):
    root = made(tmp_path)
    (root / "docs/systems").mkdir(parents=True)
    monkeypatch.chdir(root)
    checkout.check_root("rescore fetch")
    for inner in ("docs", "docs/systems"):
        monkeypatch.chdir(root / inner)
        with pytest.raises(RescoreError, match=f"not the root of a checkout. Remedy: cd {root}$"):
            checkout.check_root("rescore fetch")


def test_outside_of_any_checkout_it_says_what_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RescoreError, match="the folder with its Snakefile"):
        checkout.check_root("rescore plan")


CHECK_RUN = """
import sys
from pathlib import Path
from rescore.engine import checkout
try:
    checkout.check_run("smoke", Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_folders_that_another_user_owns_are_named_before_the_run(public_path):
    for name in ("runs/smoke/scores", "data/smoke", "logs", "workflow/provenance"):
        (made(public_path) / name).mkdir(parents=True)
    assert ask(CHECK_RUN, public_path) == ""
    other = as_other(public_path)
    said = ask(CHECK_RUN, public_path, **other)
    assert said.startswith(f"RescoreError {public_path}: cannot be worked in")
    assert "runs/smoke/scores: you may not write there (drwxr-xr-x 4242)" in said or "and " in said
    assert "Remedy: a clone of your own" in said
    (public_path / "runs/smoke/scores").chmod(0o777)
    assert "runs/smoke/scores" not in ask(CHECK_RUN, public_path, **other)


def test_under_dvc_links_are_refused_before_the_run_and_followed_without_it(tmp_path, monkeypatch):
    (tmp_path / "big/runs").mkdir(parents=True)
    (tmp_path / "runs").symlink_to("big/runs")
    monkeypatch.delenv("DVC_STAGE", raising=False)
    checkout.check_run("smoke", tmp_path)
    monkeypatch.setenv("DVC_STAGE", "reproduce")
    with pytest.raises(RescoreError, match="runs: a link to big/runs; DVC keeps no results behind links"):
        checkout.check_run("smoke", tmp_path)
    (tmp_path / "runs").unlink()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/smoke").symlink_to("../big")
    with pytest.raises(RescoreError, match="data/smoke: a link to"):
        checkout.check_run("smoke", tmp_path)


def test_a_shadow_shows_the_checkout_and_takes_what_is_noted(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for name, text in {
        ".snakemake/rescore.json": "state", ".snakemake/locks/0": "", ".snakemake/metadata/a/b": "record",
        ".dvc/config": "config", ".dvc/tmp/lock": "", ".dvc/cache/files/x": "x", "runs/smoke/x": "x", ".gitignore": "y",
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    folder = checkout.shadow(root)
    seen = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()
    }
    assert seen == {".snakemake/rescore.json", ".snakemake/metadata/a/b", ".dvc/config", ".gitignore"}
    assert (folder / "runs/smoke/x").read_text() == "x"
    assert (folder / ".dvc/cache/files/x").read_text() == "x"
    (folder / ".snakemake/rescore.json").write_text("changed")
    assert (root / ".snakemake/rescore.json").read_text() == "state"


def test_a_shadow_goes_with_its_process(tmp_path):
    script = (
        "import sys; from pathlib import Path; from rescore.engine import checkout\n"
        "print(checkout.shadow(Path(sys.argv[1])))"
    )
    assert not Path(ask(script, made(tmp_path), TMPDIR=str(tmp_path.parent))).exists()


SETTLE = (
    "import os, getpass; from pathlib import Path; from rescore.engine import checkout\n"
    "os.setgid(4242); os.setuid(4242); checkout.settle_user()\n"
    "print(getpass.getuser(), Path.home(), os.access(Path.home(), os.W_OK))"
)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("home", ["/nonexistent", "", "relative"])
def test_a_number_without_name_and_home_gets_both(home, public_path):
    with pytest.raises(KeyError):
        pwd.getpwuid(4242)
    public_path.chmod(0o777)
    variables = {"HOME": home, "TMPDIR": str(public_path), "USER": "", "LOGNAME": ""}
    script = "import os\nfor name in ('USER', 'LOGNAME'): os.environ.pop(name)\n" + SETTLE
    name, folder, writable = ask(script, **variables).split()
    assert (name, writable) == ("user-4242", "True")
    assert folder == f"{public_path}/rescore-home-4242"


def test_a_home_that_may_only_be_read_stays_the_home_and_caches_go_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/")
    monkeypatch.setattr(checkout.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(checkout.os, "access", lambda path, kind, **options: False)
    for name in ("TORCH_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    checkout.settle_user()
    assert os.environ["HOME"] == "/"
    assert os.environ["XDG_CACHE_HOME"] == f"{tmp_path}/rescore-home-{os.getuid()}"
    assert os.environ["TORCH_HOME"] == "//.cache/torch", "weights that are there are still found"


def test_originals_for_reading_only_do_not_stop_a_run(public_path):
    (made(public_path) / "data/raw/aqa7/videos").mkdir(parents=True)
    for name in (".snakemake", "logs", "data/smoke", "data/open", "runs", "results", "workflow/provenance"):
        (public_path / name).mkdir(parents=True)
    other = as_other(public_path)
    for path in public_path.rglob("*"):
        path.chmod(0o555 if "raw" in path.parts else 0o777)
    assert ask(CHECK_RUN, public_path, **other) == ""


def test_a_user_with_a_home_keeps_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    checkout.settle_user()
    assert os.environ["HOME"] == str(tmp_path)
