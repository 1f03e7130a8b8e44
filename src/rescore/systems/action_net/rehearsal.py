"""ACTION-NET for a few steps (systems.common.rehearsal)."""

from pathlib import Path

from rescore.engine.storage import read_table
from rescore.systems.action_net.training import run
from rescore.systems.common import made_up
from rescore.systems.common.label_draws import GYMNASTICS
from rescore.systems.common.rehearsal import Stage, label_draw_files, written


def two_streams(stage: Stage) -> list[Path]:
    """ACTION-NET."""
    files, settings = label_draw_files(stage, GYMNASTICS, "action_net")
    knobs = settings["action_net"]["static"]
    rows = read_table(files["rows"])
    static = made_up.write_features(stage.folder / "static.npy", (len(rows), 1, knobs["moments"], knobs["width"]))
    made = written(stage)
    run(files["features"][0], files["rows"], static, **made, settings=settings)
    return list(made.values())
