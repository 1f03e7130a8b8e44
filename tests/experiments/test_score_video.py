import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
import torch

from rescore import cli
from rescore.clips.decode import normalise_length, read_frames
from rescore.engine import parameters
from rescore.engine.errors import RescoreError
from rescore.engine.storage import load_arrays, save_arrays, sha256_file
from rescore.experiments.score_video import VideoScore, describe, score_video
from rescore.features.extract import extract
from rescore.models.backbones import convert_weights
from rescore.models.c3d_lstm import initial_weights, predict_steps
from rescore.systems.common.repetition import backbone_weights
from tests.films import cut, film, frames_in_folder

ROOT = Path(__file__).parents[2]


def write_video(path: Path, frames: int = 70) -> Path:
    """A bright square that moves over a dark ground."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for number in range(frames):
            image = np.zeros((120, 160, 3), np.uint8)
            image[40:80, number : number + 40] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A video, a narrow backbone with random weights, and a checkpoint of two members and three seeds."""
    folder = tmp_path_factory.mktemp("score")
    _, settings = parameters.load(ROOT / "params.yaml", scale="demo")
    settings["backbone"] |= {"width": 0.03125, "weights": "random"}
    weights = backbone_weights(folder, 0)
    convert_weights(weights, settings)
    kinds = (
        "all",
        "single/skiing",
        "without/diving",
        "fine_tuned/diving/25/random",
        "fine_tuned/diving/25/multi_action",
    )
    names = [(name, seed) for name in kinds for seed in range(3)]
    stacked = [initial_weights(128, 4, 0.1, np.random.default_rng(index)) for index in range(len(names))]
    sds = {"diving": 10.0, "skiing": 5.0}
    entries = [{"member": name, "seed": seed, "score_sd": sds} for name, seed in names]
    header = {"members": entries, "backbone_sha256": {"0": sha256_file(weights)}, "settings": settings}
    arrays = {name: np.stack([weights[name] for weights in stacked]) for name in stacked[0]}
    save_arrays(folder / "members.safetensors", arrays, header)
    video = write_video(folder / "dive.avi")
    paths = {"video": video, "members": folder / "members.safetensors", "runs": folder}
    return {"paths": paths, "settings": settings, "arrays": arrays, "folder": folder}


def test_score_equals_the_workflow_s_own_features_and_head(files: dict[str, Any], tmp_path: Path) -> None:
    paths, settings = files["paths"], files["settings"]
    result = score_video(**paths, settings=settings, action="diving")
    store = settings["clips"]
    clip, padding = normalise_length(read_frames(paths["video"], tuple(store["resize"]), store["crop"]), 103, "last")
    np.save(tmp_path / "clips.npy", clip[None])
    pd.DataFrame({"sample": ["dive"], "split": ["test"]}).to_parquet(tmp_path / "clips.parquet")
    inputs = (tmp_path / "clips.npy", tmp_path / "clips.parquet", backbone_weights(paths["runs"], 0))
    extract(*inputs, tmp_path / "features.npy", tmp_path / "features.parquet", settings)
    features = torch.from_numpy(np.load(tmp_path / "features.npy")[0, 0]).float()  # (T, D)
    weights = {name: torch.from_numpy(array[:3]) for name, array in files["arrays"].items()}
    expected = predict_steps(weights, features[None, :, None].repeat(3, 1, 1, 1))[:, :, 0].numpy() * 10
    assert (result.member, result.seeds, result.frames, result.padding) == ("all", (0, 1, 2), 70, 33)
    assert padding == 33
    np.testing.assert_allclose(result.steps, expected, rtol=1e-3, atol=1e-3)
    assert np.ptp(result.scores) > 0


def test_plot_is_the_same_twice(files: dict[str, Any], tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        score_video(**files["paths"], settings=files["settings"], action="diving", plot=tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_interval_and_description() -> None:
    steps = np.array([[1.0, 80.0], [1.0, 82.0], [1.0, 84.0]])
    result = VideoScore(Path("dive.avi"), "diving", "all", 70, 33, (0, 1, 2), steps, 0.95, synthetic=False)
    low, high = result.interval()[-1]
    assert (low, high) == pytest.approx((82 - 4.968, 82 + 4.968), abs=1e-3)  # Student's 4.303 x 2 / sqrt(3)
    assert "82.00 points as Diving, 95% interval over seeds 77.03 to 86.97" in describe(result)
    assert "SYNTHETIC" not in describe(result)
    assert "SYNTHETIC" in describe(replace(result, synthetic=True))
    assert "interval" not in describe(replace(result, seeds=(0,), steps=steps[:1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "curling"}, "unknown action 'curling'; valid: diving, gymvault"),
        ({"member": "none", "action": "diving"}, "no member none; it has: all, single/skiing, without/diving"),
        ({"member": "single/curling"}, "no member single/curling; it has: all"),
        ({"member": "all"}, "Say --action, one of: diving, gymvault"),
        ({}, "Say --action, one of: diving, gymvault"),
        ({"member": "all", "action": "gymvault"}, "no standard deviation of gymvault"),
    ],
)
def test_unknown_names_are_refused(files: dict[str, Any], change: dict[str, str], message: str) -> None:
    with pytest.raises(RescoreError, match=message):
        score_video(**files["paths"], settings=files["settings"], **change)


def test_action_from_option_folder_or_member(files: dict[str, Any], tmp_path: Path) -> None:
    def scored(video: Path, **given: str) -> tuple[str, str]:
        result = score_video(video, files["paths"]["members"], files["paths"]["runs"], files["settings"], **given)
        return result.member, result.action

    plain = files["paths"]["video"]
    filed = write_video(tmp_path / "skiing" / "001.avi")
    assert scored(filed) == ("all", "skiing")
    assert scored(filed, action="diving") == ("all", "diving")
    assert scored(plain, member="single/skiing") == ("single/skiing", "skiing")
    assert scored(plain, member="without/diving") == ("without/diving", "diving")
    name = "fine_tuned/diving/25/multi_action"
    assert scored(plain, member=name) == (name, "diving")


def test_parameters_changed_since_training_are_refused(files: dict[str, Any]) -> None:
    settings = {**files["settings"], "backbone": {**files["settings"]["backbone"], "test_offset": 2, "batch": 1}}
    with pytest.raises(RescoreError, match=r"\(1\):\n  - backbone.test_offset: 2 in params.yaml, 0 in training"):
        score_video(**files["paths"], settings=settings, action="diving")


def make_checkout(folder: Path, parameters: str) -> None:
    """What `rescore score` needs of a checkout; without a lock, which describes other checkpoints than these."""
    (folder / "params.yaml").write_text(parameters)
    (folder / "Snakefile").symlink_to(ROOT / "Snakefile")
    (folder / "workflow").mkdir()
    for path in (ROOT / "workflow").iterdir():
        if path.name != "provenance":
            (folder / "workflow" / path.name).symlink_to(path)


def test_command_line(files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A run's folders around the fixture's files: text, PNG in the working directory, and refusals."""
    runs = tmp_path / "runs/demo"
    (runs / "zero_shot").mkdir(parents=True)
    shutil.copy(files["paths"]["members"], runs / "zero_shot")
    shutil.copytree(files["paths"]["runs"] / "backbone", runs / "backbone")
    text = (
        (ROOT / "params.yaml")
        .read_text()
        .replace("backbone: {width: 0.125,", "backbone: {width: 0.03125, weights: random,")
    )
    make_checkout(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    video = str(files["paths"]["video"])
    command = ["score", video, "--experiment", "zero_shot", "--scale", "demo"]
    assert cli.main([*command, "--member", "without/diving"]) == 0
    out = capsys.readouterr().out
    assert "points as Diving, 95% interval over seeds" in out
    assert "SYNTHETIC" in out
    assert (tmp_path / "dive.score.png").stat().st_size > 5000
    assert cli.main([*command, "--no-plot"]) == 1
    assert "Say --action" in capsys.readouterr().err
    assert cli.main(["score", video, "--action", "diving", "--scale", "demo"]) == 1
    assert "all_action/members.safetensors: no such checkpoint" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["score", video, "--experiment", "figure_skating"])
    assert "all_action" in capsys.readouterr().err


def test_each_seed_reads_the_features_of_its_own_backbone(files: dict[str, Any], tmp_path: Path) -> None:
    settings = {**files["settings"], "backbone": {**files["settings"]["backbone"], "weights": "pretrained"}}
    arrays, header = load_arrays(files["paths"]["members"])
    save_arrays(tmp_path / "members.safetensors", arrays, {"members": header["members"]})

    def scored(*numbers: int) -> np.ndarray:
        for seed, number in enumerate(numbers):
            weights = backbone_weights(tmp_path, seed)
            convert_weights(weights, {**files["settings"], "seed": number})
            values, about = load_arrays(weights)
            about["parameters"]["backbone"]["weights"] = "pretrained"  # as if each had been trained here
            save_arrays(weights, {name: np.array(value) for name, value in values.items()}, about)
        files_of_run = files["paths"]["video"], tmp_path / "members.safetensors", tmp_path
        return score_video(*files_of_run, settings, action="diving").steps

    before, after = scored(0, 1, 2), scored(0, 5, 2)
    np.testing.assert_array_equal(before[[0, 2]], after[[0, 2]])
    assert not np.array_equal(before[1], after[1])


def test_bad_files_are_refused(files: dict[str, Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"RIFF")
    other = tmp_path / "other"
    convert_weights(backbone_weights(other, 0), {**files["settings"], "seed": 1})
    for name, path, message in (
        ("video", broken, "broken.avi"),
        ("video", tmp_path / "none.avi", "none.avi"),
        ("members", broken, "not a readable safetensors file"),
        ("runs", other, "another backbone"),
    ):
        with pytest.raises(RescoreError, match=message):
            score_video(**{**files["paths"], name: path}, settings=files["settings"], action="diving")


def scored(files: dict[str, Any], video: Path) -> str:
    return describe(score_video(**{**files["paths"], "video": video}, settings=files["settings"], action="diving"))


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        (
            "plain.mp4",
            {"frames": 130},
            ["130 frames of 5.20 s at 25 frames/s; scored are frames 27 to 122, 3.84 s, 0 zero"],
        ),
        ("fast.mp4", {"frames": 300, "rate": 240}, ["at 240 frames/s", "where the training videos have 25", "-r 25"]),
        (
            "short.mkv",
            {"frames": 4, "codec": "libvpx-vp9"},
            ["4 frames of 0.16 s", "99 zero frames", "most of what is scored is zero"],
        ),
        ("one.webm", {"frames": 1, "codec": "libvpx"}, ["1 frame of 0.04 s", "most of what is scored is zero"]),
        ("near.mov", {"frames": 110, "rate": 30}, ["at 30 frames/s"]),
    ],
)
def test_which_frames_were_scored_is_said(
    name: str, kind: dict[str, Any], words: list[str], files: dict[str, Any], tmp_path: Path
) -> None:
    said = scored(files, film(tmp_path / name, **kind))
    assert all(word in said for word in words), said
    assert ("warning" in said) == (name not in ("plain.mp4", "near.mov"))


def test_odd_films_are_scored_as_their_frames_are(files: dict[str, Any], tmp_path: Path) -> None:
    """A film cut by an edit list, turned by metadata, or taken apart into images is scored as the frames it shows."""
    whole = film(tmp_path / "whole.mp4", 130, options={"g": "12", "crf": "1"})
    shown = film(tmp_path / "shown.mp4", 110, options={"crf": "1"}, first=20)
    cut_film = cut(whole, tmp_path / "cut.mp4", 20)

    def turn(stream: Any) -> None:
        stream.set_display_rotation(180)

    turned = film(
        tmp_path / "turned.mp4",
        110,
        options={"crf": "1"},
        first=20,
        prepare=turn,
        turned=lambda image: np.rot90(image, 2),
    )
    images = frames_in_folder(tmp_path / "images", range(20, 130), "{:04d}.png")
    expected = score_video(**{**files["paths"], "video": shown}, settings=files["settings"], action="diving").scores
    for video, words in (
        (cut_film, "an edit list hides 20"),
        (turned, "turned by 180"),
        (images, "rate that is not known"),
    ):
        result = score_video(**{**files["paths"], "video": video}, settings=files["settings"], action="diving")
        np.testing.assert_allclose(result.scores, expected, rtol=0.02)
        assert words in describe(result)


@pytest.fixture
def command(files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`rescore score VIDEO` in a run's folders around the fixture's files."""
    folder = tmp_path / "place"
    runs = folder / "runs/demo"
    (runs / "zero_shot").mkdir(parents=True)
    shutil.copy(files["paths"]["members"], runs / "zero_shot")
    shutil.copytree(files["paths"]["runs"] / "backbone", runs / "backbone")
    text = (ROOT / "params.yaml").read_text()
    text = text.replace("backbone: {width: 0.125,", "backbone: {width: 0.03125, weights: random,")
    make_checkout(folder, text)
    monkeypatch.chdir(folder)
    options = ["--experiment", "zero_shot", "--scale", "demo", "--action", "diving"]
    return lambda *words: cli.main(["score", *map(str, words), *options])


@pytest.mark.parametrize(
    "name", ["10:30 dive.avi", "$10 and $20.avi", "$broken_{.avi", "跳水.avi", "a%d{}.avi", "{b}\\frac.avi"]
)
def test_points_and_drawing_come_whatever_the_name(name: str, command: Any, tmp_path: Path, capsys: Any) -> None:
    assert command(write_video(tmp_path / "in" / name)) == 0
    out = capsys.readouterr().out
    assert "points as Diving" in out
    assert "\ndrawn in " in out


def test_points_come_where_nothing_can_be_drawn(command: Any, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    video = write_video(tmp_path / "in" / "a.avi")
    assert command(video, "--plot", "params.yaml/a.png") == 0
    printed = capsys.readouterr()
    assert "points as Diving" in printed.out
    assert "not drawn: " in printed.err
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    assert command(video) == 0
    printed = capsys.readouterr()
    assert "points as Diving" in printed.out
    assert "not drawn: division by zero" in printed.err


def test_drawings_of_two_videos_of_one_name_do_not_replace_each_other(command: Any, tmp_path: Path) -> None:
    videos = [tmp_path / place / "diving" / "001.avi" for place in ("a", "b", "c")] + [tmp_path / "ski" / "001.mp4"]
    for video in (*videos, *videos):  # the second time each finds its own
        assert command(write_video(make_parent(video))) == 0
    assert sorted(path.name for path in Path().glob("*.png")) == [
        "001.score.png",
        "001_2.score.png",
        "diving_001.score.png",
        "ski_001.score.png",
    ]
    Path("mine.score.png").write_bytes(b"somebody's own")
    assert command(write_video(tmp_path / "ski" / "mine.avi")) == 0
    assert Path("mine.score.png").read_bytes() == b"somebody's own"


def make_parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
