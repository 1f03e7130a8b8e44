"""Official MTL-AQA for the workflow: release and broadcasts to manifest, splits, vocabulary and what is odd.

release ──► annotations, captions, splits ─┬─► manifest
broadcasts' index ─► file an event ────────┘
release + the S3D authors' split ──► training sets ──► splits (validation drawn by seed)
release ──► vocabulary; findings
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rescore.datasets.mtl_aqa.events import event_columns, event_findings, read_events
from rescore.datasets.mtl_aqa.release import (
    FIRST_FRAME,
    MARKERS,
    OFFICIAL,
    UNLV_SPLIT,
    Key,
    read_annotations,
    read_captions,
    read_manifest,
    read_vocabulary,
    sample_name,
)
from rescore.datasets.mtl_aqa.sets import TrainingSet, read_sets, split_table
from rescore.datasets.mtl_aqa.sheets import read_sheets, sheet_findings
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import sha256_file, write_json, write_table
from rescore.manifests.broadcasts import find_broadcasts
from rescore.manifests.contract import write_manifest
from rescore.manifests.official import read_index

PAPER_EVENTS = 16
PAPER_VOCABULARY = 5779
CAPTION_TOKENS = 100
"""Tokens to which the released code cuts a caption, `<sos>` and `<eos>` among them."""
VOCABULARIES = ("train_and_test", "train")


def write_dataset(
    directory: Path,
    unlv_dive: Path,
    index: Path,
    manifest: Path,
    splits: Path,
    vocabulary: Path,
    findings: Path,
    settings: dict[str, Any],
) -> None:
    """Write everything that the experiments need of official MTL-AQA but its pictures.

    Args:
        directory: MTL-AQA's release (data/raw/mtl-aqa-annotations); `Ready_2_Use` and `Raw_Annotations` lie in it.
        unlv_dive: the S3D authors' files (data/raw/unlv-dive-s3d).
        index: CSV of `manifests.broadcasts.index_broadcasts`.
        manifest: Parquet to write: the 1412 annotated dives.
        splits: Parquet to write: `training_set` (1059, 450, 280, 140, unlv_dive), `sample`, `split` (train, validation, test).
        vocabulary: JSON to write: words by index, 0 `<eos>`, 1 `<sos>`.
        findings: CSV to write: `source, finding`: what the release contradicts, stated and not mended silently.
        settings: {"seed", "clips": {on_bad_video}, "multitask": {training_sets, vocabulary, validation: {share, separate}}}.

    Raises:
        RescoreError: wrong annotations or splits; a word of a caption that the released vocabulary lacks; broadcasts that cannot
            be told apart; under `on_bad_video: fail` broadcasts that are missing, each with the number of dives it costs; a
            setting that is none.
    """
    knobs = settings["multitask"]
    found, problems = find_broadcasts(read_index(index))
    raise_together(f"{index}: broadcasts that cannot be told apart", problems, "see docs/data.md.")
    table, odd = read_manifest(directory, next((path.parent for path in found.values()), Path()))
    raise_together(
        f"{directory / OFFICIAL}: captions with words outside the vocabulary",
        unknown_words(table, read_vocabulary(directory)),
        "restore the files as their origin has them (`rescore fetch mtl-aqa-annotations`).",
    )
    table["video"] = [found.get(event, Path(video)).as_posix() for event, video in table[["event", "video"]].to_numpy()]
    if settings["clips"]["on_bad_video"] != "drop":
        raise_together(
            f"{index}: official broadcasts that are missing",
            missing_broadcasts(table, found),
            "complete them (docs/data.md), or set clips.on_bad_video: drop in params.yaml.",
        )
    release = read_release(directory, unlv_dive, knobs["training_sets"])
    write_table(splits, split_table(release["sets"], knobs["validation"], int(settings["seed"])))
    write_json(vocabulary, choose_vocabulary(directory, table, release["sets"], knobs))
    odd += release["findings"]
    write_table(findings, pd.DataFrame({"source": "mtl-aqa-annotations", "finding": odd}))
    columns = [event_columns(release["events"], int(row["event"]), row["armstand"]) for row in table.to_dict("records")]
    write_manifest(manifest, pd.concat([table, pd.DataFrame(columns)], axis=1))


def missing_broadcasts(table: pd.DataFrame, found: Mapping[str, Path]) -> list[str]:
    """Events without a file, a sentence each, with what they cost."""
    return [
        f"{rows['video'].iloc[0]}: missing; event {event} has {len(rows)} dives"
        for event, rows in table.groupby("event")
        if event not in found
    ]


def unknown_words(table: pd.DataFrame, vocabulary: Sequence[str]) -> list[str]:
    """Captions with words that the vocabulary lacks, a sentence each."""
    words = set(vocabulary)
    lacking = [
        (sample, sorted(set(caption.split()) - words)) for sample, caption in table[["sample", "caption"]].to_numpy()
    ]
    return [f"{sample}: {', '.join(map(repr, missing))}" for sample, missing in lacking if missing]


def choose_vocabulary(
    directory: Path, table: pd.DataFrame, sets: Sequence[TrainingSet], knobs: Mapping[str, Any]
) -> list[str]:
    """The captioner's words, in the released order.

    `train_and_test` as shipped: the released list (5781). Clean: without the words that no annotated dive has, which leaves
    the paper's 5779. `train`: the words of dives that train in some training set, so that every network knows what it is taught;
    test captions may have words that no network can say.

    Raises:
        RescoreError: the setting is neither.
    """
    released, kind = read_vocabulary(directory), knobs["vocabulary"]
    if kind not in VOCABULARIES:
        raise RescoreError(f"multitask.vocabulary is {kind!r}; it is {' or '.join(VOCABULARIES)}. Correct params.yaml.")
    if kind == "train_and_test" and knobs["training_sets"] == "as_shipped":
        return released
    training = {sample for each in sets for sample in each.train}
    used = table if kind == "train_and_test" else table[table["sample"].isin(training)]
    words = {word for caption in used["caption"] for word in caption.split()}
    return [word for word in released if word in MARKERS or word in words]


def read_release(directory: Path, unlv_dive: Path, variant: str) -> dict[str, Any]:
    """`sets` and `events` (see the modules of these names) and `findings`, all that is odd about the release.

    Raises:
        RescoreError: a file is missing, damaged or contradicts itself.
    """
    annotations = read_annotations(directory / OFFICIAL / "final_annotations_dict.pkl")
    captions = read_captions(directory / OFFICIAL / "final_captions_dict.pkl")
    dives, unreadable = read_sheets(directory)
    sets, findings = read_sets(directory, unlv_dive, annotations, variant)
    events = read_events(annotations, captions, dives)
    findings += vocabulary_findings(annotations, captions, read_vocabulary(directory))
    findings += caption_length_findings(annotations, captions) + copy_findings(directory)
    if len(events) != PAPER_EVENTS:
        findings.append(f"{len(events)} events are released; the paper says {PAPER_EVENTS}")
    findings += event_findings(events) + sheet_findings(dives, unreadable, annotations)
    return {"sets": sets, "events": events, "findings": findings}


def vocabulary_findings(
    annotations: Mapping[Key, Any], captions: Mapping[Key, Sequence[str]], vocabulary: Sequence[str]
) -> list[str]:
    """How the released vocabulary's size differs from the paper's, and by which words."""
    spoken = {word for key, words in captions.items() if key in annotations for word in words}
    unspoken = [f"{word!r} ({number})" for number, word in enumerate(vocabulary) if word not in spoken]
    if len(vocabulary) == PAPER_VOCABULARY and not unspoken:
        return []
    high = sum(number >= PAPER_VOCABULARY for number, word in enumerate(vocabulary) if word in spoken)
    return [
        f"the vocabulary has {len(vocabulary)} words, the paper {PAPER_VOCABULARY}; {len(unspoken)} stand in no annotated dive's "
        f"caption: {', '.join(unspoken)}; {high} that do have numbers that a network of {PAPER_VOCABULARY} words lacks"
    ]


def caption_length_findings(annotations: Mapping[Key, Any], captions: Mapping[Key, Sequence[str]]) -> list[str]:
    """How many captions the released code cuts."""
    lengths = [len(words) for key, words in captions.items() if key in annotations]
    cut = sum(length > CAPTION_TOKENS for length in lengths)
    if not cut:
        return []
    return [
        f"{cut} of {len(lengths)} captions are longer than {CAPTION_TOKENS} tokens (up to {max(lengths)}); training cuts them"
    ]


def copy_findings(directory: Path) -> list[str]:
    """Files of UNLV-Dive's split that are byte for byte those of a smaller training set, and so not UNLV-Dive's."""
    copies = []
    for path in sorted((directory / UNLV_SPLIT).glob("*")):
        twins = [
            other.parent.name
            for other in sorted((directory / "Ready_2_Use" / "smaller_training_sets").glob(f"*/{path.name}"))
            if sha256_file(other) == sha256_file(path)
        ]
        if twins:
            copies.append(f"{UNLV_SPLIT.name}/{path.name} is a copy of {', '.join(twins)}'s")
    return copies


def find_release_problems(directory: Path, unlv_dive: Path | None) -> tuple[list[str], list[str]]:
    """What `rescore check` says about a release: errors (a step stops), findings (stated in the results).

    Args:
        unlv_dive: the S3D authors' files, where they are at hand; else nothing is said about the training sets.
    """
    try:
        table, findings = read_manifest(directory, Path())
        errors = unknown_words(table, read_vocabulary(directory))
        if unlv_dive is not None:
            findings += read_release(directory, unlv_dive, "clean")["findings"]
    except RescoreError as error:
        return [str(error)], []
    empty = [sample for sample, caption in table[["sample", "caption"]].to_numpy() if not caption]
    errors += [f"{sample}: the caption is empty" for sample in empty]
    return errors, findings


def dives_of_events(directory: Path) -> dict[str, dict[str, int]]:
    """Event -> sample -> last frame, counted from 0: what each broadcast has to show.

    Raises:
        RescoreError: see `mtl_aqa.read_annotations`.
    """
    annotations = read_annotations(directory / OFFICIAL / "final_annotations_dict.pkl")
    dives: dict[str, dict[str, int]] = {}
    for key in sorted(annotations):
        dives.setdefault(f"{key[0]:02d}", {})[sample_name(key)] = int(annotations[key]["end_frame"]) - FIRST_FRAME
    return dives
