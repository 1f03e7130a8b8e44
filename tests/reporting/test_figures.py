"""Figures: made from files, equal bytes, synthetic is written in them, bad input is named."""

import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rescore.engine.errors import RescoreError
from rescore.reporting.contact_sheet import BAND, GAP
from rescore.reporting.figures import figure1, figure2, forest, learning_curve, score_curves
from rescore.reporting.tables import make_table

PAPER = Path(__file__).parents[2] / "papers" / "aqa7" / "paper.yaml"


@pytest.fixture
def inputs(tmp_path, reported, scores, demo):
    columns = [f"Diving {n}" for n in (25, 75)] + [f"Skiing {n}" for n in (25, 75)]
    points = [
        (row, c, i, 0.001 * i, 0.001 * i - 0.1, 0.001 * i + 0.1, 50, 3)
        for row in ("RI", "AA")
        for c in columns
        for i in (0, 100, 200)
    ]
    pd.DataFrame(points, columns=["row", "column", "iteration", "value", "low", "high", "n", "seeds"]).to_csv(
        tmp_path / "curves.csv", index=False
    )
    layers = [{"name": "conv1", "kind": "Conv3d", "output": [8, 16, 56, 56], "parameters": 656}]
    layers.append({"name": "pool1", "kind": "MaxPool3d", "output": [8, 16, 28, 28], "parameters": 0})
    (tmp_path / "network.json").write_text(json.dumps({"network": "C3D-LSTM", "layers": layers}))
    pd.DataFrame({"iteration": [10, 20], "loss": [2.0, 1.0], "test_accuracy": [None, 0.5]}).to_csv(
        tmp_path / "curve.csv", index=False
    )
    outputs = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    make_table(PAPER, "table3", *outputs, demo, scores["table3"])
    return tmp_path


def draw(name, folder, settings, stem):
    svg, png = folder / f"{stem}.svg", folder / f"{stem}.png"
    if name == "forest":
        forest(PAPER, "table3", folder / "t.csv", svg, png, settings)
    elif name == "figure3":
        score_curves(PAPER, "figure3", folder / "curves.csv", svg, png, settings)
    else:
        function, source = {"figure2": (figure2, "network.json"), "learning_curve": (learning_curve, "curve.csv")}[name]
        function(PAPER, folder / source, svg, png, settings)
    return svg, png


@pytest.mark.parametrize("name", ["figure2", "figure3", "forest", "learning_curve"])
def test_equal_bytes_and_the_right_words(inputs, demo, name):
    first, second = draw(name, inputs, demo, "a"), draw(name, inputs, demo, "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    text = first[0].read_text()
    assert first[1].read_bytes().startswith(b"\x89PNG")
    words = {
        "figure2": ["SYNTHETIC", "conv1", "16 × 56", "656"],
        "figure3": ["SYNTHETIC", "Diving 25 (test n = 50)", "mean over 3 seeds"],
        "forest": ["SYNTHETIC", "Multi-action", "Diving (n = 70)", "Avg. Corr. (n = 303)", "Perfect observer"],
        "learning_curve": ["SYNTHETIC", "test accuracy", "share of windows right"],
    }[name]
    assert all(word in text for word in words)


def test_official_figures_do_not_say_synthetic(inputs, paper):
    assert "SYNTHETIC" not in draw("figure3", inputs, paper, "a")[0].read_text()


def test_bad_input_is_named(inputs, demo):
    (inputs / "network.json").write_text("{}")
    with pytest.raises(RescoreError, match="not a description of a network"):
        draw("figure2", inputs, demo, "a")
    (inputs / "network.json").write_text('{"network": "x", "layers": []}')
    with pytest.raises(RescoreError, match="without layers"):
        draw("figure2", inputs, demo, "a")
    (inputs / "curve.csv").write_text("loss\n1\n")
    with pytest.raises(RescoreError, match="not a learning curve"):
        draw("learning_curve", inputs, demo, "a")


def test_figure_1_shows_the_middle_test_video_of_each_action(tmp_path, demo):
    rows = []
    for number, (action, score) in enumerate([("diving", 1.0), ("diving", 2.0), ("trampoline", 3.0)]):
        video = tmp_path / f"{number}.avi"
        write_grey_video(video, 60 * (number + 1))
        rows.append((f"{action}/{number:03d}", action, "test", str(video), 0, 19, score))
    columns = ["sample", "action", "split", "video", "start_frame", "end_frame", "score"]
    pd.DataFrame(rows, columns=columns).to_parquet(tmp_path / "manifest.parquet")
    figure1(tmp_path / "manifest.parquet", tmp_path / "a.png", demo)
    sheet = np.array(Image.open(tmp_path / "a.png"))
    assert sheet.shape == (2 * (BAND + 112 + GAP), 8 * (112 + GAP), 3)
    assert abs(int(sheet[BAND + 50, 50, 0]) - 120) < 4  # the second diving video
    assert abs(int(sheet[BAND + 112 + GAP + BAND + 50, 50, 0]) - 180) < 4  # trampoline


def write_grey_video(path: Path, grey: int) -> None:
    """Twenty frames of one grey, MJPEG."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuvj420p"
        for _ in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), grey, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
