"""One training step of C3D-AVG and MSCADC at full size, all tasks, against a plain implementation of the authors' recipe.

    python bench/multitask_step.py [--network c3d_avg|mscadc] [--batch 3] [--micro-batch 3] [--repeats 2] [--no-bfloat16]

Arithmetic: forward, losses, backward and Adam's update on ready input. The plain recipe sends clips one after another through
the body, in float32 and the default memory order, with a ReLU of its own before each pooling, feeds the captioner word
by word, and steps Adam with torch's defaults. It uses the same weights, and its loss must equal ours. Ours is timed in
float32 and, on a processor with bfloat16 products, under bfloat16 autocast: a figure for the speed alone, because trainings on a
CPU compute in float32 (models.device.computes_in_bfloat16 says why).

Data path: from what is stored to a batch of network input. The plain recipe opens each frame's JPEG with Pillow, resizes,
crops, flips and normalises it, and stacks the frames. Ours reads the uint8 clip store through its memory map. JPEGs and store
hold the same synthetic frames, written before the clock starts, and lie in the page cache.

Medians' ratios go to standard output; goals are 1.5 for the arithmetic and 20 for the data path. The processor's seconds count
all threads, without what else runs on the machine (set OMP_WAIT_POLICY=PASSIVE: threads that wait by spinning count too).
"""

import argparse
import io
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from rescore.models.c3d import PADDING, POOLS
from rescore.models.c3d_avg import C3DAverage
from rescore.models.captioner import CAPTION_TOKENS, PAPER_VOCABULARY, Captioner
from rescore.models.device import reuse_memory
from rescore.models.losses import DIVE_CLASSES, SOS, losses
from rescore.models.mscadc import BODY, MSCADC
from rescore.models.preprocess import COLOURS, preprocess

SIZES = {"c3d_avg": (96, 112, (171, 128)), "mscadc": (16, 180, (640, 360))}  # frames, crop, resize (width x height)
STORED = (640, 360)  # pixels of a JPEG frame, width x height
WORDS = 60  # of a caption; the papers cut at 98


def timed(work: dict[str, Callable[[], object]], repeats: int) -> dict[str, tuple[float, float]]:
    """Median seconds of each job, by the clock and of the processor (all threads).

    Jobs take turns, so that a busy moment falls on all alike. The first turn warms up.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for _ in range(repeats + 1):
        for name, run in work.items():
            start, used = time.perf_counter(), time.process_time()
            run()
            seconds[name].append((time.perf_counter() - start, time.process_time() - used))
    columns = {name: zip(*values[1:], strict=True) for name, values in seconds.items()}
    return {name: tuple(map(statistics.median, values)) for name, values in columns.items()}  # type: ignore[misc]


def plain_captions(captioner: Captioner, clips: Tensor, tokens: Tensor) -> Tensor:
    """Teacher forcing one word at a time: (N, T-1, vocabulary)."""
    seen, video_state = captioner.video_gru(clips)
    silence = clips.new_zeros(*clips.shape[:2], captioner.embedding.embedding_dim)
    _, word_state = captioner.word_gru(torch.cat([seen, silence], 2))
    logits = []
    for t in range(tokens.shape[1] - 1):
        said, video_state = captioner.video_gru(torch.zeros_like(clips[:, :1]), video_state)
        heard = torch.cat([said, captioner.embedding(tokens[:, t : t + 1])], 2)
        spoken, word_state = captioner.word_gru(heard, word_state)
        logits.append(captioner.output(spoken))
    return torch.cat(logits, 1)


def plain_c3d_avg(network: C3DAverage, video: Tensor, tokens: Tensor) -> dict[str, Tensor]:
    features = []
    for clip in video.split(16, dim=2):
        x = clip
        for name, group in zip(network.body.convolution_names, network.body.pool_after, strict=True):
            layer = network.body.get_submodule(name)
            x = F.relu(F.conv3d(x, layer.get_parameter("weight"), layer.get_parameter("bias"), padding=1))
            x = F.max_pool3d(x, POOLS[group], padding=PADDING[group]) if group else x
        features.append(x.flatten(1))
    clips = torch.stack(features, 1)
    trunk = F.relu(network.trunk(clips.mean(1)))
    outputs = {name: head(trunk) for name, head in network.class_heads.items()}
    return outputs | {
        "score": network.score_head(trunk).squeeze(1),
        "caption": plain_captions(network.captioner, clips, tokens),
    }


def plain_mscadc(network: MSCADC, frames: Tensor, tokens: Tensor) -> dict[str, Tensor]:
    x = frames
    for name, _, _, _, pool in BODY:
        x = F.relu(network.body.get_submodule(f"bn{name}")(network.body.get_submodule(f"conv{name}")(x)))
        x = F.max_pool3d(x, pool) if pool else x
    outputs = {"score": network.score_head(x)} | network.class_head(x)
    return outputs | {"caption": plain_captions(network.captioner, network.caption_head(x), tokens)}


def step(
    forward: Callable[[Tensor, Tensor], dict[str, Tensor]],
    optimiser: torch.optim.Optimizer,
    inputs: Tensor,
    targets: dict[str, Tensor],
    micro_batch: int,
    bfloat16: bool = False,
) -> float:
    """One step, its gradient summed over micro-batches; returns the mean loss."""
    total = 0.0
    optimiser.zero_grad()
    for start in range(0, len(inputs), micro_batch):
        part = slice(start, start + micro_batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            outputs = forward(inputs[part], targets["caption"][part])
        share = len(inputs[part]) / len(inputs)
        outputs = {name: value.float() for name, value in outputs.items()}
        loss = losses(outputs, {name: value[part] for name, value in targets.items()})["total"] * share
        loss.backward()
        total += float(loss.detach())
    optimiser.step()
    return total


def random_targets(batch: int, vocabulary: int = PAPER_VOCABULARY) -> dict[str, Tensor]:
    targets = {name: torch.randint(classes, (batch,)) for name, classes in DIVE_CLASSES.items()}
    caption = torch.zeros(batch, CAPTION_TOKENS, dtype=torch.long)
    caption[:, 0], caption[:, 1 : WORDS + 1] = SOS, torch.randint(2, vocabulary, (batch, WORDS))
    return targets | {"score": torch.randn(batch), "caption": caption}


def arithmetic(name: str, batch: int, micro_batch: int, repeats: int, bfloat16: bool) -> None:
    build, plain_forward = (C3DAverage, plain_c3d_avg) if name == "c3d_avg" else (MSCADC, plain_mscadc)
    torch.manual_seed(0)
    # Dropout would part the losses: neither has it.
    settings = {"caption_dropout": 0.0} | ({"dropout": 0.0} if name == "mscadc" else {})
    plain = build(**settings)
    ours = build(**settings).to(memory_format=torch.channels_last_3d)
    ours.load_state_dict(plain.state_dict())
    frames, crop, _ = SIZES[name]
    inputs, targets = torch.randn(batch, 3, frames, crop, crop), random_targets(batch)
    ordered = inputs.contiguous(memory_format=torch.channels_last_3d)
    plain_adam = torch.optim.Adam(plain.parameters(), lr=1e-4)
    our_adam = torch.optim.Adam(ours.parameters(), lr=1e-4, fused=True)
    found: dict[str, list[float]] = {"plain": [], "ours": [], "ours, bfloat16": []}

    def run(key: str, *arguments: object) -> None:
        found[key].append(step(*arguments))  # type: ignore[arg-type]

    work: dict[str, Callable[[], object]] = {
        "plain": lambda: run("plain", lambda x, t: plain_forward(plain, x, t), plain_adam, inputs, targets, batch),
        "ours": lambda: run("ours", ours, our_adam, ordered, targets, micro_batch),
    }
    if bfloat16:
        work["ours, bfloat16"] = lambda: run("ours, bfloat16", ours, our_adam, ordered, targets, micro_batch, True)
    seconds = timed(work, repeats)
    print(f"{name}: a step of {batch} samples, {parameters(ours) / 1e6:.1f} million parameters")
    print(f"  first loss: plain {found['plain'][0]:.5f}, ours {found['ours'][0]:.5f}")
    for key, (clock, processor) in seconds.items():
        faster = f"{seconds['plain'][0] / clock:.2f} x plain (goal 1.5), {seconds['plain'][1] / processor:.2f} x by the processor"
        print(f"  {key}: {clock:.2f} s, {processor:.2f} of the processor{'' if key == 'plain' else f'; {faster}'}")


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def plain_frame(path: Path, resize: tuple[int, int], crop: int, flip: bool) -> Tensor:
    """One JPEG -> (3, crop, crop), normalised."""
    with Image.open(path) as image:
        resized = image.convert("RGB").resize(resize, Image.Resampling.BILINEAR)
    left, top = (resize[0] - crop) // 2, (resize[1] - crop) // 2
    cropped = resized.crop((left, top, left + crop, top + crop))
    cropped = cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else cropped
    convention = COLOURS["rgb_imagenet"]
    x = torch.from_numpy(np.array(cropped)).permute(2, 0, 1).float().div(255)
    return (x - torch.tensor(convention.mean).view(3, 1, 1)) / torch.tensor(convention.sd).view(3, 1, 1)


def data_path(name: str, batch: int, repeats: int) -> None:
    frames, crop, resize = SIZES[name]
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        jpegs, stored = Path(folder), Path(folder) / "clips.npy"
        write_frames(jpegs, stored, (batch, frames, crop), resize, generator)
        clips = np.load(stored, mmap_mode="r")

        def plain() -> Tensor:
            samples = []
            for sample in range(batch):
                paths = [jpegs / f"{sample}_{frame}.jpg" for frame in range(frames)]
                samples.append(torch.stack([plain_frame(path, resize, crop, sample % 2 == 1) for path in paths], 1))
            return torch.stack(samples)

        def ours() -> Tensor:
            chosen = torch.from_numpy(clips[np.arange(batch)])  # (N, frames, crop, crop, 3), read from the map
            chosen[1::2] = chosen[1::2].flip(3)
            return preprocess(chosen, "rgb_imagenet")

        difference = (plain() - ours()).abs().mean()
        seconds = {key: clock for key, (clock, _) in timed({"plain": plain, "ours": ours}, repeats).items()}
    print(f"{name}: stored data to input, {batch} samples of {frames} frames (mean difference {difference:.3f} sd)")
    print(f"  plain: {seconds['plain'] * 1000:.0f} ms")
    print(f"  ours: {seconds['ours'] * 1000:.0f} ms, {seconds['plain'] / seconds['ours']:.0f} x plain (goal 20)")


def write_frames(
    jpegs: Path, stored: Path, shape: tuple[int, int, int], resize: tuple[int, int], generator: np.random.Generator
) -> None:
    """Synthetic frames (smoothed noise, whose JPEGs are as large as those of video frames) as JPEGs and as a clip store."""
    batch, frames, crop = shape
    clips = np.lib.format.open_memmap(stored, mode="w+", dtype=np.uint8, shape=(batch, frames, crop, crop, 3))
    left, top = (resize[0] - crop) // 2, (resize[1] - crop) // 2
    for sample in range(batch):
        for frame in range(frames):
            noise = generator.integers(0, 256, (45, 80, 3), dtype=np.uint8)
            encoded = io.BytesIO()
            Image.fromarray(noise).resize(STORED, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=90)
            (jpegs / f"{sample}_{frame}.jpg").write_bytes(encoded.getvalue())
            image = Image.open(encoded).resize(resize, Image.Resampling.BILINEAR)
            clips[sample, frame] = np.asarray(image)[top : top + crop, left : left + crop]
    clips.flush()


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; where it does not, autocast only costs time."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=sorted(SIZES), action="append")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--micro-batch", type=int, default=3, help="samples a pass of ours; fewer need less memory")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--bfloat16", action=argparse.BooleanOptionalAction, default=has_bfloat16())
    options = parser.parse_args()
    reuse_memory()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    for name in options.network or sorted(SIZES):
        data_path(name, options.batch, max(3, options.repeats))
        arithmetic(name, options.batch, options.micro_batch, options.repeats, options.bfloat16)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory of the whole benchmark: {peak / 1e6:.1f} GB")


if __name__ == "__main__":
    main()
