"""What two commentators say about a dive: a grammar of a few hundred words, in lower case and without stops, as MTL-AQA's
commentary came out of speech recognition.

    comment = [chatter] [the class] remark {remark} [verdict] [chatter]

Remarks are on what stood out and on nothing else, so a comment tells part of the execution; the class is named now and then;
chatter is drawn apart from the dive and tells nothing.
"""

from collections.abc import Sequence

import numpy as np

from synthetic_athlete.dives import SPOKEN, halves_name
from synthetic_athlete.judging import LARGEST, RULES, Elements, Performance, deduction

Phrases = tuple[str, ...]

REMARKS: dict[str, tuple[Phrases, Phrases, Phrases]] = {  # element -> when good, middling, bad
    "split": (
        ("legs glued together all the way", "toes pointed and feet together", "beautiful leg line"),
        ("just a little daylight between the legs", "the feet drift apart slightly"),
        ("legs all over the place", "the knees come apart badly", "a huge gap between the legs"),
    ),
    "looseness": (
        ("such a tight shape", "really compact in the air", "squeezed in nice and tight"),
        ("a bit open in the shape", "could be tighter there"),
        ("very loose in the middle", "never got hold of that shape", "far too open and slack"),
    ),
    "over": (
        ("lined it up vertical", "straight up and down at the water", "found the vertical perfectly"),
        ("a touch over on the entry", "slightly past vertical"),
        ("way over on the entry", "badly over rotated", "gone right over the top"),
    ),
    "short": (
        ("lined it up vertical", "straight up and down at the water", "found the vertical perfectly"),
        ("a touch short on the entry", "not quite around to vertical"),
        ("very short of vertical", "badly under rotated", "never got around"),
    ),
    "wobble": (
        ("rock steady in the air", "complete control up there", "smooth from start to finish"),
        ("a small correction in the air", "some movement in the body"),
        ("fighting it all the way down", "wobbling around in the air", "no control at all"),
    ),
    "splash": (
        ("hardly a ripple", "ripped the entry", "no splash whatsoever", "disappears into the water"),
        ("some water comes up", "a fair bit of splash"),
        ("a big splash", "water everywhere", "what a bucket of water"),
    ),
    "lowness": (
        ("great height off the board", "plenty of lift at take off"),
        ("decent height", "an average jump"),
        ("no height at all", "very flat off the board", "did not get any lift"),
    ),
    "lag": (
        ("perfectly together", "like one diver in a mirror", "matched in every way"),
        ("just out of time", "a fraction apart"),
        ("clearly out of time", "one of them was well ahead", "the timing has gone"),
    ),
}
LEVELS = (0.18, 0.45)
"""Shares of a full fault from which an element counts as middling, and as bad."""
VERDICTS = (
    (8.5, ("that is superb", "an outstanding dive", "nines for that surely", "absolutely brilliant")),
    (7.2, ("a very good dive", "that will score well", "lovely work", "the judges will like that")),
    (5.8, ("that was all right", "a fair effort", "sevens at best", "solid without being special")),
    (4.0, ("not the best", "that will cost points", "disappointing for the coach", "marks will be low there")),
    (-1.0, ("oh dear", "what a disaster", "that is a poor dive", "a painful one to watch")),
)
"""Least mark of a verdict, and how it is put."""
BEFORE: Phrases = (
    "here we go then",
    "good luck",
    "a big moment in this competition",
    "the crowd goes quiet",
    "up on the board now",
    "taking a deep breath",
    "next to go in this round",
    "a long walk to the end",
    "still plenty to dive for today",
    "the coach is watching closely",
    "a full house here tonight",
    "trained for this every morning",
)
AFTER: Phrases = (
    "listen to that crowd",
    "let us see what the judges think",
    "a few more rounds to come",
    "there is the replay",
    "the team are on their feet",
    "a smile for the camera",
    "back to the hot tub now",
    "the family will be watching at home",
    "we wait for the numbers",
    "so much work goes into this",
    "what a sport this is",
    "the pressure is on everybody here",
)
MOST_WORDS = 36
JOINTS: Phrases = ("and", "but", "with", "then", "yes", "well")
CLASS_OPENINGS: Phrases = ("this is the", "going for the", "it was the", "that was the")


def comment(performance: Performance, random: np.random.Generator) -> str:
    """The words on a dive, separated by blanks.

    Args:
        random: of the words; what it draws depends on nothing, what is said of it does.
    """
    wanted = random.random(4) < (0.35, 0.4, 0.5, 0.35)
    chatter = pick(BEFORE, random), pick(AFTER, random)
    named = f"{pick(CLASS_OPENINGS, random)} {class_words(performance)}"
    remarks = [pick(REMARKS[kind][level], random) for kind, level in remarkable(performance, random)]
    parts = [chatter[0], named, f" {pick(JOINTS, random)} ".join(remarks), verdict(performance, random), chatter[1]]
    kept = {2}
    for number, want in zip((1, 3, 0, 4), wanted[[1, 2, 0, 3]], strict=True):  # chatter last, where there is room
        if want and sum(len(parts[other].split()) for other in (*kept, number)) <= MOST_WORDS:
            kept.add(number)
    return " ".join(parts[number] for number in sorted(kept))


def pick(phrases: Sequence[str], random: np.random.Generator) -> str:
    return phrases[int(random.integers(len(phrases)))]


def class_words(performance: Performance) -> str:
    """`reverse three and a half tuck`; a plain dive is `reverse dive pike`."""
    dive = performance.dive
    assert dive is not None
    words = ["armstand"] if dive.armstand else []
    words += [SPOKEN[dive.rotation_type], halves_name(dive.turning) if dive.turning > 1 else "dive"]
    if dive.twists:
        words += ["with", halves_name(dive.twists), "twists" if dive.twists > 2 else "twist"]
    else:
        words.append(("straight", "pike", "tuck")[dive.position])
    return " ".join(words)


def remarkable(performance: Performance, random: np.random.Generator) -> list[tuple[str, int]]:
    """Two or three things to remark on, the worst first: kinds of REMARKS with levels 0 (good) to 2 (bad).

    The worst fault, and others in chance order; a dive without faults is praised.
    """
    faults = shares_of_fault(performance)
    kinds = sorted(faults, key=lambda kind: -faults[kind])
    others = random.permutation(len(kinds) - 1).tolist()[: int(random.integers(1, 3))]
    chosen = [kinds[0], *(kinds[1 + number] for number in sorted(others))]
    return [(kind, int(np.digitize(faults[kind], LEVELS))) for kind in chosen]


def shares_of_fault(performance: Performance) -> dict[str, float]:
    """Kind of remark -> share of a full fault, of the worse diver."""
    merged: Elements = {}
    for elements in performance.athletes:
        for name, value in elements.items():
            kind = ("over" if value > 0 else "short") if name == "rotation" else name
            merged[kind] = max(merged.get(kind, 0.0), abs(value) / LARGEST[name])
    if merged.get("over", 0.0) and merged.get("short", 0.0):  # one diver over, one short: the worse is spoken of
        merged.pop(min(("over", "short"), key=lambda kind: merged[kind]))
    return merged


def verdict(performance: Performance, random: np.random.Generator) -> str:
    """What the dive was worth in all, by the mean mark a judge without noise would give its divers."""
    rule = RULES[performance.action]
    mark = 10 - float(np.mean([deduction(elements, rule) for elements in performance.athletes]))
    return pick(next(phrases for least, phrases in VERDICTS if mark >= least), random)
