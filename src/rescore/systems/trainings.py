"""What every member repeats, what is chosen in it, and what it rests on: all steps ask here what systems declare.

    member ─► declared(member) ─► trainings(member, settings): its numbers ─► backbone_of(number): what that training rests on

Numbers are those of `systems.common.repetition`; what has nothing to repeat is done once, as number 0, whatever the first
training's number is. No framework is imported.
"""

from rescore.engine.errors import RescoreError
from rescore.systems import registry
from rescore.systems.common import repetition
from rescore.systems.common.repetition import Settings, Training, numbers_of


def found(member: str, settings: Settings | None = None) -> tuple[str, Training]:
    """What is declared of a member and under which name; see `declared`."""
    parts = member.split("/")
    every = [registry.trainings(), *registry.listed_trainings(settings or {})]
    for name in ("/".join(parts[:2]), parts[0]):
        for known in every:
            if name in known:
                return name, known[name]
    raise RescoreError(
        f"{member}: nothing says how often it is trained. Declare '{parts[0]}' in TRAININGS of the system.py of its system "
        "(src/rescore/systems), or list it under extensions.systems of params.yaml."
    )


def declared(member: str, settings: Settings | None = None) -> Training:
    """What is declared of a member's system: by the first two parts of its name where these are declared, else by the first.

    Args:
        member: whole name, `usdl/mtl_aqa/10`.
        settings: with `extensions.systems` where the member may be one of these.

    Raises:
        RescoreError: its system is not declared.
    """
    return found(member, settings)[1]


def family_of(member: str, settings: Settings) -> str:
    """Whose variance over trainings a member has: systems of one design, whatever their training set is.

    Args:
        member, settings: as in `declared`.

    Raises:
        RescoreError: its system is not declared.
    """
    name, training = found(member, settings)
    return training.family or name


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
    return numbers_of(declared(member, settings), settings)


def is_repeated(member: str, settings: Settings) -> bool:
    """Whether a member is trained several times, or could be: not where nothing in it, nor in what it rests on, is drawn here.

    Args:
        member, settings: as in `trainings`, counts aside.

    Raises:
        RescoreError: its system is not declared.
    """
    return repetition.is_repeated(declared(member, settings), settings)
