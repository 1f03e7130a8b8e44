"""`rescore fetch mtl-aqa` with real yt-dlp (its generic extractor), real videos and an HTTP server on loopback."""

import json
import os
import pickle
import shutil
from pathlib import Path

import av
import numpy as np
import openpyxl
import pandas as pd
import pytest

from rescore import cli
from rescore.datasets.mtl_aqa import broadcasts as mtl_aqa_broadcasts
from rescore.datasets.mtl_aqa.broadcasts import COMPLETE, FAILED, LOST, bring, read_addresses, read_events
from rescore.datasets.mtl_aqa.release import OFFICIAL
from rescore.engine.errors import RescoreError
from rescore.engine.storage import sha256_file
from rescore.sources.video_sites import VideoFailed, VideoGone, download, is_gone
from tests.films import film, frames_in_folder

FRAMES = 40


def encode(path: Path, frames: int = FRAMES, seed: int = 0, times: list[int] | None = None) -> bytes:
    """A real video of noise, 96x64; `times` are presentation times in 1/25 s."""
    noise = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(noise.integers(0, 255, (64, 96, 3), np.uint8), format="rgb24")
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


def write_release(folder: Path, addresses: dict[int, str], last_frames: dict[tuple[int, int], int]) -> Path:
    """The parts of MTL-AQA's release that are read: list of videos, annotations, splits (the last dive is the test set)."""
    workbook = openpyxl.Workbook()
    workbook.active.append(["Sr. No.", "Video"])
    for row in addresses.items():
        workbook.active.append(list(row))
    (folder / OFFICIAL).mkdir(parents=True)
    workbook.save(folder / "Video_List.xlsx")
    fields = {
        "start_frame": 1,
        "position": 0,
        "difficulty": 3.0,
        "armstand": 0,
        "rotation_type": 0,
        "ss_no": 2,
        "tw_no": 0,
    }
    annotations = {key: {**fields, "final_score": 50.0, "end_frame": end} for key, end in last_frames.items()}
    keys = list(last_frames)
    contents = {"final_annotations_dict": annotations, "train_split_0": keys[:-1], "test_split_0": keys[-1:]}
    for name, content in contents.items():
        (folder / OFFICIAL / f"{name}.pkl").write_bytes(pickle.dumps(content))
    return folder


@pytest.fixture
def release(tmp_path, server) -> Path:
    """Events 1, 2 and 26 with two dives each; their videos are on the server."""
    for number in (1, 2, 26):
        server.contents[f"v{number}.mp4"] = encode(tmp_path / f"v{number}.mp4", seed=number)
    addresses = {number: f"{server.url}/v{number}.mp4" for number in (1, 2, 26)}
    ends = {(number, dive): 10 * dive for number in addresses for dive in (1, 2)}
    return write_release(tmp_path / "release", addresses, ends)


def index(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "videos.csv", dtype={"event": str}).set_index("event")


def test_all_broadcasts_come_and_are_indexed_and_counted(tmp_path, release, server, capsys):
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == COMPLETE
    table = index(folder)
    for number in (1, 2, 26):
        row = table.loc[f"{number:02d}"]
        assert Path(row["video"]) == folder / "videos" / f"{number:02d}.mp4"
        assert Path(row["video"]).read_bytes() == server.contents[f"v{number}.mp4"]
        assert row["sha256"] == sha256_file(Path(row["video"]))
        assert (row["frames"], row["rate"], row["last_frame"]) == (FRAMES, 25.0, 20)
    assert "2.0 times the frames that are annotated" in table.loc["01", "remark"]
    assert len(pd.read_csv(folder / "gone.csv")) == 0
    record = json.loads((folder / "SOURCE.json").read_text())
    assert [file["name"] for file in record["files"]] == ["01.mp4", "02.mp4", "26.mp4"]
    assert record["licence"]
    assert "3 of 3 broadcasts" in capsys.readouterr().out

    server.requests.clear()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert bring(release, folder) == COMPLETE
    assert server.requests == []  # what is there is not asked for
    assert {path: path.read_bytes() for path in before} == before


def test_a_broadcast_that_is_gone_is_reported_with_the_samples_and_splits_it_costs(tmp_path, release, server, capsys):
    del server.contents["v26.mp4"]
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == LOST
    gone = pd.read_csv(folder / "gone.csv", dtype=str)
    assert gone[["sample", "split", "event"]].to_numpy().tolist() == [
        ["26/001", "train", "26"],
        ["26/002", "test", "26"],
    ]
    assert gone["reason"].str.contains("404").all()
    assert list(index(folder).index) == ["01", "02"]
    printed = capsys.readouterr().out
    assert "costs 2 samples (1 train, 1 test)" in printed
    assert "2 samples are lost (1 train, 1 test)" in printed

    encode(folder / "videos" / "26.mkv")  # a copy from elsewhere, in another container
    assert bring(release, folder) == COMPLETE
    assert index(folder).loc["26", "video"].endswith("26.mkv")
    assert len(pd.read_csv(folder / "gone.csv")) == 0


def test_a_broken_transfer_is_gone_on_with(tmp_path, release, server, capsys):
    whole = server.contents["v2.mp4"]
    server.cut_file, server.cut = "v2.mp4", len(whole) // 20
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == FAILED
    printed = capsys.readouterr().out
    assert "02: not fetched" in printed
    assert "run the same command again" in printed
    [part] = (folder / "videos").glob("02*")
    had = part.stat().st_size
    assert part.suffix == ".part"
    assert 0 < had < len(whole)
    assert list(index(folder).index) == ["01", "26"]

    server.requests.clear()
    server.cut = 10**9
    assert bring(release, folder) == COMPLETE
    assert (folder / "videos" / "02.mp4").read_bytes() == whole
    assert ("v2.mp4", f"bytes={had}-") in server.requests
    assert {name for name, _ in server.requests} == {"v2.mp4"}


def test_an_answer_that_is_no_video_is_not_kept(tmp_path, release, server, capsys):
    server.contents["v1.mp4"] = b"<html>Confirm that you are no robot</html>" * 100  # sent as video/mp4
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == FAILED
    assert "01: not fetched" in capsys.readouterr().out
    assert sorted(path.name for path in (folder / "videos").iterdir()) == ["02.mp4", "26.mp4"]


def test_a_page_without_a_video_is_a_failure_and_not_a_loss(tmp_path, server):
    server.contents["page.html"] = b"<html><body>nothing to see</body></html>"
    with pytest.raises(VideoFailed, match="Unsupported URL"):
        download(f"{server.url}/page.html", tmp_path / "01")


def test_a_missing_video_is_gone_and_a_server_that_is_down_is_not(tmp_path, server):
    with pytest.raises(VideoGone, match="404"):
        download(f"{server.url}/none.mp4", tmp_path / "01")
    server.shutdown()
    server.server_close()
    with pytest.raises(VideoFailed, match="refused"):
        download(f"{server.url}/none.mp4", tmp_path / "01")


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("[youtube] x: Video unavailable", True),
        ("[youtube] x: Private video. Sign in if you've been granted access to this video", True),
        ("[youtube] x: Video unavailable. This video has been removed by the uploader", True),
        ("[youtube] x: Video unavailable. The YouTube account associated with this video has been terminated.", True),
        ("[youtube] x: Video unavailable. The uploader has not made this video available in your country", False),
        (
            "[youtube] x: Video unavailable. This content isn't available, try again later. The session is rate-limited",
            False,
        ),
        ("[youtube] x: Sign in to confirm you're not a bot.", False),
        ("[youtube] x: Requested format is not available", False),
        ("[youtube] x: HTTP Error 403: Forbidden", False),
    ],
)
def test_what_the_site_says_decides_whether_a_video_is_gone(text, gone):
    assert is_gone(Exception(text)) is gone


def test_a_video_that_ends_too_early_costs_the_dives_behind_its_end(tmp_path, release, server, capsys):
    server.contents["v1.mp4"] = encode(tmp_path / "short.mp4", frames=15)
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == LOST
    gone = pd.read_csv(folder / "gone.csv", dtype=str)
    assert gone[["sample", "split"]].to_numpy().tolist() == [["01/002", "train"]]
    assert gone.loc[0, "reason"] == "ends at frame 20, the video has 15"
    assert "15 frames, 20 are annotated" in capsys.readouterr().out


def test_frames_of_a_variable_rate_are_counted_as_the_annotations_count(tmp_path, release, server):
    times = [number + 20 * (number >= 10) for number in range(20)]  # a pause of 20 frames, which the annotations count
    server.contents["v1.mp4"] = encode(tmp_path / "variable.mp4", frames=20, times=times)
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder) == COMPLETE
    assert index(folder).loc["01", "frames"] == 40
    assert "20 frames at a variable rate" in index(folder).loc["01", "remark"]


def test_a_video_put_there_by_hand_that_cannot_be_read_is_named(tmp_path, release, capsys):
    folder = tmp_path / "mtl-aqa"
    (folder / "videos").mkdir(parents=True)
    (folder / "videos" / "01.mp4").write_bytes(b"half a video")
    assert bring(release, folder) == FAILED
    assert "01.mp4: not a readable video" in capsys.readouterr().out
    assert (folder / "videos" / "01.mp4").read_bytes() == b"half a video"


def test_copies_of_one_s_own_in_any_form_are_measured_and_bad_ones_named(tmp_path, release, capsys):
    """Extracted frames, another rate than the annotations', a broken link."""
    folder = tmp_path / "mtl-aqa"
    frames_in_folder(folder / "videos" / "01", range(1, 31), "{:06d}.jpg")
    film(folder / "videos" / "02.avi", 60, "mpeg4", rate=30)
    (folder / "videos" / "26.mp4").symlink_to(tmp_path / "unplugged.mp4")
    assert bring(release, folder) == FAILED
    table = index(folder)
    assert (table.loc["01", "frames"], table.loc["01", "rate"]) == (30, 0)
    assert "30 frames/s where the annotations count 25" in table.loc["02", "remark"]
    printed = capsys.readouterr().out
    assert f"26.mp4: a broken link to {tmp_path / 'unplugged.mp4'}; move it away" in printed
    assert "delete" not in printed
    first = (folder / "videos.csv").read_bytes()
    assert bring(release, folder) == FAILED
    assert (folder / "videos.csv").read_bytes() == first


def test_an_index_that_is_spoilt_is_made_again(tmp_path, release):
    folder = tmp_path / "mtl-aqa"
    bring(release, folder)
    good = (folder / "videos.csv").read_bytes()
    for spoilt in (b"", b"event\nfinal\n", b"\xff\xfe"):
        (folder / "videos.csv").write_bytes(spoilt)
        assert bring(release, folder) == COMPLETE
        assert (folder / "videos.csv").read_bytes() == good


def test_copies_come_from_the_mirror_and_nothing_is_downloaded(tmp_path, release, server, capsys):
    (tmp_path / "copies").mkdir()
    encode(tmp_path / "copies" / "01.mkv")
    folder = tmp_path / "mtl-aqa"
    assert bring(release, folder, mirror=tmp_path / "copies") == FAILED
    assert server.requests == []
    assert list(index(folder).index) == ["01"]
    assert "unset RESCORE_MIRROR" in capsys.readouterr().out


def test_wrong_rows_of_the_list_are_named_together(tmp_path):
    release = write_release(tmp_path, {1: "https://x/1", "two": "https://x/2", 3: "x3"}, {(1, 1): 5, (7, 1): 5})
    with pytest.raises(RescoreError, match=r"row 3: event 'two'[\s\S]*row 4: 'x3' is not an address"):
        read_addresses(release / "Video_List.xlsx")
    shutil.rmtree(tmp_path / OFFICIAL)
    release = write_release(tmp_path, {1: "https://x/1"}, {(1, 1): 5, (7, 1): 5})
    with pytest.raises(RescoreError, match="event 07 is annotated and has no address"):
        read_events(release)
    (release / "Video_List.xlsx").write_bytes(b"no workbook")
    with pytest.raises(RescoreError, match="not a readable workbook"):
        read_events(release)


def test_the_real_release_through_the_command_line(tmp_path, monkeypatch, capsys):
    if "RESCORE_MIRROR" not in os.environ:
        pytest.skip("RESCORE_MIRROR is not set")
    mirror = tmp_path / "mirror"
    shutil.copytree(Path(os.environ["RESCORE_MIRROR"]) / "mtl_aqa", mirror / "mtl_aqa")
    (mirror / "mtl_aqa/videos").mkdir()
    encode(mirror / "mtl_aqa/videos/26.mp4")
    monkeypatch.setenv("RESCORE_MIRROR", str(mirror))
    assert cli.main(["fetch", "mtl-aqa", "--root", str(tmp_path / "raw")]) == FAILED
    printed = capsys.readouterr().out
    assert "youtube" not in printed
    assert "01: not fetched" in printed
    assert "191 samples (" in printed
    assert "26: " in printed
    assert "1 of 15 broadcasts" in printed
    assert "124 samples are lost" in printed
    assert len(pd.read_csv(tmp_path / "raw/mtl-aqa/gone.csv")) == 124
    addresses = read_addresses(mirror / "mtl_aqa/Video_List.xlsx")
    assert sorted(addresses) == [1, 2, 3, 4, 5, 6, 7, 9, 10, 13, 14, 17, 18, 22, 26]
    assert sum(len(event.last_frames) for event in read_events(mirror / "mtl_aqa")) == 1412
    assert mtl_aqa_broadcasts.NAME == "mtl-aqa"
