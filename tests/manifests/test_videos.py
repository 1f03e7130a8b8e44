import av
import numpy as np
import pandas as pd
import pytest

from rescore.engine.errors import RescoreError
from rescore.manifests.videos import index_videos, probe


def test_the_index_lists_every_video(videos, index):
    table = pd.read_csv(index)
    assert list(table.columns) == ["video", "bytes", "sha256"]
    assert len(table) == 7
    assert table["video"].is_monotonic_increasing
    assert table["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    with pytest.raises(RescoreError, match="no videos there"):
        index_videos(videos / "diving", index)


def test_the_real_dive_has_103_frames(mirror):
    assert probe(mirror / "video" / "aqa7_diving_054.avi").frames == 103


def test_a_container_is_described(write_video, tmp_path):
    container = probe(write_video(tmp_path / "a.avi", 12))
    assert (container.frames, container.width, container.height, container.rate) == (12, 64, 48, 25.0)


def test_bad_containers_are_errors_that_name_the_file(write_video, tmp_path):
    whole = write_video(tmp_path / "whole.avi", 30).read_bytes()
    contents = {
        "empty": (b"", "0 bytes"),
        "text": (b"text " * 999, "not a readable"),
        "cut": (whole[:-800], "truncated"),
    }
    for name, (content, words) in contents.items():
        path = tmp_path / f"{name}.avi"
        path.write_bytes(content)
        with pytest.raises(RescoreError, match=f"{name}.avi: .*{words}"):
            probe(path)
    with pytest.raises(RescoreError, match="gone.avi: missing"):
        probe(tmp_path / "gone.avi")


def test_a_sound_track_longer_than_the_pictures_is_no_truncation(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("mjpeg", rate=25), container.add_stream("pcm_s16le", rate=8000)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuvj420p"
        sound.layout = "mono"
        for _ in range(10):
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        for _ in range(10):
            chunk = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), format="s16", layout="mono")
            chunk.sample_rate = 8000
            container.mux(sound.encode(chunk))
        container.mux(pictures.encode())
        container.mux(sound.encode())
    assert probe(path).frames == 10
