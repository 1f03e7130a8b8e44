"""The record of a step: what ran, on what, with what; and a step whose sources changed does not run."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from rescore.engine import provenance, step_record
from rescore.engine.errors import RescoreError
from rescore.engine.storage import canonical_json, save_arrays, sha256_text

STEP = "scoring.claims.evaluate_claims"


def example(source: Path, others: list[Path], output: Path, settings: dict) -> None:
    """A step as others are: reads files, writes one."""
    output.write_text(source.read_text() + "".join(path.read_text() for path in others))


def run(code=""):
    arguments = {
        "source": Path("a.csv"),
        "others": [Path("b.csv")],
        "output": Path("out.csv"),
        "settings": {"seed": 3, "seeds": 2, "lstm": {"width": 4}},
    }
    log = Path("logs/demo/deep/example.log")
    step_record.run_recorded(example, arguments, rule="example", step=STEP, log=log, code=code)
    return json.loads(Path("runs/demo/records/deep/example.json").read_text())


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("a")
    Path("b.csv").write_text("b")


def test_a_record_says_what_ran_on_what(monkeypatch):
    Path("out.csv").write_text("left by an earlier run")
    record = run()
    assert record["rule"] == "example"
    assert record["arguments"] == {"source": "a.csv", "others": ["b.csv"], "output": "out.csv"}
    assert record["inputs"] == {"a.csv": sha256_text("a"), "b.csv": sha256_text("b")}
    assert record["outputs"] == ["out.csv"]
    assert record["seeds"] == {"seed": 3, "seeds": 2}
    assert record["settings_sha256"] == sha256_text(canonical_json(record["settings"]))
    assert record["code"]["hash"] == provenance.code_hash("rescore.scoring.claims")
    assert record["seconds"] >= 0
    assert record["hardware"]["cores"] >= 1
    assert record["versions"]["python"]


def test_a_record_names_no_host():
    import platform

    assert platform.node() not in json.dumps(run()["hardware"])


def test_a_step_planned_with_other_code_does_not_run():
    with pytest.raises(RescoreError, match="the sources changed while the workflow runs"):
        run(code="0123456789abcdef")
    assert not Path("out.csv").exists()
    assert run(code=provenance.code_hash("rescore.scoring.claims"))["outputs"] == ["out.csv"]


@pytest.mark.parametrize("log", ["elsewhere/demo/x.log", "logs/x.log"])
def test_a_log_elsewhere_has_no_record(log):
    with pytest.raises(RescoreError, match="logs/<scale>/"):
        step_record.record_path(Path(log))


def written_by_safetensors(output: Path, settings: dict) -> None:
    """A step whose library writes its file for the owner alone."""
    save_arrays(output, {"weight": np.zeros(3)}, settings)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_what_a_step_wrote_has_the_rights_that_the_umask_gives(umask):
    before = os.umask(umask)
    try:
        arguments = {"output": Path("w.safetensors"), "settings": {"seed": 3}}
        log = Path("logs/demo/w.log")
        step_record.run_recorded(written_by_safetensors, arguments, rule="w", step=STEP, log=log, code="")
    finally:
        os.umask(before)
    assert Path("w.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask
