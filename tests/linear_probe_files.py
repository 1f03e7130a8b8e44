"""Activations as `features.activations` writes them: of known worth, for a few dives and vaults."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rescore.engine.storage import save_arrays, sha256_text
from rescore.systems.linear_probes import probes as linear_probes

SETTINGS: dict[str, Any] = {
    "seed": 0,
    "first_training": 0,
    "backbone": {"weights": "pretrained"},
    "multitask": {"seeds": 2},
    "linear_probes": {"penalties": [0.01, 1.0], "folds": 3, "training_samples": 25, "test_samples": 12},
    "scoring": {"bootstrap": 100, "confidence": 0.95},
}
WORTH = {"c1": 0.1, "c2": 0.3, "c3": 1.0, "c4": 3.0, "c5": 0.0}
"""How strongly a layer knows the score."""


def make_vaults(count: int = 44) -> pd.DataFrame:
    """Vaults of six competitions among other actions."""
    random = np.random.default_rng(3)
    score = random.uniform(12, 16, count)
    return pd.DataFrame(
        {
            **{
                "dataset": "synthetic_aqa7",
                "sample": [f"gymvault/{n:03d}" for n in range(count)],
                "action": "gymvault",
            },
            **{
                "split": np.where(np.arange(count) % 3 == 0, "test", "train"),
                "score": score,
                "difficulty": score.round(),
            },
            **{
                "event": [f"gymvault-{n % 6}" for n in range(count)],
                "observer": score + 0.01 * random.normal(size=count),
            },
        }
    )


def with_others(vaults: pd.DataFrame) -> pd.DataFrame:
    """AQA-7's table, in which not only vaults stand."""
    dives = vaults.iloc[:3].assign(action="diving", sample=["diving/1", "diving/2", "diving/3"])
    return pd.concat([dives.iloc[:1], vaults, dives.iloc[1:]], ignore_index=True)


def write_activations(folder: Path, dives: pd.DataFrame, vaults: pd.DataFrame, settings=SETTINGS) -> list[Path]:
    """A file for every body and seed; the backbones' know half as much."""
    paths = []
    for name in linear_probes.folders(settings):
        body, seed = name.split("/")[0 if name.startswith("backbone/") else 1], int(name[-1])
        random = np.random.default_rng([len(body), seed])
        arrays, hashes = {}, {}
        for dataset, rows in (("dives", dives), ("vaults", vaults)):
            known = (rows["score"] - rows["score"].mean()) / rows["score"].std()
            for layer, worth in WORTH.items():
                noise = random.normal(size=(len(rows), 20))
                share = worth if body != "backbone" else worth / 2
                arrays[f"{dataset}.{layer}"] = (noise + share * known.to_numpy()[:, None]).astype(np.float16)
            hashes[dataset] = sha256_text("\n".join(rows["sample"]))
        paths.append(folder / f"{name}.safetensors")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        save_arrays(paths[-1], arrays, {"body": body, "seed": seed, "samples_sha256": hashes})
    return paths
