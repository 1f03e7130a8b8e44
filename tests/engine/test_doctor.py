"""`rescore doctor` says of each kind of trouble that there is one, and how to mend it."""

import errno
import fcntl
import os
import pwd
import shutil
import time
from pathlib import Path

import pytest

from rescore.cli import main
from rescore.engine import doctor


def one(check, root, subject):
    return {finding.subject: finding for finding in check(root)}.get(subject)


def test_every_subject_is_examined(capsys):
    main(["doctor"])
    text = capsys.readouterr().out
    for subject in ("home", "git", "java", "commit", "line ends", "rights", "links", "file locks", "clock", "disk", "memory",
                    "cores", "locale", "libraries", "decoder", "GPU"):  # fmt: skip
        assert f" {subject}: " in text, text
    assert text.splitlines()[-1].endswith(" fail")


def test_no_locks(tmp_path, monkeypatch):
    def refuse(handle, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    found = one(doctor.file_locks, tmp_path, "file locks")
    assert (found.state, "two runs at once cannot be noticed" in found.statement) == (doctor.WARN, True)
    assert found.remedy


@pytest.mark.parametrize("home", ["/nonexistent", "relative", "~"])
def test_no_home(tmp_path, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    assert one(doctor.user, tmp_path, "home").state == doctor.FAIL


def test_no_name(tmp_path, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    found = one(doctor.user, tmp_path, "user")
    assert found.state == doctor.FAIL
    assert "export USER" in found.remedy


def test_no_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    states = {finding.subject: finding.state for finding in doctor.commands(tmp_path)}
    assert states == {"git": doctor.WARN, "bash": doctor.FAIL, "java": doctor.WARN}


def test_no_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = one(doctor.repository, tmp_path, "commit")
    assert found.state == doctor.WARN
    assert "not a git repository" in found.statement


def test_turned_line_ends(tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/table.csv").write_bytes(b"a,b\r\n")
    found = one(doctor.line_ends, tmp_path, "line ends")
    assert (found.state, "papers/table.csv" in found.statement) == (doctor.FAIL, True)
    assert "core.autocrlf false" in found.remedy


def test_links(tmp_path):
    (tmp_path / "data").symlink_to("/tmp")
    assert one(doctor.links, tmp_path, "links").state == doctor.WARN


def test_a_clock_that_differs(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 90)
    found = one(doctor.clock, tmp_path, "clock")
    assert found.state == doctor.WARN
    assert "-90 s" in found.statement or "-89 s" in found.statement


@pytest.mark.parametrize(("free", "state"), [(0.5, doctor.FAIL), (3, doctor.WARN), (100, doctor.OK)])
def test_disk(tmp_path, monkeypatch, free, state):
    usage = type("Usage", (), {"free": free * doctor.GIB})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert {finding.state for finding in doctor.disk(tmp_path)} == {state}


def test_memory_and_cores_and_instructions(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LITTLE_MEMORY", 1e6)
    assert one(doctor.memory, tmp_path, "memory").state == doctor.WARN
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    monkeypatch.setattr(doctor, "cpu_flags", lambda: {"sse2"})
    states = {finding.subject: finding.state for finding in doctor.processor(tmp_path)}
    assert states == {"cores": doctor.WARN, "AVX2": doctor.WARN}


def test_a_terminal_that_is_not_utf_8(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.locale, "getpreferredencoding", lambda ask: "ISO-8859-1")
    found = one(doctor.language, tmp_path, "locale")
    assert (found.state, found.remedy) == (doctor.WARN, "export LC_ALL=C.UTF-8")


def test_other_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.libraries, "other_versions", lambda: ["numpy is 1.0", "torch is 2.0"])
    assert [finding.statement for finding in doctor.versions(tmp_path) if finding.state == doctor.WARN][-2:] == [
        "numpy is 1.0",
        "torch is 2.0",
    ]


def test_a_library_that_cannot_be_imported_or_ends_its_process(tmp_path, monkeypatch):
    for name, code in {"missing": None, "illegal": "import os, signal; os.kill(os.getpid(), signal.SIGILL)"}.items():
        if code:
            (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        answer = doctor.probe_answer(doctor.start_probe(name))
        assert ("No module" if code is None else "status -4") in answer["error"]


def test_decoders_and_graphics():
    sound, broken = {"version": "1"}, {"error": "ImportError: no"}
    assert [next(doctor.decoder(*pair)).state for pair in ((sound, broken), (broken, sound), (broken, broken))] == [
        doctor.OK,
        doctor.OK,
        doctor.FAIL,
    ]
    assert next(doctor.graphics(broken)).state == doctor.FAIL
    assert next(doctor.graphics({"version": "2", "cuda": True, "build": "13"})).state == doctor.OK


def test_a_card_that_torch_cannot_use(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    found = next(doctor.graphics({"version": "2", "cuda": False, "build": None}))
    assert (found.state, "cannot use it" in found.statement) == (doctor.WARN, True)


def test_every_finding_that_is_not_ok_says_how_to_mend_it():
    for finding in doctor.examine(Path()):
        assert finding.state == doctor.OK or finding.remedy, finding
