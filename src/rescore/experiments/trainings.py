"""What every system repeats, what is chosen in it, and what it rests on: the one declaration that all steps ask.

    member ─► declared(member) ─► trainings(member, settings): its numbers ─► backbone_of(number): what that training rests on

Numbers are those of `experiments.repetition`; what has nothing to repeat is done once, as number 0, whatever the first training's
number is. No framework is imported.
"""

from dataclasses import dataclass
from enum import Enum

from rescore.engine.errors import RescoreError
from rescore.experiments.repetition import LABELLED, ONCE, Repeats, Rests, Settings, is_trained_here, numbers


class Chosen(Enum):
    """What is selected of a trained system, and where."""

    ITERATION = "an iteration, by protocol"
    INSIDE_TRAINING = "parameters, by cross-validation inside the training set"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Training:
    """What is true of a system's trainings."""

    repeats: Repeats
    chosen: Chosen
    rests: Rests = Rests.NOTHING
    random: bool = True
    """Whether anything in it is drawn. A system without is repeated with what it rests on, and done once where that is not
    trained here."""


NETWORK = Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.BACKBONE)
LSTM = Training(Repeats.SEEDS, Chosen.ITERATION, Rests.BACKBONE)
PROBE = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE)
POSES = Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.ESTIMATOR, random=False)
REGRESSION = Training(Repeats.NOTHING, Chosen.INSIDE_TRAINING)
NOTHING_TRAINED = Training(Repeats.NOTHING, Chosen.NOTHING)
ON_DRAWS = {
    **dict.fromkeys(("aa", "rda", "msfr", "s4aqa", "pseudo_labels", "vat", "s4l"), Chosen.ITERATION),
    **dict.fromkeys(("usdl", "c3d_avg_stl", "c3d_avg_mtl"), Chosen.ITERATION),
    "svr": Chosen.INSIDE_TRAINING,
    "coreg": Chosen.NOTHING,
}
"""Systems that are trained on draws of labels."""

SYSTEMS: dict[str, Training] = {
    # AQA-7
    "svr": Training(Repeats.SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "single": LSTM,
    "all": LSTM,
    "without": LSTM,
    "random": Training(Repeats.SEEDS, Chosen.NOTHING, Rests.BACKBONE),
    "fine_tuned": LSTM,
    # poses, on AQA-7 and MTL-AQA
    "pose_dct": POSES,
    "pose_apen": POSES,
    "pose_dct_true": REGRESSION,
    "pose_apen_true": REGRESSION,
    # MTL-AQA
    "c3d_avg": NETWORK,
    "mscadc": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION),
    "c3d_svr": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "c3d_lstm": NETWORK,
    "c3d_lstm_svr": PROBE,
    "c3d_lstm_incremental": NETWORK,
    "s3d": Training(Repeats.NETWORK_SEEDS, Chosen.ITERATION, Rests.SEGMENTER),
    "li": NETWORK,
    # linear probes; vaults are drawn anew for every training, dives are not
    "backbone/dives": Training(Repeats.NETWORK_SEEDS, Chosen.INSIDE_TRAINING, Rests.BACKBONE, random=False),
    "backbone/within": PROBE,
    "backbone/outside": PROBE,
    "classes": PROBE,
    "score_classes_caption": PROBE,
    # yardsticks
    "label_only": REGRESSION,
    "commentary_only": REGRESSION,
    "majority": NOTHING_TRAINED,
    "random_caption": Training(Repeats.NETWORK_SEEDS, Chosen.NOTHING),
    "observer": NOTHING_TRAINED,
    "difficulty": NOTHING_TRAINED,
    # real data without video
    **dict.fromkeys(("chosen", "dive_class", "commentary", "commentary_without_numbers"), REGRESSION),
    **dict.fromkeys(("execution", "combination"), REGRESSION),
    **dict.fromkeys(("grid", "plain", "authors", "judge", "event"), NOTHING_TRAINED),
    # draws of labels
    **{
        f"{system}/{dataset}": Training(Repeats.LABEL_DRAWS, chosen, rests)
        for system, chosen in ON_DRAWS.items()
        for dataset, rests in LABELLED.items()
    },
    # Not of unlv_dive, which is a training set of MTL-AQA's baselines by that name.
    "label_only/mtl_aqa": Training(Repeats.LABEL_DRAWS, Chosen.INSIDE_TRAINING),
    "action_net": Training(Repeats.LABEL_DRAWS, Chosen.ITERATION),
}
"""By the first part of a member's name, or by its first two where systems of one name are repeated in different ways. The
extensions' systems stand in params.yaml (`extensions.systems`) and are all NETWORK."""


def declared(member: str, settings: Settings | None = None) -> Training:
    """What is declared of a member's system: by the first two parts of its name where these are declared, else by the first.

    Args:
        member: whole name, `usdl/mtl_aqa/10`.
        settings: with `extensions.systems` where the member may be one of these.

    Raises:
        RescoreError: its system is not declared.
    """
    parts = member.split("/")
    extensions = {line["name"] for line in ((settings or {}).get("extensions") or {}).get("systems", ())}
    for name in ("/".join(parts[:2]), parts[0]):
        if name in SYSTEMS:
            return SYSTEMS[name]
    if parts[0] in extensions:
        return NETWORK
    raise RescoreError(
        f"{member}: nothing says how often it is trained. Declare '{parts[0]}' in SYSTEMS of rescore.experiments.trainings, or "
        "list it under extensions.systems of params.yaml."
    )


def trainings(member: str, settings: Settings) -> list[int]:
    """Numbers of a member's trainings, ascending.

    Args:
        member: whole name.
        settings: `first_training`; the count that repeats it (`seeds`, `multitask.seeds` or `semi_supervised.label_draws`); of a
            system without randomness of its own what tells whether it rests on something trained here (`backbone.weights`,
            `poses.estimator`); and `extensions.systems` for these.

    Raises:
        RescoreError: its system is not declared.
    """
    return numbers(declared(member, settings).repeats, settings) if is_repeated(member, settings) else [ONCE]


def is_repeated(member: str, settings: Settings) -> bool:
    """Whether a member is trained several times, or could be: not where nothing in it, nor in what it rests on, is drawn here.

    Args:
        member, settings: as in `trainings`, counts aside.

    Raises:
        RescoreError: its system is not declared.
    """
    known = declared(member, settings)
    return known.repeats is not Repeats.NOTHING and (known.random or is_trained_here(known.rests, settings))
