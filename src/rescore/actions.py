"""AQA-7's seven actions: the one place that fixes their order and the papers' names for them (AQA-7, Table 1)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    name: str
    """The name in every file of this project."""
    code: int | None
    """Number in AQA-7's official lists (1..6); None for trampoline, which those lists leave out."""
    title: str
    """The name that tables and figures print."""
    athletes: int
    synchronised: bool = False


ACTIONS = (
    Action("diving", 1, "Diving", 1),
    Action("gymvault", 2, "Gymvault", 1),
    Action("skiing", 3, "Skiing", 1),
    Action("snowboard", 4, "Snowboard", 1),
    Action("sync_diving_3m", 5, "Sync. Dive 3m", 2, synchronised=True),
    Action("sync_diving_10m", 6, "Sync. Dive 10m", 2, synchronised=True),
    Action("trampoline", None, "Trampoline", 1),
)
BY_NAME = {action.name: action for action in ACTIONS}
BY_CODE = {action.code: action for action in ACTIONS if action.code is not None}
EXPERIMENT_ACTIONS = tuple(action.name for action in ACTIONS if action.code is not None)
"""The six that the paper's experiments use; trampoline is left out there (AQA-7, Sec. 5 Data Preparation)."""
