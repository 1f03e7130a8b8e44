"""Which part of a user's yt-dlp configuration counts: what opens the way to a site, and nothing that changes what comes."""

from pathlib import Path

import pytest

from rescore.sources.video_sites import OPENS_THE_WAY, VideoFailed, download, options


@pytest.fixture(params=["XDG_CONFIG_HOME", "HOME"])
def configure(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".config" / "yt-dlp"
    if request.param == "XDG_CONFIG_HOME":
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
        folder = tmp_path / "elsewhere" / "yt-dlp"
    folder.mkdir(parents=True)

    def write(text: str) -> None:
        (folder / "config").write_text(text, encoding="utf-8")

    return write


def test_without_a_configuration_nothing_is_the_user_s(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    chosen = options(tmp_path / "01", 720)
    assert (chosen["proxy"], chosen["cookiefile"]) == (None, None)


def test_what_opens_the_way_counts(configure, tmp_path):
    configure(
        f"# mine\n--cookies {tmp_path}/cookies.txt\n--proxy socks5://127.0.0.1:9\n--no-check-certificates\n"
        "--client-certificate a.pem\n"
        "--netrc\n--limit-rate 500K\n--sleep-interval 3\n--add-headers 'Referer:https://x.org'\n--js-runtimes bun\n"
        "--extractor-args 'youtube:po_token=web+abc'\n--source-address 0.0.0.0\n"
    )
    chosen = options(tmp_path / "01", 720)
    assert chosen["cookiefile"] == f"{tmp_path}/cookies.txt"
    assert chosen["proxy"] == "socks5://127.0.0.1:9"
    assert chosen["nocheckcertificate"]
    assert chosen["client_certificate"] == "a.pem"
    assert chosen["usenetrc"]
    assert chosen["ratelimit"] == 500 * 1024
    assert chosen["sleep_interval"] == 3
    assert {name.lower(): value for name, value in chosen["http_headers"].items()} == {"referer": "https://x.org"}
    assert {"node", "bun"} <= set(chosen["js_runtimes"])
    assert chosen["extractor_args"] == {"youtube": {"po_token": ["web+abc"]}}
    assert chosen["source_address"] == "0.0.0.0"


def test_what_changes_place_kind_or_frames_does_not_count(configure, tmp_path):
    without = options(tmp_path / "01", 720)
    configure(
        "-o '~/Movies/%(title)s.%(ext)s'\n-P /elsewhere\n-f worst\n-S fps:60,codec:av1\n--recode-video avi\n--remux-video mkv\n"
        "--download-sections '*0:10-0:20'\n--sponsorblock-remove all\n--embed-thumbnail\n--split-chapters\n--extract-audio\n"
        "--simulate\n--download-archive done.txt\n--yes-playlist\n--playlist-items 2\n--no-continue\n--no-part\n--ignore-errors\n"
        "--restrict-filenames\n--exec 'rm {}'\n--live-from-start\n--max-filesize 1k\n--merge-output-format mkv\n"
        "--trim-filenames 3\n"
        "--downloader aria2c\n--compat-options youtube-dl\n--force-overwrites\n--write-subs\n--batch-file -\n"
    )
    chosen = options(tmp_path / "01", 720)
    odd = {name for name in chosen if repr(chosen[name]) != repr(without[name])} - {"download_ranges", "logger"}
    assert odd == set()
    assert not {"format", "outtmpl", "paths", "postprocessors", "format_sort", "overwrites"} & set(OPENS_THE_WAY)


def test_a_proxy_of_the_configuration_is_asked(configure, tmp_path, server):
    server.contents["http://nowhere.invalid/v1.mp4"] = b"\0\0\0\x18ftypisom" + bytes(5000)
    configure(f"--proxy {server.url.removesuffix('/base')}\n")
    video = download("http://nowhere.invalid/v1.mp4", tmp_path / "videos" / "01")
    assert video.read_bytes() == server.contents["http://nowhere.invalid/v1.mp4"]


def test_a_wrong_configuration_is_said(configure, tmp_path, server, capfd):
    for text in ("--no-such-option\n", "--sleep-interval many\n", "--cookies 'unclosed\n"):
        configure(text)
        with pytest.raises(VideoFailed, match="your yt-dlp configuration cannot be read"):
            download(f"{server.url}/one.txt", tmp_path / "01")
    configure("--help\n")
    with pytest.raises(VideoFailed, match="configuration"):
        download(f"{server.url}/one.txt", tmp_path / "01")
    assert "Usage" not in capfd.readouterr().out
