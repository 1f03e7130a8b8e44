"""One real video of AQA-7 through decoding, clips and C3D at full size: does the pipeline take official data as it is?

Cost: seconds and 1.5 GB on a CPU. To expect: 103 frames, no padding, 6 clips, features 6 x 4096.

With random weights the features say nothing about the dive; what is checked is that bytes of the official format (MJPEG in
.avi, 320x240) become clips and finite features of the right shapes. No score is predicted.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rescore.clips.decode import normalise_length, read_frames
from rescore.datasets.aqa7.official import read_lists
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file, write_json
from rescore.models.backbones import empty_backbone, input_colour
from rescore.models.c3d import initialise
from rescore.models.device import make_deterministic, seeded_generator
from rescore.models.preprocess import cut_clips, preprocess

SAMPLE, VIDEO = "diving/054", "aqa7_diving_054.avi"


def run(directory: Path, lists: Path, record: Path, settings: dict[str, Any]) -> None:
    """Decode, cut into clips, extract features, and write what came out.

    Args:
        directory: where AQA-7's diving video 054 lies.
        lists: directory of AQA-7's official lists.
        record: written, JSON: the video's and the clips' shapes, padding, checksums, and a summary of the features.
        settings: sections `clips` and `backbone`, and `seed`.

    Raises:
        RescoreError: the video cannot be read, the lists do not have it, or features are not finite.
    """
    make_deterministic()
    clips, backbone, video = settings["clips"], settings["backbone"], directory / VIDEO
    decoded = read_frames(video, resize=tuple(clips["resize"]), crop=clips["crop"])  # (frames, crop, crop, 3)
    frames, padding = normalise_length(decoded, clips["frames"], clips["long_videos"])  # (103, crop, crop, 3)
    batch = cut_clips(frames, backbone["clips"], backbone["clip_frames"], backbone["test_offset"])
    network = random_network(settings)
    with torch.inference_mode():
        features = network(preprocess(torch.from_numpy(batch), input_colour(backbone))).numpy()  # (6, 4096)
    if not np.isfinite(features).all():
        raise RescoreError(f"{video}: features are not finite. Check backbone.colour.")
    write_json(
        record,
        {
            "sample": SAMPLE,
            "video_sha256": sha256_file(video),
            "score_points": listed_score(lists),
            "frames_decoded": len(decoded),
            "padding": padding,
            "resize": list(clips["resize"]),
            "frames": list(frames.shape),
            "frames_sha256": hashlib.sha256(frames.tobytes()).hexdigest(),
            "frames_mean": round(float(frames.mean()), 3),
            "clips": list(batch.shape),
            "weights": "random",
            "colour": input_colour(backbone),
            "features": list(features.shape),
            "features_summary": summary(features),
        },
    )


def random_network(settings: Mapping[str, Any]) -> nn.Module:
    """The backbone with random weights, in memory (a file of them is a quarter of a gigabyte)."""
    network = empty_backbone({**settings, "backbone": {**settings["backbone"], "weights": "random"}})
    initialise(network, seeded_generator(settings["seed"], "random backbone"))
    return network.eval().to(memory_format=torch.channels_last_3d)


def listed_score(lists: Path) -> float:
    """The dive's score in AQA-7's lists, points."""
    table = read_lists(lists)
    found = table.loc[table["sample"] == SAMPLE, "score"]
    if len(found) != 1:
        raise RescoreError(f"{lists}: {SAMPLE} stands {len(found)} times in AQA-7's lists. Fetch them again.")
    return round(float(found.iloc[0]), 2)


def summary(features: np.ndarray) -> dict[str, float]:
    """What can be compared between machines: rounded moments, and the share that ReLU sets to zero."""
    return {
        "mean": round(float(features.mean()), 3),
        "sd": round(float(features.std()), 3),
        "largest": round(float(features.max()), 2),
        "zeros": round(float((features == 0).mean()), 3),
    }
