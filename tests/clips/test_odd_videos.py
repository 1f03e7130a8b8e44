"""What phones, cutters and sites do to a film: index, check, clips, broadcasts and scores agree on its frames."""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rescore.clips import decode
from rescore.clips.broadcasts import sound_frames
from rescore.clips.decode import Scaler, read_by_decord, read_by_ffmpeg, read_frames
from rescore.engine.errors import RescoreError
from rescore.manifests.broadcasts import scan
from rescore.manifests.videos import probe
from synthetic_athlete.generate import make_videos
from tests.films import cut, draw, drop_frames, film, frames_in_folder, numbers, remux, song

WHOLE = ((64, 64), 64)
QUIET = {"x265-params": "log-level=none"}


def read(path: Path) -> list[int]:
    """The numbers of a film's frames, the same for the clips and for broadcasts, and as many as its container shows."""
    frames = numbers(read_frames(path, *WHOLE))
    scale = Scaler(*WHOLE)
    in_broadcast = [scale(picture) for _, picture in sound_frames(path, scan(path), [])]
    assert numbers(np.stack(in_broadcast)) == frames
    assert probe(path).frames == len(frames)
    return frames


PLAIN: list[tuple[str, dict[str, Any]]] = [
    ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    ("b.avi", {"codec": "mjpeg", "pixels": "yuvj422p"}),
    ("c.avi", {"codec": "mpeg4", "options": {"bf": "2"}}),
    ("d.mp4", {"codec": "mpeg4"}),
    ("e.mp4", {"options": {"bf": "3"}}),
    ("f.mkv", {"options": {"bf": "2"}}),
    ("g.avi", {"options": {"bf": "0"}}),
    ("h.mov", {"pixels": "yuv422p"}),
    ("i.mp4", {"pixels": "yuvj420p"}),
    ("j.m4v", {"size": (161 - 1, 122)}),
]


@pytest.mark.parametrize(("name", "kind"), PLAIN, ids=[name for name, _ in PLAIN])
def test_both_readers_give_the_same_pixels(name: str, kind: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("decord")
    path = film(tmp_path / name, 30, **kind)
    shown = probe(path)
    assert shown.plain
    for resize, crop in (((171, 128), 112), ((86, 64), 56), ((640, 360), 180)):
        by_decord = read_by_decord(path, shown.frames, resize, crop, 1)
        np.testing.assert_array_equal(read_by_ffmpeg(path, shown.frames, resize, crop, 1), by_decord)


def test_both_readers_agree_on_tagged_colours(tmp_path: Path) -> None:
    """High definition says BT.709; both convert by the tag."""
    pytest.importorskip("decord")

    def tag(stream: Any) -> None:
        coding = stream.codec_context
        coding.color_primaries, coding.color_trc, coding.colorspace = 1, 1, 1

    path = film(tmp_path / "hd.mp4", 10, prepare=tag)
    assert probe(path).plain
    np.testing.assert_array_equal(
        read_by_ffmpeg(path, 10, (171, 128), 112, 1), read_by_decord(path, 10, (171, 128), 112, 1)
    )


def test_without_decord_the_same_frames_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "a.mp4", 20)
    expected = read_frames(path, (171, 128), 112, every=3)
    monkeypatch.setattr(decode, "decord", None)
    np.testing.assert_array_equal(read_frames(path, (171, 128), 112, every=3), expected)
    assert numbers(read_frames(path, *WHOLE)) == list(range(20))


def test_no_pixel_of_the_reference_s_videos_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both readers against frames that decord alone gave, when it was the only one."""
    monkeypatch.chdir(tmp_path)
    smallest = {"samples": 0.001, "frame_size": [64, 48], "length": 0.25, "trampoline_samples": 0.001}
    smallest |= {"motions_per_class": 2, "motion_frames": 16}
    make_videos(Path("i.csv"), Path("m.parquet"), Path("v"), {"seed": 3, "synthetic": smallest}, 1)
    paths = sorted(path for path in Path("v").glob("*/*") if path.suffix in (".avi", ".mp4", ".mkv"))
    assert {path.suffix for path in paths} == {".avi", ".mp4", ".mkv"}
    assert pixels(paths) == SYNTHETIC_PIXELS
    monkeypatch.setattr(decode, "decord", None)
    assert pixels(paths) == SYNTHETIC_PIXELS


SYNTHETIC_PIXELS = "e46e8da6aa55874f997fffa6fb6bd08e715b75e9fd81f9c73e13cde00b26d991"
OFFICIAL_PIXELS = "46cf457cdfa071300967b4e35ee68ced3b0312e68e9aadbb49144f7e4fe81c42"


def pixels(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(read_frames(path, (171, 128), 112).tobytes())
    return digest.hexdigest()


def test_no_pixel_of_the_official_video_has_changed(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = mirror / "video" / "aqa7_diving_054.avi"
    assert pixels([path]) == OFFICIAL_PIXELS
    monkeypatch.setattr(decode, "decord", None)
    assert pixels([path]) == OFFICIAL_PIXELS


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
@pytest.mark.parametrize("hidden", [5, 17, 60])
def test_a_film_cut_by_an_edit_list_has_the_frames_that_are_shown(hidden: int, suffix: str, tmp_path: Path) -> None:
    """5 lie in the first group of pictures; before 60, whole groups are not even read."""
    whole = film(tmp_path / "whole.mp4", 100, options={"g": "12", "sc_threshold": "0", "bf": "2"})
    path = cut(whole, tmp_path / f"cut{suffix}", hidden)
    assert read(path) == list(range(hidden, 100))
    assert probe(path).remarks == (f"an edit list hides {hidden} more, which are not read",)


def test_a_cut_film_that_breaks_off_is_truncated(tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", 100, options={"g": "12", "sc_threshold": "0"})
    path = cut(whole, tmp_path / "cut.mp4", 60)
    with av.open(str(path)) as container:  # the sizes of the last samples, in the index behind the pictures
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    content[max(places) :] = content[max(places) + 400 :]
    path.write_bytes(content)
    with pytest.raises(RescoreError, match=r"cut\.mp4: .*(truncated|corrupt)"):
        read_frames(path, *WHOLE)


TURNS = [
    ("a quarter to the left", 90, False, False, lambda image: np.rot90(image, -1)),
    ("a quarter to the right", -90, False, False, lambda image: np.rot90(image, 1)),
    ("upside down", 180, False, False, lambda image: np.rot90(image, 2)),
    ("front camera", 0, True, False, np.fliplr),
    ("flipped", 0, False, True, np.flipud),
    ("a quarter and mirrored", 90, True, False, lambda image: np.rot90(np.fliplr(image), -1)),
    ("a quarter and flipped", 90, False, True, lambda image: np.rot90(np.flipud(image), -1)),
]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("degrees", "mirrored", "flipped", "turned"), [turn[1:] for turn in TURNS], ids=[t[0] for t in TURNS]
)
def test_a_film_that_its_metadata_turns_is_read_upright(
    degrees: int, mirrored: bool, flipped: bool, turned: Any, suffix: str, tmp_path: Path
) -> None:
    def prepare(stream: Any) -> None:
        stream.set_display_rotation(degrees, hflip=mirrored, vflip=flipped)

    path = film(tmp_path / f"a{suffix}", 6, turned=turned, prepare=prepare, options={"crf": "10"})
    assert read(path) == list(range(6))
    assert len(probe(path).remarks) == 1
    assert probe(path).remarks[0].endswith("as its metadata asks")


def test_a_turned_film_changes_width_and_height(tmp_path: Path) -> None:
    def upright(stream: Any) -> None:
        stream.set_display_rotation(-90)

    path = film(tmp_path / "a.mp4", 3, size=(160, 96), prepare=upright, turned=lambda image: image)
    assert (probe(path).width, probe(path).height) == (96, 160)
    assert read_frames(path, (171, 128), 112).shape == (3, 112, 112, 3)


ODD: list[tuple[str, dict[str, Any]]] = [
    ("phone_hevc_10_bit.mp4", {"codec": "libx265", "pixels": "yuv420p10le", "options": QUIET}),
    ("site_vp9.webm", {"codec": "libvpx-vp9"}),
    ("site_vp8_hidden_frames.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "1", "lag-in-frames": "16"}}),
    ("site_av1_10_bit.mkv", {"codec": "libsvtav1", "pixels": "yuv420p10le"}),
    ("screen_444.mp4", {"pixels": "yuv444p"}),
    ("screen_rgb.mkv", {"codec": "libx264rgb", "pixels": "rgb24"}),
    ("grey.mp4", {"pixels": "gray"}),
    ("odd_size.mp4", {"pixels": "yuv444p", "size": (161, 121)}),
    ("camera_interlaced.mp4", {"options": {"flags": "+ildct+ilme"}}),
    ("disc_interlaced.mpg", {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme"}}),
    ("recorder.ts", {"codec": "mpeg2video"}),
    ("camcorder.mts", {"container": {"f": "mpegts"}}),
    ("old_site.flv", {}),
    ("old_windows.wmv", {"codec": "wmv2"}),
    ("animation.gif", {"codec": "gif", "pixels": "rgb8"}),
    ("editor.mov", {"codec": "prores_ks", "pixels": "yuv422p10le"}),
    ("archive.mkv", {"codec": "ffv1"}),
    ("stream.mp4", {"container": {"movflags": "frag_keyframe+empty_moov"}}),
    ("high_speed.mp4", {"rate": 120}),
    ("open_gop.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8:open-gop=1"}}),
]


@pytest.mark.parametrize(("name", "kind"), ODD, ids=[name for name, _ in ODD])
def test_every_frame_of_an_odd_film_is_read_once_and_in_order(name: str, kind: dict[str, Any], tmp_path: Path) -> None:
    assert read(film(tmp_path / name, 40, **kind)) == list(range(40))


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_film_of_few_frames_is_one(frames: int, tmp_path: Path) -> None:
    assert read(film(tmp_path / "short.mp4", frames, first=9)) == list(range(9, 9 + frames))


def test_the_name_s_end_does_not_decide_what_a_film_is(tmp_path: Path) -> None:
    for suffix, other in ((".mp4", ".avi"), (".mkv", ".mp4"), (".flv", ".mov")):
        path = film(tmp_path / f"a{suffix}", 10)
        assert read(path.rename(tmp_path / f"b{other}")) == list(range(10))


def test_a_variable_rate_is_said_and_every_frame_read(tmp_path: Path) -> None:
    path = film(tmp_path / "phone.mp4", 40, times=[*range(0, 40, 2), *range(40, 100, 3)])
    assert read(path) == list(range(40))
    assert "a variable rate" in probe(path).remarks[0]


def test_what_a_phone_says_of_slow_motion_and_range_is_said(tmp_path: Path) -> None:
    def range_of(stream: Any) -> None:
        coding = stream.codec_context
        coding.color_primaries, coding.color_trc, coding.colorspace = 9, 18, 9

    remarks = probe(film(tmp_path / "hlg.mp4", 5, "libx265", "yuv420p10le", options=QUIET, prepare=range_of)).remarks
    assert remarks == ("high dynamic range (HLG), whose colours are read as they are",)
    whole = film(tmp_path / "whole.mp4", 10)
    for name, options in (("slow.mkv", {}), ("slow.mp4", {"movflags": "use_metadata_tags"})):
        slow = tmp_path / name
        with av.open(str(whole)) as source, av.open(str(slow), "w", options=options) as output:
            output.metadata["com.android.capture.fps"] = "240.0"
            copied = output.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = copied
                    output.mux(packet)
        assert "slow motion, filmed at 240 frames/s" in probe(slow).remarks


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_film_cut_between_key_frames_begins_with_the_first_that_can_be_decoded(suffix: str, tmp_path: Path) -> None:
    whole = film(tmp_path / "whole.mp4", 40, options={"g": "12", "sc_threshold": "0", "bf": "0"})
    seen: list[int] = []

    def late(packet: Any) -> Any:
        seen.append(1)
        return packet if len(seen) > 5 else None

    path = remux(whole, tmp_path / f"cut{suffix}", late)
    frames = numbers(read_frames(path, *WHOLE))
    assert frames == list(range(12, 40))
    assert probe(path).frames == 28
    assert "7 frames that refer to others before the cut cannot be decoded" in probe(path).remarks


GROUPS: dict[str, str] = {"g": "12", "sc_threshold": "0"}
HEVC = {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=12:min-keyint=12:open-gop=1"}}
MPEG_2 = {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}}
RECORDED: list[tuple[str, dict[str, Any]]] = [
    ("recorder.ts", {"options": GROUPS}),
    ("open_groups.ts", {"options": GROUPS | {"bf": "2", "x264-params": "open-gop=1"}}),
    ("no_key_frames.ts", {"options": {"g": "12", "bf": "0", "x264-params": "intra-refresh=1"}}),
    ("television.ts", MPEG_2),
    ("ultra_high_definition.ts", HEVC),
    ("camcorder.m2ts", {"options": GROUPS | {"bf": "2"}, "container": {"mpegts_m2ts_mode": "1"}}),
    ("disc.mpg", MPEG_2),
]


@pytest.mark.parametrize(("name", "kind"), RECORDED, ids=[name for name, _ in RECORDED])
@pytest.mark.parametrize("share", [0.2, 0.45])
def test_a_recording_that_begins_anywhere_is_read_from_its_first_whole_frame(
    name: str, kind: dict[str, Any], share: float, tmp_path: Path
) -> None:
    """As a receiver that is switched on: cut at any byte, within a packet and within a group of pictures."""
    path = film(tmp_path / name, 48, **kind)
    content = path.read_bytes()
    path.write_bytes(content[int(share * len(content)) :])
    frames = read(path)
    assert frames == list(range(frames[0], 48))
    assert 0 < frames[0] < 40
    assert "that refer to others before the cut cannot be decoded" in probe(path).remarks[-1]


CUT: list[tuple[str, dict[str, Any]]] = [
    *((f"a{suffix}", {"options": GROUPS | {"bf": "2"}}) for suffix in (".ts", ".mp4", ".mov", ".mkv", ".flv", ".avi")),
    *((f"b{suffix}", HEVC) for suffix in (".mp4", ".mkv")),
    *((f"c{suffix}", MPEG_2) for suffix in (".mpg", ".mkv")),
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("site.webm", {"codec": "libvpx-vp9", "options": {"g": "12"}}),
    ("old_site.webm", {"codec": "libvpx", "options": {"g": "12"}}),
]
GHOSTS: list[tuple[str, dict[str, Any]]] = [
    ("camera.mp4", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    ("camera.mkv", {"codec": "mpeg4", "options": {"g": "12"}}),
    ("camera.avi", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    ("recorder.ts", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    ("old_windows.wmv", {"codec": "wmv2", "options": {"g": "12"}}),
    ("older_site.flv", {"codec": "flv", "options": {"g": "12"}}),
]


def cut_loose(name: str, kind: dict[str, Any], folder: Path) -> Path:
    """A film of 40 frames without the first five packets; its next key frame shows number 12."""
    whole = film(folder / f"whole{Path(name).suffix}", 40, **kind)
    passed: list[int] = []

    def late(packet: Any) -> Any:
        passed.append(1)
        return packet if len(passed) > 5 else None

    return remux(whole, folder / name, late, avoid_negative_ts="make_zero")


@pytest.mark.parametrize(
    ("name", "kind"),
    [*CUT, *REFUSED, *GHOSTS],
    ids=[name for name, _ in (*CUT, *REFUSED, *GHOSTS)],
)
def test_whatever_the_coding_a_cut_film_begins_with_its_key_frame(
    name: str, kind: dict[str, Any], tmp_path: Path
) -> None:
    path = cut_loose(name, kind, tmp_path)
    assert read(path) == list(range(12, 40))
    scale = Scaler(*WHOLE)
    counted = [number for number, picture in sound_frames(path, scan(path), []) if scale(picture) is not None]
    assert counted == list(range(28))
    assert scan(path).frames == 28


def test_a_cut_broadcast_is_counted_without_what_cannot_be_decoded(tmp_path: Path) -> None:
    path = cut_loose("01.mkv", {"options": GROUPS | {"bf": "2"}}, tmp_path)
    assert scan(path).frames == probe(path).frames == 28
    assert scan(path).constant


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("recorder", {"options": GROUPS | {"bf": "2", "crf": "10"}}),
    ("older_recorder", {"options": GROUPS | {"bf": "2", "crf": "10", "coder": "0"}}),
    ("television", MPEG_2),
    ("camera", {"codec": "mpeg4", "options": {"g": "12", "bf": "2"}}),
    ("ultra_high_definition", HEVC),
]


@pytest.mark.parametrize(("name", "kind"), BROKEN, ids=[name for name, _ in BROKEN])
def test_a_recording_that_breaks_off_within_its_last_picture_is_corrupt(
    name: str, kind: dict[str, Any], tmp_path: Path
) -> None:
    """Half of the last picture is there; a decoder fills the rest with what it likes and says so in passing."""
    path = film(tmp_path / f"{name}.ts", 36, size=(480, 320), **kind)
    whole = read_frames(path, *WHOLE)
    content = path.read_bytes()
    refused = []
    for packets in range(len(content) // 188 - 30, len(content) // 188):
        path.write_bytes(content[: packets * 188])
        try:
            last = read_frames(path, *WHOLE)[-1]
        except RescoreError as error:
            refused.append(str(error))
            copied = remux(path, tmp_path / f"{name}.mkv", lambda packet: packet)
            with pytest.raises(RescoreError, match="corrupt"):
                read_frames(copied, *WHOLE)
        else:
            assert any(np.array_equal(last, frame) for frame in whole)
    assert refused
    assert all("corrupt" in reason for reason in refused)


def test_a_recording_without_any_key_frame_has_no_frames(tmp_path: Path) -> None:
    path = film(tmp_path / "a.ts", 36, **HEVC)
    content = path.read_bytes()
    path.write_bytes(content[int(0.8 * len(content)) :])
    for reader in (probe, scan, lambda path: read_frames(path, *WHOLE)):
        with pytest.raises(RescoreError, match=r"a\.ts: has no frames"):
            reader(path)


def test_a_recording_with_dropped_frames_is_no_truncated_one(tmp_path: Path) -> None:
    path = drop_frames(film(tmp_path / "a.avi", 12, "mjpeg", "yuvj420p"), {3, 4, 8})
    assert read(path) == [0, 1, 2, 5, 6, 7, 9, 10, 11]
    assert "3 frames were dropped in the recording" in probe(path).remarks[0]
    shown = probe(path)
    np.testing.assert_array_equal(
        read_by_ffmpeg(path, shown.frames, (171, 128), 112, 1), read_frames(path, (171, 128), 112)
    )


def test_a_recording_that_changes_its_size_is_read_whole(tmp_path: Path) -> None:
    first, second = film(tmp_path / "a.ts", 12), film(tmp_path / "b.ts", 12, size=(320, 320), first=12)
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    assert read(path) == list(range(24))


def test_a_film_with_a_cover_is_the_film(tmp_path: Path) -> None:
    path, whole = tmp_path / "site.mp4", film(tmp_path / "whole.mp4", 12)
    with av.open(str(whole)) as source, av.open(str(path), "w") as output:
        cover = output.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 160, 160, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        copied = output.add_stream_from_template(source.streams.video[0])
        output.mux(cover.encode(av.VideoFrame.from_ndarray(draw(99), format="rgb24")))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
    assert read(path) == list(range(12))


NAMES = [
    *("10:30 dive.mp4", "$x$ and $.mp4", "跳水.mp4", "прыжок é.mp4", "a%05d.mp4", "-i.mp4", "file:a.mp4", "pipe:0.mp4"),
    *('it\'s a "dive".mp4', "[1]*.mp4", "two\nlines.mp4", "a#b?c=1.mp4", "~.mp4", "CON .mp4"),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "folder: $5 跳" / name, 5, first=3)
    monkeypatch.chdir(path.parent)
    assert read(Path(name)) == read(path) == list(range(3, 8))


def encoded(kind: str) -> bytes:
    """A picture's file."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, kind)
    return stream.getvalue()


FOREIGN = {
    "page.mp4": (b"<!DOCTYPE html><html><title>Sign in</title>" * 9, "web page"),
    "pointer.mp4": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "git lfs pull"),
    "archive.avi": (b"PK\x03\x04" + bytes(900), "zip archive"),
    "list.mkv": (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "playlist"),
    "list.avi": (b"ffconcat version 1.0\nfile whole.mp4\n", "list of other files"),
    "words.txt": (b"a dive, described\n" * 90, "text"),
    "noise.webm": (np.random.default_rng(1).bytes(9000), "not a readable video"),
    "nothing.mov": (b"", "0 bytes"),
    "picture.mp4": (encoded("JPEG"), "a single picture"),
    "picture.avi": (encoded("PNG"), "a single picture"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_film_is_named_for_what_it_is(name: str, tmp_path: Path) -> None:
    film(tmp_path / "whole.mp4", 5)
    content, words = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    for reader in (probe, scan, lambda path: read_frames(path, *WHOLE)):
        with pytest.raises(RescoreError, match=words) as caught:
            reader(tmp_path / name)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    for path, words in (
        (song(tmp_path / "a.m4a"), "sound alone"),
        (song(tmp_path / "b.mp4", cover=True), "only a cover"),
    ):
        for reader in (probe, scan):
            with pytest.raises(RescoreError, match=words):
                reader(path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.webm", {"codec": "libvpx-vp9"}),
        ("a.mkv", {"codec": "libsvtav1"}),
        ("a.mov", {"codec": "prores_ks", "pixels": "yuv422p10le"}),
    ],
)
def test_an_odd_film_that_breaks_off_is_truncated(name: str, kind: dict[str, Any], tmp_path: Path) -> None:
    path = film(tmp_path / name, 40, **kind)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(RescoreError, match="truncated"):
        read_frames(path, *WHOLE)


def test_damage_inside_an_odd_film_is_corrupt(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 40, "libx265", options=QUIET)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for place, size in places[10:14]:
        content[place + 6 : place + size] = np.random.default_rng(2).bytes(size - 6)
    path.write_bytes(content)
    with pytest.raises(RescoreError, match="corrupt"):
        read_frames(path, *WHOLE)


def test_the_made_up_odd_videos(mirror: Path) -> None:
    folder = mirror / "odd_videos"
    if not folder.is_dir():
        pytest.skip("no odd_videos in the mirror")
    frames = {path.stem: len(read_frames(path, *WHOLE)) for path in sorted(folder.glob("*.mp4"))}
    counted = {path.stem: probe(path).frames for path in sorted(folder.glob("*.mp4"))}
    assert frames == counted
    assert frames == {"av1": 100, "edit_list": 70, "five_frames": 5, "plain": 150, "rate_240": 1200, "rotated_90": 150}


@pytest.mark.parametrize(
    ("name", "numbers_of_images"),
    [
        ("img_{:05d}.jpg", range(1, 13)),
        ("{}.png", range(13)),
        ("v-2.frame-{}.JPG", range(95, 107)),
        ("{:04d}_rgb.bmp", range(12)),
    ],
)
def test_a_folder_of_frames_is_a_film(name: str, numbers_of_images: range, tmp_path: Path) -> None:
    folder = frames_in_folder(tmp_path / "film.v2", numbers_of_images, name)
    (folder / "._img_00001.jpg").write_bytes(b"finder")
    (folder / "Thumbs.db").write_bytes(b"explorer")
    frames_in_folder(folder, numbers_of_images, "flow_x_{:05d}.jpg", first=500)
    assert read(folder) == list(numbers_of_images)
    assert probe(folder).rate == 0
    assert "at a rate that is not known" in str(scan(folder))


def test_gaps_doubles_and_other_series_are_named_together(tmp_path: Path) -> None:
    folder = frames_in_folder(tmp_path / "film", [1, 2, 5, 6, 7, 9])
    (folder / "img_6.jpg").write_bytes((folder / "img_00006.jpg").read_bytes())
    (folder / "img_00007.jpg").write_bytes(b"")
    for reader in (probe, scan, lambda path: read_frames(path, *WHOLE)):
        with pytest.raises(RescoreError) as caught:
            reader(folder)
        for words in ("frames 3 to 4 are missing", "frame 8 is missing", "img_6.jpg", "img_00007.jpg is empty"):
            assert words in str(caught.value)
    other = frames_in_folder(frames_in_folder(tmp_path / "other", range(3)), range(3), "mask_{}.png")
    with pytest.raises(RescoreError, match="img_NUMBER, mask_NUMBER"):
        probe(other)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RescoreError, match="a folder without images"):
        probe(tmp_path / "empty")


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_frames_that_carry_what_cameras_write_are_read(suffix: str, tmp_path: Path) -> None:
    """EXIF and TIFF's own tags are kinds of side data that PyAV does not know."""
    folder = frames_in_folder(tmp_path / "film", range(3), "{}.png")
    for path in sorted(folder.glob("*.png")):
        about = Image.Exif()
        about[0x010F] = "a camera"
        Image.open(path).save(path.with_suffix(f".{suffix}"), exif=about)
        path.unlink()
    assert read(folder) == [0, 1, 2]


@pytest.mark.parametrize(("orientation", "turns"), [(3, 2), (6, 3), (8, 1)])
def test_frames_that_exif_turns_are_read_upright(orientation: int, turns: int, tmp_path: Path) -> None:
    """As cameras write them: held upside down, or on one side."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 250
    (tmp_path / "film").mkdir()
    about = Image.Exif()
    about[0x0112] = orientation
    for number in range(3):
        Image.fromarray(picture).save(tmp_path / f"film/{number}.jpg", exif=about, quality=95)
    upright = np.rot90(picture, turns)
    height, width = upright.shape[:2]
    shown = probe(tmp_path / "film")
    assert (shown.width, shown.height) == (width, height)
    frames = read_frames(tmp_path / "film", (width, height), 48)
    top, left = (height - 48) // 2, (width - 48) // 2
    assert np.abs(frames[0].astype(int) - upright[top : top + 48, left : left + 48]).mean() < 6


@pytest.mark.parametrize("orientation", [2, 4, 5, 7])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_frames_that_exif_mirrors_are_read_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    """As phones write pictures of their front camera."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 250
    picture[24:, :16] = 120
    (tmp_path / "film").mkdir()
    about = Image.Exif()
    about[0x0112] = orientation
    for number in range(3):
        Image.fromarray(picture).save(tmp_path / f"film/{number}.{suffix}", exif=about, quality=95)
    upright = {
        2: picture[:, ::-1],
        4: picture[::-1],
        5: picture.transpose(1, 0, 2),
        7: picture[::-1, ::-1].transpose(1, 0, 2),
    }[orientation]
    height, width = upright.shape[:2]
    shown = probe(tmp_path / "film")
    assert (shown.width, shown.height) == (width, height)
    assert shown.remarks == ("mirrored, as its metadata asks",)
    frames = read_frames(tmp_path / "film", (width, height), 48)
    top, left = (height - 48) // 2, (width - 48) // 2
    assert np.abs(frames[0].astype(int) - upright[top : top + 48, left : left + 48]).mean() < 6


@pytest.mark.parametrize("suffix", ["tga", "jp2", "ppm"])
def test_frames_of_other_kinds_are_read(suffix: str, tmp_path: Path) -> None:
    folder = frames_in_folder(tmp_path / "film", range(3), "{}.png")
    for path in sorted(folder.glob("*.png")):
        Image.open(path).convert("RGB").save(path.with_suffix(f".{suffix}"))
        path.unlink()
    assert read(folder) == [0, 1, 2]


def test_frames_in_the_only_folder_of_a_folder_are_its_video(tmp_path: Path) -> None:
    frames_in_folder(tmp_path / "dive/rgb", range(4))
    frames_in_folder(tmp_path / "dive/flow_x", range(4))
    assert read(tmp_path / "dive") == [0, 1, 2, 3]
    frames_in_folder(tmp_path / "two/first", range(3))
    frames_in_folder(tmp_path / "two/second", range(3))
    with pytest.raises(RescoreError, match="a folder without images"):
        probe(tmp_path / "two")


def test_a_word_that_holds_flow_is_no_motion_and_long_lists_are_cut(tmp_path: Path) -> None:
    assert read(frames_in_folder(tmp_path / "flower", range(3), "flower_{:05d}.jpg")) == [0, 1, 2]
    os.mkfifo(frames_in_folder(tmp_path / "pipe", range(3)) / "img_00003.jpg")
    with pytest.raises(RescoreError, match=r"img_00003.jpg is no file"):
        probe(tmp_path / "pipe")
    for names, words in (("{:04d}_640x480_{}.jpg", "and 10 more"), ("img_{:05d}{}.jpg", "and 9 more")):
        folder = tmp_path / words
        folder.mkdir()
        for number in range(30):
            Image.new("RGB", (64, 48)).save(folder / names.format(2 * number, 7 if "x480" in names else ""))
        with pytest.raises(RescoreError, match=words) as caught:
            probe(folder)
        assert len(str(caught.value)) < 2000


def test_a_frame_that_cannot_be_read_is_named_with_the_others(tmp_path: Path) -> None:
    folder = frames_in_folder(tmp_path / "film", [1, 2, 5])
    (folder / "img_00003.jpg").symlink_to("nowhere.jpg")
    (folder / "img_00006.jpg").symlink_to("img_00006.jpg")
    for reader in (probe, scan, lambda path: read_frames(path, *WHOLE)):
        with pytest.raises(RescoreError) as caught:
            reader(folder)
        for words in ("img_00003.jpg cannot be read", "img_00006.jpg cannot be read", "frame 4 is missing"):
            assert words in str(caught.value)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    folder = frames_in_folder(tmp_path / "film", range(6))
    path = folder / "img_00003.jpg"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(RescoreError, match="img_00003.jpg"):
        read_frames(folder, *WHOLE)
    messages: list[str] = []
    assert [number for number, _ in sound_frames(folder, scan(folder), messages)] == [0, 1, 2, 4, 5]
    assert "img_00003.jpg" in messages[0]
