"""Cutting samples out of a broadcast: all in one pass, against plain decord for each sample from the start; as a Markdown table.

Run: python bench/broadcasts.py [--frames N] [--samples N] [--size W H] [--rounds N]
The broadcast is made here: a textured picture that drifts, H.264 with B-frames, samples evenly spread as in MTL-AQA (one in about
1600 frames). Both ways fill the same two stores' sizes: 171x128 cropped to 112, and 640x360 cropped to 180.

`one pass` is the step as the workflow runs it, with one worker: a process is started, the container scanned, frames decoded once,
windows written to both stores. `a sample at a time` opens the file for every sample, reads from the first frame (seeking is
not exact in every container), and resizes each frame of the window twice. `plain decord` reads the whole file once at its own
size and keeps nothing: what the first is held against. Rounds alternate, so that other load on the machine meets all of them;
medians are printed.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import decord
import numpy as np
import pandas as pd

from rescore.clips.broadcasts import write_broadcast_clips

CLIPS = {
    "frames": 103,
    "shift": 3,
    "window": "end",
    **{"resize": [171, 128], "crop": 112, "wide_resize": [640, 360], "wide_crop": 180},
}
LENGTH = CLIPS["frames"] + 2 * CLIPS["shift"]


def write_broadcast(path: Path, frames: int, size: tuple[int, int]) -> None:
    """A picture that drifts by a pixel a frame and begins again after 512."""
    width, height = size
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (height // 8 + 64, width // 8 + 64, 3), np.uint8)
    picture = coarse.repeat(8, axis=0).repeat(8, axis=1)
    picture = (picture * 0.8 + generator.integers(0, 40, picture.shape)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.max_b_frames = 2
        for number in range(frames):
            at = number % 512
            view = np.ascontiguousarray(picture[at : at + height, at : at + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())


def write_manifest(path: Path, video: Path, ends: list[int]) -> None:
    rows = {
        "dataset": "bench",
        "sample": [f"01/{number:03d}" for number in range(1, len(ends) + 1)],
        "action": "diving",
        "split": "train",
        "video": str(video),
        "start_frame": [end - 90 for end in ends],
        "end_frame": ends,
        "score": 50.0,
        "difficulty": 3.0,
    }
    pd.DataFrame(rows).to_parquet(path)


def one_pass(manifest: Path, folder: Path) -> None:
    names = ("a.npy", "a.parquet", "a.csv", "wide.npy", "wide.parquet")
    settings = {"multitask": {"clips": CLIPS}, "clips": {"on_bad_video": "fail"}}
    write_broadcast_clips(manifest, *(folder / name for name in names), settings, workers=1)


def a_sample_at_a_time(video: Path, ends: list[int]) -> None:
    for end in ends:
        reader = decord.VideoReader(str(video), ctx=decord.cpu(0), num_threads=1)
        last = end + CLIPS["shift"]
        for number in range(last + 1):
            frame = reader.next()
            if number > last - LENGTH:
                picture = frame.asnumpy()
                cv2.resize(picture, tuple(CLIPS["resize"]))
                cv2.resize(picture, tuple(CLIPS["wide_resize"]))


def plain_decord(video: Path) -> None:
    reader = decord.VideoReader(str(video), ctx=decord.cpu(0), num_threads=1)
    for _ in range(len(reader)):
        reader.next()


def medians(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Seconds of each way."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(measured) for name, measured in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8000, help="of the broadcast (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=5, help="cut out of it (default: %(default)s)")
    parser.add_argument(
        "--size", type=int, nargs=2, default=(1280, 720), metavar=("W", "H"), help="pixels (default: 1280 720)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts (default: %(default)s)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    last = options.frames - 1 - CLIPS["shift"]
    ends = [round(last * number / options.samples) for number in range(1, options.samples + 1)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        video, manifest = folder / "01.mp4", folder / "manifest.parquet"
        write_broadcast(video, options.frames, tuple(options.size))
        write_manifest(manifest, video, ends)
        ways: dict[str, Callable[[], None]] = {
            "one pass": lambda: one_pass(manifest, folder),
            "a sample at a time": lambda: a_sample_at_a_time(video, ends),
            "plain decord, nothing kept": lambda: plain_decord(video),
        }
        seconds = medians(ways, options.rounds)
    width, height = options.size
    print(
        f"| {options.frames} frames, {width}x{height}, {options.samples} samples | seconds | frames/s | times one pass |"
    )
    print("|---|---|---|---|")
    for name, taken in seconds.items():
        print(f"| {name} | {taken:.2f} | {options.frames / taken:.0f} | {taken / seconds['one pass']:.2f} |")


if __name__ == "__main__":
    main()
