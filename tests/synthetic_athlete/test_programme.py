"""What is dived and said: MTL-AQA's proportions, fairness of nuisances, training sets, commentary."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from rescore.datasets.mtl_aqa import release as mtl_aqa
from rescore.manifests.contract import POSITIONS, ROTATION_TYPES
from synthetic_athlete import dive_commentary as commentary
from synthetic_athlete.body import INDEX
from synthetic_athlete.dive_counts import COUNTS, draw_counted_class, shares
from synthetic_athlete.dives import DiveClass, difficulty
from synthetic_athlete.encode import BROADCAST_FORMATS
from synthetic_athlete.judging import Performance
from synthetic_athlete.programme import (
    EVENTS,
    NUISANCES,
    UNLV_EVENTS,
    WORDS,
    counts,
    dives_of_events,
    generator,
    label,
    sample_name,
)
from synthetic_athlete.shots import Request, film_dive, shots
from synthetic_athlete.training_sets import main_split, split_table

FULL = {"dives": 1.0}
Dives = dict[tuple[int, int], Performance]


@pytest.fixture(scope="module")
def dives() -> Dives:
    """Every dive at full size, seed 0."""
    return {
        (event, dive): label(event, dive, 0) for event, n in dives_of_events(FULL).items() for dive in range(1, n + 1)
    }


def test_counts_are_the_papers() -> None:
    assert len(COUNTS) == 58
    assert sum(ten for ten, _ in COUNTS.values()) == 1123
    assert sum(three for _, three in COUNTS.values()) == 289
    assert not any(three for dive, (_, three) in COUNTS.items() if dive.armstand)
    assert {dive.position for dive in COUNTS} == {0, 1, 2}
    assert {dive.rotation_type for dive in COUNTS} == {0, 1, 2, 3}
    assert (min(dive.somersaults for dive in COUNTS), max(dive.somersaults for dive in COUNTS)) == (0, 9)
    assert (min(dive.twists for dive in COUNTS), max(dive.twists for dive in COUNTS)) == (0, 7)


@pytest.mark.skipif("RESCORE_MIRROR" not in os.environ, reason="RESCORE_MIRROR is not set")
def test_counts_are_those_of_the_release() -> None:
    table, _ = mtl_aqa.read_manifest(Path(os.environ["RESCORE_MIRROR"]) / "mtl_aqa", Path("videos"))
    found: dict[DiveClass, list[int]] = {}
    for row in table.itertuples():
        codes = POSITIONS.index(row.position), int(row.armstand), ROTATION_TYPES.index(row.rotation_type)
        dive = DiveClass(*codes, int(2 * row.somersaults), int(2 * row.twists))
        found.setdefault(dive, [0, 0])[row.event in ("17", "18", "22")] += 1
    assert {dive: tuple(pair) for dive, pair in found.items()} == COUNTS


def test_classes_are_drawn_in_the_counted_proportions() -> None:
    random = np.random.default_rng(1)
    drawn = Counter(draw_counted_class(10, False, random) for _ in range(20_000))
    found = np.array([drawn[dive] for dive in COUNTS]) / 20_000
    expected = shares(10)
    assert (np.abs(found - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 20_000) + 1e-9).all()
    pairs = [difficulty(draw_counted_class(10, True, random)) for _ in range(2000)]
    singles = [difficulty(draw_counted_class(10, False, random)) for _ in range(2000)]
    assert np.mean(pairs) < np.mean(singles) - 0.1


def test_a_plain_dive_is_half_a_somersault() -> None:
    plain = DiveClass(1, 0, 3, 0, 0)
    assert plain.turning == 1
    assert difficulty(plain) == difficulty(DiveClass(1, 0, 3, 1, 0)) == 1.9
    assert DiveClass(1, 1, 0, 0, 0).turning == 0


def test_dives_of_events_add_up_and_leave_none_empty() -> None:
    for share in (0.001, 0.03, 0.3, 1.0):
        synthetic = {"dives": share}
        dives = dives_of_events(synthetic)
        assert sum(dives.values()) == sum(counts(synthetic))
        assert min(dives.values()) >= 1
        assert sum(dives[event] for event in UNLV_EVENTS) >= 24
    assert counts(FULL) == (1059, 353)
    for event in UNLV_EVENTS:
        about = EVENTS[event]
        assert (about.height, about.synchronised, about.gender) == (10, False, "male")


@pytest.mark.parametrize(("share", "separate"), [(0.001, False), (0.03, True), (0.3, False), (1.0, True)])
def test_training_sets_are_clean_and_large_enough(share: float, separate: bool) -> None:
    table = sets(share, separate)
    main = main_split({"dives": share}, 3)
    assert table["training_set"].unique().tolist() == ["1059", "450", "280", "140", "unlv_dive"]
    assert not table.duplicated().any()
    members: dict[str, set[str]] = {}
    for name, rows in table.groupby("training_set", sort=False):
        train, validation, test = (
            set(rows.loc[rows["split"] == split, "sample"]) for split in ("train", "validation", "test")
        )
        assert min(len(train), len(validation), len(test)) >= 8
        assert not test & (train | validation)
        assert (validation <= train) == separate
        members[str(name)] = train | validation
        if name != "unlv_dive":
            assert test == {sample for sample, split in main.items() if split == "test"}
    assert members["140"] <= members["280"] <= members["450"] <= members["1059"]
    unlv = table.loc[table["training_set"] == "unlv_dive", "sample"]
    assert set(unlv.str[:2].astype(int)) <= set(UNLV_EVENTS)


def sets(share: float, separate: bool) -> pd.DataFrame:
    validation = {"share": 0.1, "separate": separate}
    return split_table({"seed": 3, "synthetic": {"dives": share}, "multitask": {"validation": validation}})


def test_sets_have_the_papers_sizes() -> None:
    table = sets(1.0, True)
    sizes = table.groupby(["training_set", "split"]).size().unstack()
    assert sizes["train"].to_dict() == {"1059": 1059, "450": 450, "280": 280, "140": 140, "unlv_dive": 300}
    assert sizes["test"].to_dict() == {"1059": 353, "450": 353, "280": 353, "140": 353, "unlv_dive": 70}
    events = table[table["training_set"] == "140"].query("split == 'train'")["sample"].str[:2]
    assert set(events) <= {"01", "02", "03"}


def test_scores_lie_in_the_data_sets_range_and_hold_failures(dives: Dives) -> None:
    scores = np.array([performance.score for performance in dives.values()])
    assert scores.min() >= 0
    assert scores.max() <= 104.5
    assert scores.min() < 30
    failed = [label(event, dive, seed) for event in (1, 12) for dive in range(1, 400) for seed in range(1, 4)]
    assert 1 <= sum(performance.score < 20 for performance in failed) < 30


def test_labels_know_nothing_of_nuisances(dives: Dives) -> None:
    """Among individual dives from 10 m, and among those from 3 m, event, gender, number, split, codec and length of the
    dive tell nothing of the score: |rho| below 4 / sqrt(n). Height and pairs are the event's own and may tell."""
    split = main_split(FULL, 0)
    lengths = {
        (event, shot.dive): shot.end - shot.start
        for event in (2, 7, 12)
        for shot in shots(Request(event, dives_of_events(FULL)[event], 0, (64, 48), 0.25, 26, 1))
        if shot.dive
    }
    for height in (3, 10):
        keys = [key for key in dives if EVENTS[key[0]].height == height and not EVENTS[key[0]].synchronised]
        scores = [dives[key].score for key in keys]
        nuisances: dict[str, list[Any]] = {
            f"event {event}": [key[0] == event for key in keys] for event in {key[0] for key in keys}
        }
        nuisances["number"] = [key[1] for key in keys]
        nuisances["gender"] = [EVENTS[key[0]].gender == "male" for key in keys] if height == 10 else nuisances["number"]
        nuisances["split"] = [split[sample_name(*key)] == "train" for key in keys]
        for codec in range(len(BROADCAST_FORMATS) if height == 10 else 0):
            nuisances[f"codec {codec}"] = [(key[0] - 1) % len(BROADCAST_FORMATS) == codec for key in keys]
        for name, values in nuisances.items():
            assert abs(spearmanr(scores, values).statistic) < 4 / np.sqrt(len(keys)), (height, name)
        timed = [key for key in keys if key in lengths]
        rho = spearmanr([dives[key].score for key in timed], [lengths[key] for key in timed]).statistic
        assert abs(rho) < 4 / np.sqrt(len(timed))


def test_one_dive_number_with_two_labels_is_filmed_alike() -> None:
    request = Request(4, 9, 0, (160, 120), 1.0, 103, 3)
    first, second = (film_dive(request, 5, label(4, dive, 0), 0.1, generator(0, NUISANCES, 4, 5)) for dive in (5, 6))
    assert (first.start, first.end) == (second.start, second.end)
    assert len(first.take.joints) == len(second.take.joints)
    assert first.take.skins == second.take.skins
    assert first.take.brightness == second.take.brightness
    assert first.take.scene.suits == second.take.scene.suits
    np.testing.assert_array_equal(first.take.camera.scale, second.take.camera.scale)


@pytest.mark.parametrize("event", [1, 9, 12, 15])
def test_every_window_holds_its_own_dive_and_nothing_else(event: int) -> None:
    """103 frames ending up to three frames off end_frame lie in the live shot; the flight lies in the frames that the networks
    read, ends ten frames before the window does, and the divers are in the picture's middle."""
    request = Request(event, 8, 0, (160, 120), 1.0, 103, 3)
    for shot in shots(request):
        if not shot.dive:
            continue
        assert shot.end - request.window + 1 - request.shift >= 0
        assert shot.end + request.shift < len(shot.take.joints)
        assert shot.start >= 0
        flying = np.flatnonzero(shot.take.airborne.max(axis=1))
        assert flying[0] >= max(shot.start, shot.end - 102)
        assert flying[-1] <= shot.end - 10
        hips = shot.take.camera.project(shot.take.joints)[flying, :, INDEX["pelvis"]]
        inside = (abs(hips[..., 0] - 80) < 52) & (abs(hips[..., 1] - 60) < 52)
        assert inside.mean() > (0.8 if EVENTS[event].synchronised else 0.99)


def test_lengths_are_those_of_mtl_aqa() -> None:
    """1412 annotated dives: mean 107.2 frames, standard deviation 24.2, median 101."""
    drawn = [
        shot.end - shot.start + 1
        for event, number in dives_of_events({"dives": 0.4}).items()
        for shot in shots(Request(event, number, 5, (64, 48), 1.0, 103, 3))
        if shot.dive
    ]
    assert np.mean(drawn) == pytest.approx(107.2, abs=6)
    assert np.std(drawn) == pytest.approx(24.2, abs=5)


def test_an_event_has_one_or_two_replays_from_another_side() -> None:
    for event in (1, 5, 13):
        filmed = list(shots(Request(event, 6, 0, (64, 48), 1.0, 103, 3)))
        live = [shot.take for shot in filmed if shot.dive]
        replays = [shot.take for shot in filmed if not shot.dive and shot.take.joints.shape[1]]
        assert len(live) == 6
        assert 1 <= len(replays) <= 2
        assert all(replay.scene.mirror == -live[0].scene.mirror for replay in replays)
        assert all(replay.rate == 2 * live[0].rate for replay in replays)


def test_comments_tell_of_the_execution(dives: Dives) -> None:
    """Words of praise and of blame, counted without any fitting, go with the execution; chatter does not."""
    said = {key: commentary.comment(performance, generator(0, WORDS, *key)) for key, performance in dives.items()}
    marks = np.array([performance.execution for performance in dives.values()])
    good = [phrase for levels in commentary.REMARKS.values() for phrase in levels[0]]
    bad = [phrase for levels in commentary.REMARKS.values() for phrase in levels[2]]
    tone = [sum(phrase in text for phrase in good) - sum(phrase in text for phrase in bad) for text in said.values()]
    assert spearmanr(tone, marks).statistic > 0.4
    for phrases in (commentary.BEFORE, commentary.AFTER):
        for phrase in phrases:
            spoken = [phrase in text for text in said.values()]
            assert abs(spearmanr(spoken, marks).statistic) < 4 / np.sqrt(len(marks)), phrase


def test_comments_are_words_of_a_captioners_size(dives: Dives) -> None:
    said = [commentary.comment(performance, generator(0, WORDS, *key)) for key, performance in dives.items()]
    lengths = [len(text.split()) for text in said]
    assert max(lengths) <= commentary.MOST_WORDS
    assert min(lengths) >= 4
    assert 15 < np.mean(lengths) < 25
    assert all(text == text.lower() and text.replace(" ", "").isalpha() for text in said)
    assert 200 < len({word for text in said for word in text.split()}) < 400


def test_remarks_are_true() -> None:
    """What is said of the splash and of over- or under-rotation agrees with the elements, in 300 dives."""
    level = {
        phrase: (kind, number)
        for kind, levels in commentary.REMARKS.items()
        for number, phrases in enumerate(levels)
        for phrase in phrases
    }
    for dive in range(1, 301):
        performance = label(6, dive, 2)
        elements = performance.athletes[0]
        text = commentary.comment(performance, np.random.default_rng(dive))
        for phrase, (kind, number) in level.items():
            if phrase not in text or (kind, number) in (("over", 0), ("short", 0)):
                continue
            if kind == "splash":
                assert number == int(np.digitize(elements["splash"], commentary.LEVELS))
            if kind in ("over", "short"):
                assert (elements["rotation"] > 0) == (kind == "over")
