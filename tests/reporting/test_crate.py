"""A crate says what a run gave and from what; validators of the formats say whether it says so properly."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rescore.engine import lock
from rescore.engine.errors import RescoreError
from rescore.engine.storage import save_arrays, sha256_file
from rescore.reporting import crate, model_cards

WEIGHTS = "runs/smoke/all_action/members.safetensors"
CARRIED = {
    "data/smoke/manifests/aqa7.parquet",
    "runs/smoke/all_action/predictions.parquet",
    "runs/smoke/scores/aqa7_table2.csv",
    "results/smoke/tables/aqa7_table2.csv",
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout in which one experiment was run at scale smoke."""
    shutil.copytree("workflow/schemas", tmp_path / "workflow/schemas")
    for name in ("params.yaml", "Snakefile", "CITATION.cff"):
        shutil.copy(name, tmp_path)
    (tmp_path / "src").symlink_to(Path("src").absolute())
    monkeypatch.chdir(tmp_path)
    for name in CARRIED:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame({"sample": ["diving/001"], "score": [70.5], "twists": [2], "armstand": [True]})
        table.to_parquet(name) if name.endswith("parquet") else table.to_csv(name)
    header = {"experiment": "all_action", "members": [{"member": "all", "seed": 0}], "settings": {"seed": 0}}
    save_arrays(Path(WEIGHTS), {"weight": np.zeros((2, 3), np.float32)}, header)
    keys = {**dict.fromkeys(lock.KEYS), "rule": "all_action", "input_checksums": {"data/smoke/x.npy": "sha256:0a"}}
    records = {name: {"sha256": sha256_file(Path(name)), **keys} for name in (*CARRIED, WEIGHTS)}
    lock.LOCKS.mkdir(parents=True)
    lock.lock_path("smoke").write_text(lock.lock_text(records))
    return tmp_path


def test_a_card_says_what_is_recorded(checkout):
    text = model_cards.card(Path(WEIGHTS), lock.read_lock("smoke")[WEIGHTS], synthetic=True)
    assert "all (seed 0)" in text
    assert "1, 6 numbers" in text
    assert "| `data/smoke/x.npy` | `sha256:0a` |" in text
    assert "**synthetic**" in text
    assert "**synthetic**" not in model_cards.card(Path(WEIGHTS), lock.read_lock("smoke")[WEIGHTS], synthetic=False)


def test_every_system_with_a_checkpoint_has_a_document():
    for experiment in model_cards.registry.on_videos():
        path = Path("runs/smoke", experiment.name, experiment.checkpoint or "x.safetensors")
        assert model_cards.experiment_of(path) == experiment
        assert Path(model_cards.document_of(experiment)).is_file()


def test_a_checkpoint_that_is_none_is_said_to_be(checkout):
    Path(WEIGHTS).write_bytes(b"x")
    with pytest.raises(RescoreError, match="not a readable checkpoint"):
        model_cards.header_of(Path(WEIGHTS))


@pytest.mark.parametrize(
    ("table", "name"),
    [("aqa7", "aqa7-lists"), ("mtl_aqa_judges", "mtl-aqa-annotations"), ("rhythmic_gymnastics", "rhythmic-gymnastics")],
)
def test_official_labels_have_their_authors_licence_and_citation(table, name):
    assert crate.source_of(table).name == name
    assert crate.source_of("pretraining") is None


def test_without_the_libraries_one_sentence_says_so(checkout, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlcroissant", None)
    with pytest.raises(RescoreError, match=r"mlcroissant is not installed.*requirements/publish.lock"):
        crate.write_crate("smoke", Path("crate"))


@pytest.fixture
def written(checkout):
    pytest.importorskip("rocrate", reason="pip install -r requirements/publish.lock")
    pytest.importorskip("mlcroissant", reason="pip install -r requirements/publish.lock")
    assert crate.write_crate("smoke", Path("crate")) == len(CARRIED)
    return Path("crate")


def test_the_crate_holds_the_run_and_each_file_with_its_hash(written):
    graph = {entity["@id"]: entity for entity in json.loads((written / "ro-crate-metadata.json").read_text())["@graph"]}
    run = graph["#run"]
    assert {part["@id"] for part in run["result"]} == CARRIED
    assert run["instrument"]["@id"] == "Snakefile"
    for name in CARRIED:
        assert graph[name]["sha256"] == sha256_file(written / name) == sha256_file(Path(name))
    assert "model_cards/all_action/members.md" in graph
    assert crate.write_crate("smoke", Path("again")) == len(CARRIED)
    names = [path.relative_to(written) for path in written.rglob("*") if path.is_file()]
    assert all((written / name).read_bytes() == (Path("again") / name).read_bytes() for name in names)


def test_croissant_reads_its_own_metadata_and_knows_the_columns(written):
    import mlcroissant

    path = written / "croissant/aqa7.json"
    found = mlcroissant.Dataset(jsonld=path)
    assert not found.metadata.ctx.issues.errors
    kinds = {field.name: str(field.data_types[0]) for field in found.metadata.record_sets[0].fields}
    assert {name: kind.rpartition("/")[2] for name, kind in kinds.items()} == {
        "sample": "Text",
        "score": "Float",
        "twists": "Integer",
        "armstand": "Boolean",
    }


def test_the_validator_of_the_profile_finds_nothing(written):
    validator = shutil.which("rocrate-validator")
    if validator is None:
        pytest.skip("no rocrate-validator (pip install roc-validator, in an environment of its own)")
    command = [validator, "validate", "--profile-identifier", "workflow-run-crate", "--no-paging", "--verbose", written]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode and ("URLError" in said or "Unable to retrieve the JSON-LD context" in said):
        pytest.skip("the validator reads JSON-LD contexts from w3id.org, which cannot be reached")
    assert done.returncode == 0, said


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda: Path(WEIGHTS).write_bytes(b"x"), "not as recorded .*\n.*not the recorded file"),
        (lambda: Path(WEIGHTS).unlink(), "members.safetensors: missing"),
        (lambda: lock.lock_path("smoke").unlink(), "nothing is recorded of it"),
        (lambda: Path("crate").mkdir(), "is there already"),
    ],
)
def test_what_is_not_as_recorded_gets_no_crate(checkout, monkeypatch, spoil, reason):
    monkeypatch.setattr(crate, "libraries", lambda: (None, None))
    spoil()
    with pytest.raises(RescoreError, match=reason):
        crate.write_crate("smoke", Path("crate"))
