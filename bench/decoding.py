"""Decoding against plain decord, and the clip store over cores: ratios, as a Markdown table.

Run: python bench/decoding.py [--videos N] [--rounds N]
Expect: read_frames at 0.80 or more of plain decord. The videos are made here: 320x240, 103 frames, AQA-7's own size.

`plain decord` opens the file and reads consecutive batches of 32 at the same size with decord's own resize, one thread,
and keeps whole frames. `read_frames` does the same work and also counts the container's packets, watches for damage, and
crops. Rounds alternate between the two, so that other load on the machine meets both; the medians' ratio is printed.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import decord
import numpy as np
import pandas as pd

from rescore.clips.decode import read_frames
from rescore.clips.store import write_clips

FRAMES, SIZE, RESIZE, CROP = 103, (320, 240), (171, 128), 112
GOAL = 0.80


def write_video(path: Path, codec: str, seed: int) -> None:
    """A textured picture that drifts and brightens, so that motion compensation and residuals have work to do."""
    width, height = SIZE
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 8 + 16, width // 8 + 16, 3), np.uint8)
    picture = coarse.repeat(8, axis=0).repeat(8, axis=1)
    picture = (picture * 0.8 + generator.integers(0, 40, picture.shape)).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(FRAMES):
            view = picture[number : number + height, number : number + width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(view), format="rgb24")))
        container.mux(stream.encode())


def plain_decord(path: Path) -> int:
    reader = decord.VideoReader(str(path), ctx=decord.cpu(0), width=RESIZE[0], height=RESIZE[1], num_threads=1)
    count = len(reader)
    for start in range(0, count, 32):
        reader.get_batch(list(range(start, min(count, start + 32)))).asnumpy()
    return count


def ours(path: Path) -> int:
    return len(read_frames(path, RESIZE, CROP))


def seconds(function: Callable[[Path], int], paths: Sequence[Path]) -> float:
    start = time.perf_counter()
    frames = sum(function(path) for path in paths)
    assert frames == FRAMES * len(paths)
    return time.perf_counter() - start


def compare(paths: Sequence[Path], rounds: int) -> tuple[float, float]:
    """Median frames per second of plain decord and of `read_frames`."""
    times: dict[Callable[[Path], int], list[float]] = {plain_decord: [], ours: []}
    for function in times:
        seconds(function, paths[:1])
    for _ in range(rounds):
        for function, measured in times.items():
            measured.append(seconds(function, paths))
    plain, mine = (len(paths) * FRAMES / statistics.median(measured) for measured in times.values())
    return plain, mine


def store_seconds(paths: Sequence[Path], folder: Path, workers: int) -> float:
    rows = {
        "dataset": "bench",
        "sample": [path.name for path in paths],
        "action": "diving",
        "split": "train",
        "video": [str(path) for path in paths],
        "start_frame": 0,
        "end_frame": FRAMES - 1,
        "score": 50.0,
        "difficulty": np.nan,
    }
    manifest = folder / "bench.parquet"
    pd.DataFrame(rows).to_parquet(manifest)
    clips = {"frames": FRAMES, "long_videos": "last", "resize": RESIZE, "crop": CROP, "on_bad_video": "fail"}
    outputs = (folder / "clips.npy", folder / "rows.parquet", folder / "dropped.csv")
    start = time.perf_counter()
    write_clips(manifest, *outputs, {"clips": clips}, workers)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=12, help="videos of each coding (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--repeat", type=int, default=12, help="times each video stands in the store's manifest")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(
            f"| {FRAMES} frames, {SIZE[0]}x{SIZE[1]} to {RESIZE[0]}x{RESIZE[1]} | plain decord | read_frames | ratio | goal |"
        )
        print("|---|---|---|---|---|")
        everything: list[Path] = []
        for name, codec in (("MJPEG .avi", "mjpeg"), ("H.264 .avi", "libx264")):
            paths = [folder / f"{codec}_{number}.avi" for number in range(options.videos)]
            for number, path in enumerate(paths):
                write_video(path, codec, number)
            plain, mine = compare(paths, options.rounds)
            print(
                f"| {name} | {plain:.0f} frames/s | {mine:.0f} frames/s | {mine / plain:.2f} | {GOAL:.2f} |", flush=True
            )
            everything += paths
        copies = [folder / f"{number}_{path.name}" for number in range(options.repeat) for path in everything]
        for copy in copies:
            copy.symlink_to(folder / copy.name.split("_", 1)[1])
        print("\n| write_clips | seconds | frames/s | of one worker's rate |\n|---|---|---|---|")
        first = 0.0
        for workers in (1, 2):
            taken = store_seconds(copies, folder, workers)
            first = first or taken
            rate = len(copies) * FRAMES / taken
            print(
                f"| {workers} worker(s), {len(copies)} videos | {taken:.1f} | {rate:.0f} | {first / taken:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
