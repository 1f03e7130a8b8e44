"""Videos from the sites that show them, through yt-dlp: broken transfers are gone on with, and a video that is gone is told from
one that could not be had this time.

The user's own yt-dlp configuration (~/.config/yt-dlp/config and the other places it looks at) counts in what opens the way to a
site: cookies, proxy, certificates, accounts, pace. What it says on place, names, formats or what is done with a video does not:
that would change which file comes, where it lies, or which frames it has.
"""

import contextlib
import io
import logging
import optparse
import sys
from pathlib import Path
from typing import Any

from rescore.engine.storage import means_full_disk

# What the sites say of a video that will not come back, in lower case, and what outweighs it.
GONE = (
    "video unavailable",
    "video is unavailable",
    "this video is not available",
    "video is no longer available",
    "private video",
    "video is private",
    "has been removed",
    "has been terminated",
    "account has been closed",
    "http error 404",
    "http error 410",
)
NOT_GONE = (
    "try again",
    "rate-limited",
    "in your country",
    "in your location",
    "confirm you",
    "confirm your age",
    "captcha",
)


PATIENCE = ["--retries", "3", "--socket-timeout", "20"]
"""A site that says nothing is given up after about a minute."""
OPENS_THE_WAY = (
    *(
        "cookiefile",
        "cookiesfrombrowser",
        "proxy",
        "geo_verification_proxy",
        "source_address",
        "http_headers",
        "impersonate",
    ),
    *("nocheckcertificate", "legacyserverconnect", "prefer_insecure"),
    *("client_certificate", "client_certificate_key", "client_certificate_password"),
    *("usenetrc", "netrc_location", "netrc_cmd", "username", "password", "twofactor", "videopassword"),
    *("ap_mso", "ap_username", "ap_password", "geo_bypass", "geo_bypass_country", "geo_bypass_ip_block"),
    *("js_runtimes", "remote_components", "extractor_args"),
    *("ratelimit", "throttledratelimit", "sleep_interval", "max_sleep_interval", "sleep_interval_requests"),
    *("retries", "extractor_retries", "retry_sleep_functions", "socket_timeout"),
)
"""yt-dlp's options that a user's configuration may set here."""


class VideoGone(Exception):
    """The site says that the video is not there any more; trying again will not bring it."""


class VideoFailed(Exception):
    """The video did not come this time; what came is kept and the next attempt goes on from it."""


def options(target: Path, height: int) -> dict[str, Any]:
    """yt-dlp's options: the picture alone where the site has it alone, so that nothing has to be merged (no ffmpeg needed).

    At most 30 frames a second, because sites show 50 and 60 at every second frame where resolutions are low, and old
    annotations count those; then H.264, which every decoder here reads; then the largest up to `height` lines.
    """
    import yt_dlp

    words = ["--format", "bestvideo*/best", "--format-sort", f"fps:30,vcodec:h264,res:{height}", "--no-playlist"]
    words += ["--output", f"{str(target).replace('%', '%%')}.%(ext)s", "--no-mtime", "--fixup", "never"]
    words += ["--abort-on-error", "--js-runtimes", "node", *PATIENCE]
    chosen, usual = yt_dlp.parse_options(words).ydl_opts, yt_dlp.parse_options([]).ydl_opts
    configured = users_options()
    own = {name: configured[name] for name in OPENS_THE_WAY if configured.get(name) != usual.get(name)}
    if "js_runtimes" in own:
        own["js_runtimes"] = chosen["js_runtimes"] | own["js_runtimes"]
    return {**chosen, **own, "logger": silent()}


def users_options() -> dict[str, Any]:
    """What the user's yt-dlp configuration files make of a command line without words.

    Raises:
        VideoFailed: the configuration is wrong.
    """
    import yt_dlp

    command_line, said = (sys.argv, sys.stdin), io.StringIO()
    # Its parser takes files into account only beside the real command line, and may read addresses from standard input.
    sys.argv, sys.stdin = ["yt-dlp"], io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            return dict(yt_dlp.parse_options().ydl_opts)
    except (SystemExit, OSError, ValueError, optparse.OptParseError) as error:
        last = (str(error) if isinstance(error, optparse.OptParseError) else said.getvalue()).strip().splitlines()[-1:]
        raise VideoFailed(
            f"your yt-dlp configuration cannot be read ({' '.join(last) or error}); correct it"
        ) from error
    finally:
        sys.argv, sys.stdin = command_line


def silent() -> logging.Logger:
    """A logger for yt-dlp that shows nothing: errors are raised as well, and a caller reports them once."""
    logger = logging.getLogger("rescore.yt_dlp")
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return logger


def download(url: str, target: Path, height: int = 720) -> Path:
    """Download a video to `target` plus the suffix of its container, going on from TARGET.*.part where a part is there.

    Raises:
        VideoGone: it is not there any more.
        VideoFailed: it could not be had this time (network, server, bot check, no video at this address, full disk).
    """
    import yt_dlp

    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with yt_dlp.YoutubeDL(options(target, height)) as downloader:
            information = downloader.extract_info(url)
    except yt_dlp.utils.YoutubeDLError as error:
        cause = error.exc_info[1] if getattr(error, "exc_info", None) else error
        raise (VideoGone if is_gone(cause) else VideoFailed)(reason(cause)) from error
    except OSError as error:
        full = means_full_disk(error)
        raise VideoFailed(f"the disk of {target.parent} is full; free space" if full else str(error)) from error
    files = [
        Path(file["filepath"]) for file in (information or {}).get("requested_downloads", []) if file.get("filepath")
    ]
    if len(files) != 1 or not files[0].is_file():
        raise VideoFailed(f"no video came from {url}")
    return files[0]


def is_gone(error: BaseException) -> bool:
    """Whether an error of yt-dlp says that a video is not there any more."""
    from yt_dlp.utils import GeoRestrictedError

    text = str(error).lower()
    if isinstance(error, GeoRestrictedError) or any(words in text for words in NOT_GONE):
        return False
    return any(words in text for words in GONE)


def reason(error: BaseException) -> str:
    """What yt-dlp says, on one line, without the advice on reporting bugs."""
    text = " ".join(str(error).removeprefix("ERROR: ").split())
    return text.split(" (caused by")[0].split("; please report")[0]
