"""Official MTL-AQA for the workflow, on the real release: what is made, what is stated, and every bad input."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import openpyxl
import pandas as pd
import pytest

from rescore.datasets import check
from rescore.datasets.mtl_aqa.events import Event, read_events
from rescore.datasets.mtl_aqa.official import find_release_problems, write_dataset
from rescore.datasets.mtl_aqa.release import OFFICIAL, SMALLER, read_annotations
from rescore.datasets.mtl_aqa.sets import TrainingSet, draw_validation, read_sets, smaller_set, split_table
from rescore.datasets.mtl_aqa.sheets import SHEETS, read_sheets
from rescore.engine.errors import RescoreError
from rescore.manifests import contract
from rescore.manifests.broadcasts import index_broadcasts
from rescore.sources.pickles import load_pickle

EVENTS = (1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 17, 18, 22, 26)
NAMES = ("manifest.parquet", "splits.parquet", "vocabulary.json", "findings.csv")


def knobs(policy: str = "fail", separate: bool = True, share: float = 0.1, **changes: str) -> dict[str, Any]:
    chosen = {"training_sets": "clean", "vocabulary": "train_and_test"} | changes
    validation = {"share": share, "separate": separate}
    return {"seed": 0, "clips": {"on_bad_video": policy}, "multitask": {**chosen, "validation": validation}}


@pytest.fixture
def make(mirror, tmp_path):
    """Run the step on the real release (or another) with these events' files; their content is not looked at here."""

    def run(settings: dict[str, Any], events=EVENTS, release: Path | None = None) -> dict[str, Any]:
        folder = tmp_path / "videos"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for event in events:
            (folder / f"{event:02d}.mp4").write_bytes(b"x")
        index_broadcasts(folder, tmp_path / "index.csv")
        outputs = [tmp_path / name for name in NAMES]
        write_dataset(
            release or mirror / "mtl_aqa", mirror / "unlv_dive_s3d", tmp_path / "index.csv", *outputs, settings
        )
        return {
            "manifest": contract.read_manifest(outputs[0]).set_index("sample"),
            "splits": pd.read_parquet(outputs[1]),
            "vocabulary": json.loads(outputs[2].read_text()),
            "findings": list(pd.read_csv(outputs[3])["finding"]),
        }

    return run


@pytest.fixture
def release(mirror, tmp_path):
    """A copy of the release with one of its pickles edited."""

    def edit(name: str, change: Any) -> Path:
        copy = tmp_path / "release"
        shutil.copytree(mirror / "mtl_aqa", copy)
        path = copy / OFFICIAL / f"{name}.pkl"
        content = load_pickle(path)
        change(content)
        path.write_bytes(pickle.dumps(content))
        return copy

    return edit


def sizes(splits: pd.DataFrame) -> dict[str, dict[str, int]]:
    return {name: rows["split"].value_counts().to_dict() for name, rows in splits.groupby("training_set", sort=False)}


def test_the_clean_variant_trains_on_no_test_dive_and_has_the_papers_vocabulary(make):
    made = make(knobs())
    splits, manifest = made["splits"], made["manifest"]
    assert sizes(splits) == {
        "1059": {"train": 1059, "test": 353, "validation": 106},
        "450": {"train": 328, "test": 353, "validation": 33},
        "280": {"train": 199, "test": 353, "validation": 20},
        "140": {"train": 107, "test": 353, "validation": 11},
        "unlv_dive": {"train": 300, "test": 70, "validation": 30},
    }
    for _, rows in splits.groupby("training_set"):
        parts = {split: set(part["sample"]) for split, part in rows.groupby("split")}
        assert not parts["train"] & parts["test"]
        assert parts["validation"] < parts["train"]
        assert len(rows) == sum(map(len, parts.values()))  # nothing twice
    assert set(splits["sample"]) <= set(manifest.index)
    official = manifest.index[manifest["split"] == "test"]
    assert set(splits.query("training_set == '450' and split == 'test'")["sample"]) == set(official)
    assert len(made["vocabulary"]) == 5779
    assert made["vocabulary"][:2] == ["<eos>", "<sos>"]
    words = {word for caption in manifest["caption"] for word in caption.split()}
    assert words == set(made["vocabulary"][2:])


def test_the_shipped_variant_is_the_release_with_its_flaws(make, mirror):
    made = make(knobs(training_sets="as_shipped", separate=False))
    assert sizes(made["splits"]) == {
        "1059": {"train": 953, "validation": 106, "test": 353},
        "450": {"train": 399, "validation": 44, "test": 353},
        "280": {"train": 251, "validation": 28, "test": 353},
        "140": {"train": 129, "validation": 14, "test": 353},
        "unlv_dive": {"train": 269, "validation": 30, "test": 70},
    }
    smaller = made["splits"][made["splits"]["training_set"] == "140"]
    trained = set(smaller.loc[smaller["split"] != "test", "sample"])
    listed = load_pickle(mirror / "mtl_aqa" / SMALLER / "size_140" / "train_split_0.pkl")
    assert trained == {f"{int(event):02d}/{int(dive):03d}" for event, dive in listed}
    assert len(trained & set(smaller.loc[smaller["split"] == "test", "sample"])) == 36
    shipped = json.loads((mirror / "mtl_aqa" / OFFICIAL / "vocab.json").read_text())["ix_to_word"]
    assert made["vocabulary"] == [shipped[str(number)] for number in range(5781)]
    assert any("smaller training set 140: 143 dives, 36 of them test dives" in text for text in made["findings"])


def test_the_vocabulary_may_be_that_of_the_training_dives(make):
    made = make(knobs(vocabulary="train"))
    trains = set(made["splits"].query("split == 'train'")["sample"])
    captions = made["manifest"]["caption"]
    words = {word for sample in trains for word in captions[sample].split()}
    assert set(made["vocabulary"][2:]) == words
    assert len(made["vocabulary"]) == 5234


def test_manifest_rows_say_what_the_release_says_of_events(make):
    manifest = make(knobs())["manifest"]
    assert len(manifest) == 1412
    assert manifest["video"].iloc[0].endswith("videos/01.mp4")
    assert manifest["gender"].isna().sum() == 124  # event 26: men and women
    assert manifest.groupby("gender").size().to_dict() == {"female": 576, "male": 712}
    assert manifest.groupby("height").size().to_dict() == {3: 289, 10: 1009}
    assert not manifest["synchronised"].any()
    assert (manifest.loc[manifest["armstand"], "height"] == 10).all()
    # UNLV-Dive's events, "2012 Olympics Men's 10m Platform Diving competition" (M, 3).
    unlv = manifest[manifest["event"].isin(["01", "02", "03"])]
    assert set(unlv["gender"]) == {"male"}
    assert set(unlv["height"]) == {10}


def test_the_same_seed_gives_the_same_bytes_and_another_another_draw(make, tmp_path):
    make(knobs())
    first = [(tmp_path / name).read_bytes() for name in NAMES]
    drawn = set(
        pd.read_parquet(tmp_path / NAMES[1]).query("training_set == '1059' and split == 'validation'")["sample"]
    )
    make(knobs())
    assert [(tmp_path / name).read_bytes() for name in NAMES] == first
    other = make(knobs() | {"seed": 1})["splits"].query("training_set == '1059' and split == 'validation'")
    assert set(other["sample"]) != drawn


def test_missing_broadcasts_are_reported_together_or_left_to_the_clip_store(make, tmp_path):
    there = [event for event in EVENTS if event not in (3, 26)]
    with pytest.raises(RescoreError) as caught:
        make(knobs(), there)
    assert "03.mp4: missing; event 03 has 73 dives" in str(caught.value)
    assert "26.mp4: missing; event 26 has 124 dives" in str(caught.value)
    manifest = make(knobs("drop"), there)["manifest"]
    assert len(manifest) == 1412
    assert manifest.loc["26/001", "video"] == (tmp_path / "videos" / "26.mp4").as_posix()


def test_a_broadcast_in_another_container_is_found(make, tmp_path, mirror):
    make(knobs())
    folder = tmp_path / "videos"
    (folder / "05.mp4").rename(folder / "5.webm")
    index_broadcasts(folder, tmp_path / "index.csv")
    outputs = [tmp_path / name for name in NAMES]
    write_dataset(mirror / "mtl_aqa", mirror / "unlv_dive_s3d", tmp_path / "index.csv", *outputs, knobs())
    videos = contract.read_manifest(outputs[0]).groupby("event")["video"].first()
    assert videos["05"].endswith("5.webm")


def test_a_caption_word_outside_the_vocabulary_is_an_error(make, release):
    changed = release("final_captions_dict", lambda captions: captions[(1, 1)].insert(1, "splosh"))
    with pytest.raises(RescoreError, match="captions with words outside the vocabulary") as caught:
        make(knobs(), release=changed)
    assert "01/001: 'splosh'" in str(caught.value)


@pytest.mark.parametrize("score", [float("nan"), 700.0, -1.0])
def test_a_score_that_is_none_is_an_error(score, make, release):
    changed = release("final_annotations_dict", lambda rows: rows[(1, 2)].update(final_score=score))
    with pytest.raises(RescoreError, match=r"01/002: final_score .* is not a score from 0 to 150"):
        make(knobs(), release=changed)


def test_an_empty_caption_is_stated_and_found_by_check(make, release, mirror):
    changed = release("final_captions_dict", lambda captions: captions.update({(1, 1): ["<sos>", "<eos>"]}))
    made = make(knobs(), release=changed)
    assert made["manifest"].loc["01/001", "caption"] == ""
    assert "01/001: empty commentary" in made["findings"]
    errors, _ = find_release_problems(changed, mirror / "unlv_dive_s3d")
    assert errors == ["01/001: the caption is empty"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (knobs(training_sets="dirty"), "multitask.training_sets is 'dirty'"),
        (knobs(vocabulary="all"), "multitask.vocabulary is 'all'"),
        (knobs(share=1.0), "multitask.validation.share 1"),
        (knobs(share=0.0), "multitask.validation.share 0"),
    ],
)
def test_settings_that_are_none_are_errors(settings, words, make):
    with pytest.raises(RescoreError, match=words):
        make(settings)


def test_flaws_of_a_smaller_set_are_stated_and_mended_only_when_asked():
    listed, test, annotated = ["a", "b", "a", "t", "gone"], ["t", "u"], {"a", "b", "t", "u"}
    shipped, findings = smaller_set(140, listed, test, annotated, clean=False)
    clean, _ = smaller_set(140, listed, test, annotated, clean=True)
    assert shipped == TrainingSet("140", ["a", "b", "t"], test)
    assert clean == TrainingSet("140", ["a", "b"], test)
    assert findings == [
        "smaller training set 140: 5 dives, 1 of them test dives of the official split; 3 are used",
        "smaller training set 140: gone has no annotation",
        "smaller training set 140: 1 dives are listed more than once",
    ]


def test_validation_is_drawn_by_set_and_stands_apart_when_asked():
    whole = TrainingSet("1059", [f"{number:03d}" for number in range(50)], ["t"])
    held = draw_validation(whole, 0.1, 0)
    assert len(held) == 5
    assert draw_validation(TrainingSet("450", whole.train, ["t"]), 0.1, 0) != held
    together = split_table([whole], {"share": 0.1, "separate": True}, 0)
    apart = split_table([whole], {"share": 0.1, "separate": False}, 0)
    assert sizes(together) == {"1059": {"train": 50, "validation": 5, "test": 1}}
    assert sizes(apart) == {"1059": {"train": 45, "validation": 5, "test": 1}}
    with pytest.raises(RescoreError, match="1 samples"):
        split_table([TrainingSet("140", ["a"], ["t"])], {"share": 0.1, "separate": True}, 0)


def test_the_two_variants_of_unlv_dives_split_share_47_test_dives(mirror):
    annotations = read_annotations(mirror / "mtl_aqa" / OFFICIAL / "final_annotations_dict.pkl")
    tests = [
        set(read_sets(mirror / "mtl_aqa", mirror / "unlv_dive_s3d", annotations, variant)[0][-1].test)
        for variant in ("clean", "as_shipped")
    ]
    assert [len(test) for test in tests] == [70, 70]
    assert len(tests[0] & tests[1]) == 47


def test_events_that_a_rule_cannot_decide_stay_open():
    mixed = Event(20, 3, {"male": 30, "female": 20}, frozenset({7}))
    assert (mixed.gender, mixed.height(True), mixed.height(False)) == (None, 10, None)
    silent = Event(20, 0, {"male": 0, "female": 0}, frozenset())
    assert (silent.gender, silent.height(False), silent.synchronised) == (None, 3, None)
    pairs = Event(20, 3, {"male": 1, "female": 40}, frozenset({9, 11}))
    assert (pairs.gender, pairs.height(False), pairs.synchronised) == ("female", 10, True)
    assert Event(20, 3, {"male": 1, "female": 40}, frozenset({7, 9})).synchronised is None


def test_check_finds_what_broadcasts_lack(mirror, tmp_path):
    """Against the real annotations: missing ones with what they cost, a short one, and one that is no video."""
    folder = tmp_path / "videos"
    folder.mkdir()
    with av.open(str(folder / "03.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (folder / "02.mp4").write_bytes(b"?" * 5000)
    settings = {"sources": {"mtl_aqa_videos": "official", "mtl_aqa_directory": str(folder)}}
    findings, places = check.check_all("paper", settings, tmp_path, mirror)
    assert folder in places
    errors = "\n".join(f"{found.subject}: {found.statement}" for found in findings if found.severity == check.ERROR)
    for words in (
        "01.mp4: missing; event 01 has 191 dives",
        "02.mp4: not a readable video",
        "30 frames at a constant 25 frames/s; 73 of 73 dives end behind that, the first is 03/001 at frame 8269",
    ):
        assert words in errors
    settings["sources"]["mtl_aqa_directory"] = str(tmp_path / "nowhere")
    assert any(
        "nowhere: does not exist" in f"{f.subject}: {f.statement}"
        for f in check.check_all("paper", settings, tmp_path, mirror)[0]
    )


def test_sheets_decide_what_is_synchronised(mirror, tmp_path):
    """A real sheet with two more marks a dive: its event is then a synchronised one."""
    (tmp_path / SHEETS).mkdir(parents=True)
    workbook = openpyxl.load_workbook(mirror / "mtl_aqa" / SHEETS / "13.xlsx")
    sheet = workbook.worksheets[0]
    for row in range(2, sheet.max_row + 1):
        if sheet.cell(row, 1).value is not None:
            sheet.cell(row, 20).value = sheet.cell(row, 21).value = 7.5
    workbook.save(tmp_path / SHEETS / "13.xlsx")
    dives, unreadable = read_sheets(tmp_path)
    assert not unreadable
    events = read_events({dive.key: {"armstand": 0} for dive in dives}, {}, dives)
    assert events[13].synchronised is True
