"""A short commentary on a performance: what was done, and how well. Templates with a few variants each."""

import numpy as np

from synthetic_athlete.dives import dive_name, halves_name
from synthetic_athlete.judging import FALL, HAND_TOUCH, LARGEST, Elements, Performance

FAULTS = {
    "split": ("legs together all the way", "the legs come apart a little", "the legs are well apart"),
    "looseness": ("a tight position", "a slightly open position", "far too loose in the position"),
    "rotation": ("lined up exactly", "not quite vertical", "badly off the vertical"),
    "wobble": ("very steady in the air", "a bit of movement in the air", "plenty of wobble in the air"),
    "splash": ("hardly any splash", "a moderate splash", "a big splash"),
    "landing": ("a stuck landing", "a step on the landing", "a stumble on the landing"),
    "lowness": ("great height", "decent height", "rather low"),
    "lag": ("perfectly together", "a little out of time", "clearly out of time"),
}
OPENINGS = ("That was", "Here is", "We have just seen", "Next up,")
TRICKS = {"gymvault": "vault", "skiing": "jump on skis", "snowboard": "jump on the board", "trampoline": "routine"}


def caption(performance: Performance, generator: np.random.Generator) -> str:
    """One sentence on what was done, one on the two or three things that stood out most."""
    opening = str(generator.choice(OPENINGS))
    sentence = f"{opening} a {what_was_done(performance)}."
    remarks = [FAULTS[name][level] for name, level in remarkable(performance)]
    if performance.action != "trampoline" and performance.athletes[0].get("landing", 0.0) > FALL:
        remarks.append("and down goes the athlete")
    elif performance.athletes[0].get("landing", 0.0) > HAND_TOUCH:
        remarks.append("with a hand down")
    return f"{sentence} {', '.join(remarks).capitalize()}."


def what_was_done(performance: Performance) -> str:
    """Dive or trick in words."""
    if performance.dive is not None:
        together = "synchronised " if len(performance.athletes) == 2 else ""
        return together + dive_name(performance.dive)
    if performance.action == "trampoline":
        return f"{TRICKS['trampoline']} of {len(performance.tricks)} skills"
    trick = performance.tricks[0]
    flips = halves_name(trick.somersaults)
    twists = f" and {halves_name(trick.twists)} twist{'s' if trick.twists > 2 else ''}" if trick.twists else ""
    return f"{TRICKS[performance.action]} with {flips} somersault{'s' if trick.somersaults > 2 else ''}{twists}"


def remarkable(performance: Performance) -> list[tuple[str, int]]:
    """The best element and the two worst, with levels 0 (good) to 2 (bad), in order of severity."""
    merged: Elements = {}
    for elements in performance.athletes:
        for name, value in elements.items():
            merged[name] = max(merged.get(name, 0.0), abs(value) / LARGEST[name])
    ordered = sorted(merged, key=lambda name: merged[name])
    level = {name: int(np.digitize(merged[name], (0.2, 0.5))) for name in ordered}
    return [(name, level[name]) for name in (ordered[0], *ordered[-2:])]
