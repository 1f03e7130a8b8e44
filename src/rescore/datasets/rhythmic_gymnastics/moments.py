"""Features of single moments of Rhythmic Gymnastics, ACTION-NET's static stream: a synthetic stand-in, or what is at hand.

The original's are a ResNet's, of the athlete's region in frames of the video (Zeng et al., ACM MM 2020). The stand-in's moments
show the routine's execution, not its difficulty, and little of that: a moment's posture is

    share * execution + sqrt(1 - share^2) * the moment's own scatter                                   (both of unit variance)

and its features a random smooth function of posture, pose (eight numbers of the moment) and time, plus noise. Execution is read
off the rows of the stand-in (`observer` less `difficulty`); everything random has a seed of its own, so the segment features stay
as they are. In some moments nobody is found; these are NaN.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.datasets.rhythmic_gymnastics.segments import EXECUTION, EXECUTION_SD, SYNTHETIC
from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, read_table
from rescore.models.seeds import derived_seed


def write_static_features(rows: Path, features: Path, settings: dict[str, Any], directory: Path | None = None) -> None:
    """Write features of single moments of the routines whose segment features are there.

    Args:
        rows: table of the segment features.
        features: written; float16 .npy (sample, 1, moment, width), in the order of the rows; NaN where nobody was found.
        settings: `seed`, `action_net.static`: `moments`, for synthetic routines `width`, `share`, `noise`, `missed`.
        directory: of the real features, `<Video_Name>.npy` (frames, width), any extractor's, a row of NaN where nobody was found;
            None makes the synthetic stand-in.

    Raises:
        RescoreError: rows of the other kind, or real files that are missing or malformed, all of them together.
    """
    table, static = read_table(rows), settings["action_net"]["static"]
    made_up = bool((table["dataset"] == SYNTHETIC).all())
    if made_up != (directory is None):
        raise RescoreError(
            f"{rows}: {'made-up' if made_up else 'real'} routines, but features of {'real' if made_up else 'made-up'} moments"
            " are asked for. Move it away and run the step that writes it."
        )
    values = (
        synthetic_moments(table, static, settings["seed"])
        if directory is None
        else real_moments(directory, list(table["sample"]), static["moments"])
    )
    with atomic_path(features) as temporary:
        np.save(temporary, values.astype(np.float16)[:, None])


def synthetic_moments(table: pd.DataFrame, settings: Mapping[str, Any], seed: int) -> np.ndarray:
    """(routine, moment, width) of made-up routines; arguments as in `write_static_features`."""
    execution = ((table["observer"] - table["difficulty"] - EXECUTION) / EXECUTION_SD).to_numpy(np.float64)
    values = np.empty((len(table), settings["moments"], settings["width"]))
    for apparatus in dict.fromkeys(table["action"]):
        mine = (table["action"] == apparatus).to_numpy()
        random = np.random.default_rng(derived_seed(seed, "gymnastics, static", apparatus))
        values[mine] = moment_features(execution[mine], settings, random)
    return values


def moment_features(execution: np.ndarray, settings: Mapping[str, Any], random: np.random.Generator) -> np.ndarray:
    """What a frozen network would see of single moments: execution (routine,) -> (routine, moment, width)."""
    shape, share = (len(execution), settings["moments"]), settings["share"]
    posture = share * execution[:, None] + (1 - share**2) ** 0.5 * random.standard_normal(shape)
    poses = random.standard_normal((*shape, 8))
    time = np.broadcast_to(np.linspace(-1, 1, shape[1]), shape)
    causes = np.concatenate([posture[..., None], poses, time[..., None]], axis=2)  # (routine, moment, 10)
    hidden = np.tanh(causes @ random.standard_normal((causes.shape[2], 32)) / 3)
    values = hidden @ random.standard_normal((32, settings["width"])) / 32**0.5
    values += settings["noise"] * random.standard_normal(values.shape)
    found = random.random(shape)
    missed = (found < settings["missed"]) & (found < found.max(axis=1, keepdims=True))  # never all of a routine
    values[missed] = np.nan
    return values


def real_moments(directory: Path, names: list[str], moments: int) -> np.ndarray:
    """(video, moment, width) of the files of all videos."""
    found, problems = [], []
    for name in names:
        try:
            found.append(spread_moments(directory / f"{name}.npy", moments))
        except RescoreError as error:
            problems.append(str(error))
    problems += [f"features are {width} wide in some videos" for width in sorted({each.shape[1] for each in found})[1:]]
    remedy = "put each video's features there as <Video_Name>.npy (docs/systems/semi_supervised.md)."
    raise_together(f"{directory}: features of single moments of Rhythmic Gymnastics", problems, remedy)
    return np.stack(found)


def spread_moments(path: Path, moments: int) -> np.ndarray:
    """(moment, width) of a video's features (frames, width): evenly spread frames; a short video's are followed by NaN.

    Raises:
        RescoreError: the file is missing, damaged, of another form, without a frame, or partly not finite.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise RescoreError(f"{path.name}: no such file") from error
    except (ValueError, OSError, EOFError) as error:
        raise RescoreError(f"{path.name}: not a readable array ({error})") from error
    if values.ndim != 2 or values.dtype.kind != "f":
        raise RescoreError(f"{path.name}: {values.dtype} {values.shape}, not (frames, width) of floating point numbers")
    finite = np.isfinite(values)
    if not finite.all(axis=1).any() or not (finite.all(axis=1) | np.isnan(values).all(axis=1)).all():
        raise RescoreError(f"{path.name}: no frame with finite features, or some that are finite in part")
    chosen = values[np.linspace(0, len(values) - 1, min(moments, len(values))).round().astype(int)]
    if not np.isfinite(chosen).any():
        raise RescoreError(f"{path.name}: nobody was found in any of the {len(chosen)} frames read")
    return np.concatenate([chosen, np.full((moments - len(chosen), values.shape[1]), np.nan)]).astype(np.float64)
