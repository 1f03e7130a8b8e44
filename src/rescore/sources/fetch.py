"""Bring a source's files: from a mirror where one is set, else from the origin by git, else over HTTP; verify every byte."""

import difflib
import hashlib
import http.client
import json
import os
import selectors
import signal
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.storage import atomic_path, means_full_disk, sha256_file, write_text
from rescore.sources import records
from rescore.sources.catalogue import BY_NAME, SOURCES, OriginFile, Source, origin_path

RECORD = "SOURCE.json"
ATTEMPTS = 3
SILENCE = 60.0  # seconds without a byte, after which the next way is tried


class OriginUnavailable(Exception):
    """The commit could not be had by git; another way may bring it."""


class OriginSilent(OriginUnavailable):
    """The other side took the question and says nothing; asking again takes as long."""


def configured_mirror() -> Path | None:
    """The folder with copies of the sources that the environment variable RESCORE_MIRROR names, where it is set.

    Raises:
        RescoreError: there is no such folder. Left alone, it would be looked into for nothing, and the origins asked instead.
    """
    named = os.environ.get("RESCORE_MIRROR", "")
    if not named.strip():
        return None
    mirror = Path(named).expanduser()
    if not mirror.is_dir():
        what = "is a file" if mirror.is_file() else "is not there"
        raise RescoreError(f"RESCORE_MIRROR names {mirror}, which {what}. Name a folder with copies, or unset it.")
    return mirror


def find(name: str) -> Source:
    """The catalogue's entry.

    Raises:
        RescoreError: no source has this name.
    """
    if name not in BY_NAME:
        near = difflib.get_close_matches(name, BY_NAME, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise RescoreError(f"{name}: no such source{hint} Known: {', '.join(BY_NAME)}.")
    return BY_NAME[name]


def fetch(name: str, root: Path = Path("data/raw"), mirror: Path | None = None) -> Path:
    """Bring the files of a source into `root/name` and verify them; with everything in place, do nothing.

    Files that are right are kept, whatever stops the rest. A manual source prints what a person has to do.

    Returns:
        The source's folder.

    Raises:
        RescoreError: unknown source; files missing from or wrong at the origin (all named together); no origin reachable.
    """
    return fetch_source(find(name), root, mirror)


def fetch_all(names: Sequence[str], root: Path, mirror: Path | None = None) -> None:
    """`fetch` several sources; one that fails does not stop the others.

    Raises:
        RescoreError: an unknown name, before anything is fetched; every failure, together, after the last source.
    """
    sources, failures = [find(name) for name in names], []
    for source in sources:
        try:
            fetch_source(source, root, mirror)
        except RescoreError as error:
            print(f"  {source.name} is not complete; the reason follows at the end")
            failures.append(str(error))
    if failures:
        raise RescoreError("\n".join(failures))


def fetch_source(source: Source, root: Path, mirror: Path | None = None) -> Path:
    """`fetch` for a catalogue entry of one's own."""
    folder = root / source.name
    print(f"{source.name}: {source.note}\n  licence: {source.licence}\n  please cite:\n{source.citation}")
    if source.manual is not None:
        print(f"  to do by hand: {source.manual}")
        return folder
    wanted = [file for file in source.files if fault(folder / file.name, file) is not None]
    problems, found = obtain(source, wanted, folder, mirror) if wanted else ([], {})
    where = f"the mirror {mirror}" if mirror else (source.repository or source.url)
    raise_together(
        f"{source.name}: files that could not be fetched from {where}",
        problems,
        "the right files are kept; run the same command again, or compare the origin with the commit in the catalogue.",
    )
    write_record(source, folder / RECORD)
    print(f"  {len(source.files)} files verified in {folder}" + ("" if wanted else " (already there)"))
    print(f"  {records.record(source, root, found, mirrored=mirror is not None)}")
    return folder


def fault(path: Path, file: OriginFile) -> str | None:
    """What is wrong with a file: missing, wrong size, wrong checksum; None where it is the catalogue's."""
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    return difference(size, sha256_file(path) if size == file.size else "", file)


def difference(size: int, digest: str, file: OriginFile) -> str | None:
    """How a content of this size and SHA-256 differs from the catalogue's; None where it does not."""
    if size != file.size:
        return f"{size} bytes instead of {file.size}"
    return None if digest == file.sha256 else f"SHA-256 {digest} instead of {file.sha256}"


def mirror_folder(source: Source, mirror: Path) -> Path:
    return mirror / (source.mirror or source.name)


def folders(source: Source, root: Path, mirror: Path | None) -> list[Path]:
    """Where a source's files may lie: fetched, then in the mirror."""
    return [root / source.name] + ([mirror_folder(source, mirror)] if mirror else [])


def locate(name: str, root: Path = Path("data/raw"), mirror: Path | None = None) -> Path | None:
    """The folder that holds a source's files, fetched or in the mirror, by presence and size; None where there is none."""
    source = find(name)
    for folder in folders(source, root, mirror):
        paths = [(folder / file.name, file.size) for file in source.files]
        if paths and all(path.is_file() and path.stat().st_size == size for path, size in paths):
            return folder
    return None


def fetchable() -> list[str]:
    """Names of the sources that a program can bring and verify."""
    return [source.name for source in SOURCES if source.files]


def describe(root: Path = Path("data/raw")) -> str:
    """Every source with its state under `root`, what it is, its licence, and what is to be done by hand."""
    lines = []
    for source in SOURCES:
        present = sum(fault(root / source.name / file.name, file) is None for file in source.files)
        state = f"{present} of {len(source.files)} files" if source.files else "by hand"
        lines += [f"{source.name} ({state})", f"  {source.note}", f"  licence: {source.licence}"]
        lines += [f"  {source.manual}"] if source.manual else []
    return "\n".join(lines)


def obtain(
    source: Source, wanted: Sequence[OriginFile], folder: Path, mirror: Path | None
) -> tuple[list[str], dict[str, str]]:
    """Bring the wanted files by the first way that is open.

    Returns:
        A problem a file that is not right afterwards; the path in the repository of files that lie elsewhere than catalogued.
    """
    if mirror is not None:
        return from_mirror(source, wanted, folder, mirror), {}
    if source.repository is None:
        return from_http(source, wanted, folder), {}
    try:
        return from_git(source, wanted, folder)
    except OriginUnavailable as error:
        if source.url is None:
            return [f"{source.repository} at {source.commit}: {error}"], {}
        print(f"  git failed ({error}); trying {source.url}")
        return from_http(source, wanted, folder), {}


def place(content: bytes, file: OriginFile, folder: Path, origin: str) -> str | None:
    """Write a file's bytes if they are the right ones; else say what is wrong and write nothing."""
    wrong = difference(len(content), hashlib.sha256(content).hexdigest(), file)
    if wrong is not None:
        return f"{file.name}: {origin} has {wrong}"
    with atomic_path(folder / file.name) as temporary:
        temporary.write_bytes(content)
    return None


def from_mirror(source: Source, wanted: Sequence[OriginFile], folder: Path, mirror: Path) -> list[str]:
    def copy(file: OriginFile) -> str | None:
        path = mirror_folder(source, mirror) / file.name
        if not path.is_file():
            return f"{file.name}: {path} is missing (unset RESCORE_MIRROR to fetch from the origin)"
        return place(path.read_bytes(), file, folder, str(path))

    return [problem for file in wanted if (problem := copy(file))]


def git(directory: Path, *arguments: str) -> bytes:
    """Standard output of a git command, which is ended when it has been silent for SILENCE seconds.

    Raises:
        OriginSilent: nothing more came.
        OriginUnavailable: git is not installed or says no.
    """
    environment = os.environ | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    # Should this process be killed, git's own limit ends what it leaves behind.
    patience = ["-c", "http.lowSpeedLimit=1", "-c", f"http.lowSpeedTime={SILENCE:.0f}"]
    try:
        process = subprocess.Popen(
            ["git", *patience, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # git talks through helpers, which are to end with it
        )
    except FileNotFoundError as error:
        raise OriginUnavailable("git is not installed") from error
    with process:
        try:
            output, said = hear(process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [f"exit {process.returncode}"]
        raise OriginUnavailable(last[0])
    return output


def hear(process: "subprocess.Popen[bytes]") -> tuple[bytes, bytes]:
    """All that a process writes to its standard output and its standard error, until it ends.

    Raises:
        OriginSilent: neither had a byte for SILENCE seconds.
    """
    heard: dict[Any, list[bytes]] = {process.stdout: [], process.stderr: []}
    with selectors.DefaultSelector() as waiting:
        for stream in heard:
            waiting.register(stream, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(SILENCE)
            if not ready:
                raise OriginSilent(f"no answer for {SILENCE:.0f} s")
            for key, _ in ready:
                block = os.read(key.fd, 1 << 20)
                heard[key.fileobj].append(block)
                if not block:
                    waiting.unregister(key.fileobj)
    process.wait()
    output, said = (b"".join(blocks) for blocks in heard.values())
    return output, said


def fetch_commit(directory: Path, repository: str, commit: str) -> str:
    """Fetch one commit into a fresh repository, without history where the server allows it; return its full name."""
    git(directory, "init", "--quiet")
    git(directory, "remote", "add", "origin", repository)
    try:
        git(directory, "fetch", "--progress", "--depth", "1", "origin", commit)
        return git(directory, "rev-parse", "FETCH_HEAD^{commit}").decode().strip()
    except OriginSilent:
        raise
    except OriginUnavailable:  # an abbreviated name, or a server that gives out branches only
        git(directory, "fetch", "--progress", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*")
        return git(directory, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()


def from_git(source: Source, wanted: Sequence[OriginFile], folder: Path) -> tuple[list[str], dict[str, str]]:
    """Fetch the commit into a temporary repository and take the wanted files' exact bytes out of it.

    `git cat-file` and no checkout: a checkout may change line ends by the user's settings.

    Returns:
        As `obtain`.

    Raises:
        OriginUnavailable: the commit could not be fetched.
    """
    if source.repository is None or source.commit is None:
        raise ValueError(f"{source.name}: no repository in the catalogue")
    with tempfile.TemporaryDirectory(prefix="rescore-fetch-") as scratch:
        directory = Path(scratch)
        commit = fetch_commit(directory, source.repository, source.commit)
        tree = git(directory, "ls-tree", "-r", "-z", "--name-only", commit).decode().split("\0")
        paths = {file.name: path_in_tree(source, file, tree) for file in wanted}

        def extract(file: OriginFile) -> str | None:
            path = paths[file.name]
            if path is None:
                return f"{file.name}: {origin_path(source, file)} is not in commit {commit}"
            content = git(directory, "cat-file", "blob", f"{commit}:{path}")
            return place(content, file, folder, f"{source.repository} at {commit}")

        problems = [problem for file in wanted if (problem := extract(file))]
    elsewhere = {name: path for name, path in paths.items() if path is not None}
    return problems, elsewhere


def path_in_tree(source: Source, file: OriginFile, tree: Sequence[str]) -> str | None:
    """The catalogue's path, or the only file of that name elsewhere in the tree; the checksum decides afterwards."""
    path = origin_path(source, file)
    if path in tree:
        return path
    namesakes = [other for other in tree if PurePosixPath(other).name == PurePosixPath(path).name]
    return namesakes[0] if len(namesakes) == 1 else None


def from_http(source: Source, wanted: Sequence[OriginFile], folder: Path) -> list[str]:
    """Download files one by one; where the server says nothing at all, it is not asked for the others."""
    problems = []
    for place, file in enumerate(wanted):
        try:
            problem = download(f"{source.url}/{urllib.parse.quote(origin_path(source, file))}", file, folder)
        except OriginSilent as error:
            problems.append(f"{file.name}: {error}")
            problems += [f"{other.name}: not asked for after that" for other in wanted[place + 1 :]]
            break
        problems += [problem] if problem else []
    return problems


def download(url: str, file: OriginFile, folder: Path) -> str | None:
    """Download one file through NAME.part, which a later call goes on from; say what is wrong, or None.

    A transfer that breaks off is resumed up to ATTEMPTS times; a whole file with the wrong checksum is removed, because
    resuming it would keep the error.

    Raises:
        OriginSilent: not one byte came for SILENCE seconds.
    """
    target, part = folder / file.name, folder / f"{file.name}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    trouble = ""
    for _ in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            transfer(url, part, file.size)
        except urllib.error.HTTPError as error:
            return f"{file.name}: {url} answers {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            if means_full_disk(error):
                return f"{file.name}: the disk of {folder} is full; free space, what came is kept"
            trouble = f"{type(error).__name__}: {error}"
            if means_silence(error) and before == (part.stat().st_size if part.exists() else 0):
                raise OriginSilent(f"{url} gives no answer for {SILENCE:.0f} s") from error
        received = part.stat().st_size if part.exists() else 0
        if received == file.size:
            wrong = fault(part, file)
            if wrong is None:
                part.replace(target)
                return None
            part.unlink()
            return f"{file.name}: {url} has {wrong}"
        if received > file.size:
            part.unlink()
            return f"{file.name}: {url} has more than the {file.size} bytes of the catalogue"
        trouble = trouble or f"only {received} of {file.size} bytes came"
    return f"{file.name}: {url} broke off {ATTEMPTS} times ({trouble}); what came is kept and the next fetch goes on from it"


def means_silence(error: BaseException) -> bool:
    """Whether a transfer failed because nothing came, wherever in the exchange."""
    return isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError)


def transfer(url: str, part: Path, size: int) -> None:
    """Append to `part` what is missing of `url`; a server without ranges sends it whole and the part starts again."""
    have = part.stat().st_size if part.exists() else 0
    if have >= size:
        part.unlink()
        have = 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=SILENCE) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        with part.open("ab" if resumed else "wb") as stream:
            while block := answer.read(1 << 20):
                stream.write(block)
                if stream.tell() > size:  # never fill the disk with what is not wanted
                    return


def write_record(source: Source, path: Path) -> None:
    """SOURCE.json: the origin, the same by whichever way the files came."""
    record = {
        "name": source.name,
        "note": source.note,
        "origin": {"repository": source.repository, "commit": source.commit, "path": source.path, "url": source.url},
        "licence": source.licence,
        "citation": source.citation,
        "files": [{"name": file.name, "bytes": file.size, "sha256": file.sha256} for file in source.files],
    }
    text = json.dumps(record, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    if not path.is_file() or path.read_bytes() != text.encode():  # an unchanged record keeps its time
        write_text(path, text)
