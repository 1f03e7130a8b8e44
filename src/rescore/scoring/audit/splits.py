"""Samples where they must not be, or are missing: within each released split, across splits and data sets, between files."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import permutations

from rescore.datasets.mtl_aqa.release import sample_name
from rescore.scoring.audit.counts import title
from rescore.scoring.audit.findings import ERROR, NOTABLE, NOTE, Finding, listed, ordered, slug
from rescore.scoring.audit.released import OFFICIAL, UNLV_IN_MTL, Released, Split

PRIMARY = (OFFICIAL, UNLV_IN_MTL, "unlv_dive", "aqa7")
"""Splits that a system may be trained on and another tested on; the others are parts of these."""


def check(released: Released) -> Iterator[Finding]:
    """Every check of this family on what is at hand."""
    for split in released.splits:
        yield from check_within(split)
        yield from check_events(split)
    primary = [split for split in released.splits if split.name in PRIMARY]
    for trained, tested in permutations(primary, 2):
        yield from check_across(trained, tested)
    if released.dives is not None:
        yield from check_files(released)
        yield from check_copies(released)


def check_within(split: Split) -> Iterator[Finding]:
    """A sample in training and test, or twice in one of them."""
    both = ordered(set(split.train) & set(split.test))
    for statement, name, samples in (
        ("no test sample is a training sample", "overlap", both),
        ("a sample stands once in a part of a split", "twice", repeated(split)),
    ):
        yield Finding(
            id=f"splits/{slug(title(split), name)}",
            subject=title(split),
            statement=statement,
            stated=f"{len(split.train)} training, {len(split.test)} test samples",
            found=f"{len(samples)} samples"
            + (f" ({len(samples) / len(split.test):.0%} of the test set)" if samples and name == "overlap" else ""),
            severity=ERROR if samples else NOTE,
            evidence=listed(samples),
            refutation="lists that were not used as released: predictions of the test samples with the training list behind them",
        )


def repeated(split: Split) -> Sequence[str]:
    return ordered(name for part in (split.train, split.test) for name, count in Counter(part).items() if count > 1)


def check_events(split: Split) -> Iterator[Finding]:
    """Broadcasts whose dives are in training and test: what a network learns of pool, panel and camera helps on both."""
    train, test = (
        {split.dives[name].split("/")[0] for name in part if name in split.dives} for part in (split.train, split.test)
    )
    shared = ordered(train & test)
    if not (train and test):
        return
    yield Finding(
        id=f"splits/{slug(title(split), 'events')}",
        subject=title(split),
        statement="test samples come from competitions that no training sample comes from",
        stated=f"{len(test)} events in the test set",
        found=f"{len(shared)} of {len(test)} are in the training set too",
        severity=NOTABLE if shared else NOTE,
        evidence=f"events {listed(shared)}",
        refutation="a split by event, or a result that does not fall on one",
    )


def check_across(trained: Split, tested: Split) -> Iterator[Finding]:
    """Dives on which one data set trains and another tests."""
    train = {trained.dives[name] for name in trained.train if name in trained.dives}
    test = {tested.dives[name] for name in tested.test if name in tested.dives}
    if not (train and test):
        return
    shared = ordered(train & test)
    yield Finding(
        id=f"splits/{slug(title(trained), 'trains on', title(tested))}",
        subject=f"{title(trained)} and {title(tested)}",
        statement=f"no test dive of {title(tested)} is a training dive of {title(trained)}",
        stated=f"{len(test)} test dives",
        found=f"{len(shared)} of {len(test)} are",
        severity=NOTABLE if shared else NOTE,
        evidence=f"MTL-AQA's names: {listed(shared, 100)}" if shared else "",
        refutation="dives that were matched wrongly: matched are order, score and difficulty of each competition",
    )


def check_files(released: Released) -> Iterator[Finding]:
    """Annotations, captions, sheets and splits name the same dives."""
    names = {
        "annotations": {sample_name(key) for key in released.annotations},
        "captions": {sample_name(key) for key in released.captions},
        "sheets": {
            sample_name(key) for key in [dive.key for dive in released.sheets] + [at.key for at in released.unreadable]
        },
    }
    for split in released.splits:
        if split.dataset == "MTL-AQA":
            names[f"split {split.name}"] = {*split.train, *split.test}
    official = f"split {OFFICIAL}"
    pairs = [(name, "annotations") for name in names if name != "annotations"]
    pairs += [("annotations", name) for name in ("captions", "sheets", official)]
    for holder, wanted in pairs:
        if not names[holder] or not names[wanted]:
            continue
        alone = ordered(names[holder] - names[wanted])
        hard = holder.startswith("split") or wanted.startswith("split")
        yield Finding(
            id=f"splits/mtl_aqa_files/{slug(holder, 'not in', wanted)}",
            subject="MTL-AQA release",
            statement=f"every dive of the {holder} is in the {wanted}",
            stated=f"{len(names[holder])} dives",
            found=f"{len(alone)} of {len(names[holder])} are not",
            severity=(ERROR if hard else NOTABLE) if alone else NOTE,
            evidence=listed(alone),
            refutation="another version of the release",
        )


def check_copies(released: Released) -> Iterator[Finding]:
    """Files of different folders, which should describe different data, with the same bytes."""
    folders: dict[str, dict[str, str]] = {}
    for path, digest in released.digests.items():
        folder, _, name = path.rpartition("/")
        if folder:
            folders.setdefault(folder, {})[name] = digest
    for left, right in permutations(sorted(folders), 2):
        same = ordered(name for name, digest in folders[left].items() if folders[right].get(name) == digest)
        if left < right and same:
            yield Finding(
                id=f"splits/mtl_aqa_files/{slug('copies', left, right)}",
                subject="MTL-AQA release",
                statement=f"{left} and {right} are made for different data",
                stated="two data sets",
                found=f"{len(same)} files with the same bytes",
                severity=NOTABLE,
                evidence=listed(same),
                refutation="a word of the authors that both are meant to be the same",
            )
