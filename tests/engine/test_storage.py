"""Files are written whole or not at all, and equal content gives equal bytes."""

import errno
import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from rescore.engine import processes, storage
from rescore.engine.errors import RescoreError


def test_equal_values_have_one_spelling():
    assert storage.canonical_json({"b": [1, 2.5], "a": None}) == storage.canonical_json({"a": None, "b": [1, 2.5]})
    with pytest.raises(ValueError, match="JSON compliant"):
        storage.canonical_json({"a": float("nan")})


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), storage.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


KILLED = """
import os, signal, sys
from pathlib import Path
from rescore.engine import storage
with storage.atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_goes_when_the_file_is_written_again(tmp_path):
    path = tmp_path / "table.csv"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(path)])
    assert len(os.listdir(tmp_path)) == 1, "the second left its own and removed the first's"
    here = processes.place_hash()
    others = [
        f".table.1-{here}-abcdefgh.csv",
        ".table.txt",
        f".tables.999999999-{here}-abcdefgh.csv",
        f".table.x-{here}-abcdefgh.csv",
    ]
    (tmp_path / ".table.1-00000000-abcdefgh.csv").write_text("of a job on another machine, which was given up")
    for name in others:  # of a process that lives, and of other files
        (tmp_path / name).write_text("other")
    storage.write_text(path, "whole")
    assert sorted(os.listdir(tmp_path)) == sorted(["table.csv", *others])


def test_a_full_disk_names_the_file(tmp_path):
    with pytest.raises(RescoreError, match=r"x\.csv: the disk is full"), storage.atomic_path(tmp_path / "x.csv"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no /dev/full")
def test_a_really_full_device(tmp_path):
    with pytest.raises(RescoreError, match="the disk is full"), storage.atomic_path(tmp_path / "x.txt") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_text("x")


WRITERS = {
    "w.safetensors": "storage.save_arrays(path, {'weight': np.zeros(1 << 18)}, {})",
    "t.parquet": "storage.write_table(path, pd.DataFrame({'x': np.random.default_rng(0).random(1 << 18)}))",
    "t.csv": "storage.write_table(path, pd.DataFrame({'x': np.random.default_rng(0).random(1 << 18)}))",
    "t.json": "storage.write_json(path, ['x' * (1 << 21)])",
    "a.npy": "with storage.atomic_path(path) as temporary: np.save(temporary, np.zeros(1 << 18))",
}
FULL = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from rescore.engine import storage
from rescore.engine.errors import RescoreError
path = Path(sys.argv[1])
if sys.argv[3] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
try:
    exec(sys.argv[2])
except RescoreError as error:
    print(error, list(path.parent.iterdir()))
"""


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("kind", ["small file system", "limit"])
def test_every_writer_says_that_the_disk_is_full(tmp_path, name, kind):
    """In a process of its own, on a file system of 1 MiB (Linux, in a user namespace) or under a file size limit of 256 KiB."""
    command = [sys.executable, "-c", FULL, str(tmp_path / name), WRITERS[name], kind.split()[-1]]
    if kind == "small file system":
        mount = f'mount -t tmpfs -o size=1m none {shlex.quote(str(tmp_path))} && exec "$@"'
        command = ["unshare", "-rm", "sh", "-c", mount, "sh", *command]
        if shutil.which("unshare") is None or subprocess.run([*command[:5], "true"], check=False).returncode:
            pytest.skip("no user namespaces here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "mount: " in done.stderr:
        pytest.skip(f"no mounting here: {done.stderr.strip()}")
    assert f"{name}: the disk is full" in done.stdout, done.stderr
    assert done.stdout.endswith("[]\n"), "litter is left"


def test_a_killed_writer_leaves_no_half_file(tmp_path):
    path = tmp_path / "table.csv"
    script = (
        "import os, signal, sys; from pathlib import Path; from rescore.engine import storage\n"
        "with storage.atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_round_trip_with_equal_bytes(tmp_path, suffix):
    table = pd.DataFrame({"row": ["a", "b"], "value": [0.1, 0.30000000000000004]})
    for name in "ab":
        storage.write_table(tmp_path / f"{name}{suffix}", table)
    pd.testing.assert_frame_equal(storage.read_table(tmp_path / f"a{suffix}"), table)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_unreadable_tables_say_what_to_do(tmp_path):
    with pytest.raises(RescoreError, match="no such file"):
        storage.read_table(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes(b"PAR1 this is not a table")
    with pytest.raises(RescoreError, match="not a readable table"):
        storage.read_table(tmp_path / "x.parquet")


def test_arrays_round_trip_with_their_header(tmp_path):
    arrays = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3).T, "steps": np.array(7)}
    storage.save_arrays(tmp_path / "w.safetensors", arrays, {"seed": 3, "parameters": {"width": 0.5}})
    loaded, header = storage.load_arrays(tmp_path / "w.safetensors")
    assert header == {"seed": 3, "parameters": {"width": 0.5}}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].shape == array.shape


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"\x80\x04pickle" + data]
)
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    path = tmp_path / "w.safetensors"
    storage.save_arrays(path, {"weight": np.zeros(100)}, {})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RescoreError, match=r"w\.safetensors: not a readable safetensors file"):
        storage.load_arrays(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(RescoreError, match="no such checkpoint"):
        storage.load_arrays(tmp_path / "w.safetensors")


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_have_the_rights_that_the_umask_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        storage.write_text(tmp_path / "folder" / "x.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "folder" / "x.txt").stat().st_mode & 0o777 == 0o666 & ~umask


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from rescore.engine import processes, storage
processes.place_hash()
os.setgid(65534); os.setuid(65534)
try:
    exec(sys.argv[2])
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(
    ("action", "says"),
    [
        ("storage.write_text(path / 'new.txt', 'x')", "cannot be written"),
        ("storage.write_text(path / 'folder' / 'new.txt', 'x')", "cannot be written"),
        ("storage.read_table(path / 'secret.csv')", "you may not read it"),
    ],
)
def test_what_another_user_may_not_do_is_one_sentence(public_path, action, says):
    folder = public_path / "owned"
    folder.mkdir()
    (folder / "secret.csv").write_text("a\n1\n")
    (folder / "secret.csv").chmod(0o600)
    command = [sys.executable, "-c", AS_ANOTHER_USER, str(folder), f"path = Path(sys.argv[1]); {action}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("RescoreError"), done.stdout + done.stderr
    assert says in done.stdout


def test_an_error_of_what_the_writer_reads_is_not_taken_for_one_of_writing(tmp_path):
    with pytest.raises(PermissionError), storage.atomic_path(tmp_path / "x.txt"):
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/else.mp4")


def test_two_writers_at_once_the_one_whose_file_is_taken_says_so(tmp_path):
    with pytest.raises(RescoreError, match="another process wrote it"), storage.atomic_path(tmp_path / "x.txt") as mine:
        mine.unlink()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("stem", ["x" * 250, "ü" * 120, "10:30 $dive 'one' [1]", "-n", "跳" * 80])
def test_any_name_that_the_system_takes_can_be_written(tmp_path, stem):
    path = tmp_path / f"{stem}.txt"
    subprocess.run([sys.executable, "-c", KILLED, str(path)])
    storage.write_text(path, "whole")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_nobody_is_told_to_delete_what_the_program_did_not_make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("labels.csv", "data/raw/labels/labels.csv", "runs/smoke/scores/table.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("Name\nM\xfcller\n".encode("latin-1"))
        with pytest.raises(RescoreError, match="not a readable table") as raised:
            storage.read_table(path)
        assert ("Delete it" in str(raised.value)) == name.startswith("runs")
        assert ("UTF-8" in str(raised.value)) != name.startswith("runs")
