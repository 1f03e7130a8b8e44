"""What of a machine and a checkout will make trouble, found in seconds, and how to mend each.

Nothing is changed. A finding is `ok`, `warn` (it works, with a drawback that is said) or `fail` (something will stop).
"""

import fcntl
import json
import locale
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rescore.engine import checkout, libraries, step_record

OK, WARN, FAIL = "ok", "warn", "fail"
GIB = 2**30
LEAST_DISK, LITTLE_DISK = 1.0, 5.0  # GiB; demo's outputs and records are 2
LITTLE_MEMORY = 4.0  # GiB; the largest steps at demo stay below
SKEW = 2.0  # seconds that a file server's clock may differ before times mislead
READ_BY_BYTES = ("params.yaml", "Snakefile", "papers", "workflow", "results", "src", "profiles")
PROBE = """
import importlib, json, sys
found = {}
try:
    module = importlib.import_module(sys.argv[1])
    found["version"] = getattr(module, "__version__", "")
    if sys.argv[1] == "torch":
        found |= {"cuda": module.cuda.is_available(), "build": module.version.cuda}
except BaseException as error:
    found["error"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Finding:
    state: str
    subject: str
    statement: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Every check, in the order in which a newcomer meets what it is about."""
    probes = {name: start_probe(name) for name in ("torch", "decord", "av")}  # they import while the rest is looked at
    checks: list[Callable[[Path], Iterator[Finding]]] = [
        user, commands, repository, line_ends, rights, links, file_locks, clock, disk, memory, processor, language, versions
    ]  # fmt: skip
    found = [finding for check in checks for finding in check(root)]
    answers = {name: probe_answer(process) for name, process in probes.items()}
    return [*found, *decoder(answers["decord"], answers["av"]), *graphics(answers["torch"])]


def describe(found: list[Finding]) -> str:
    """A line a finding; what is to be mended has its remedy below."""
    lines = []
    for finding in found:
        lines.append(f"{finding.state:<5}{finding.subject}: {finding.statement}")
        lines += [f"     mend: {finding.remedy}"] if finding.remedy else []
    counts = [f"{sum(finding.state == state for finding in found)} {state}" for state in (OK, WARN, FAIL)]
    return "\n".join([*lines, ", ".join(counts)])


def user(root: Path) -> Iterator[Finding]:
    name = checkout.is_named() or os.environ.get("LOGNAME") or os.environ.get("USER")
    home = checkout.home_of_user()
    if not name:
        yield Finding(
            FAIL,
            "user",
            f"number {os.getuid()} has no name, which DVC and snakemake ask for",
            "export USER=me LOGNAME=me",
        )
    if os.path.isabs(home) and os.path.isdir(home) and os.access(home, os.W_OK):
        yield Finding(OK, "home", home)
    else:
        yield Finding(
            FAIL,
            "home",
            f"{home or 'none'} is no folder that you may write in; snakemake and DVC keep caches there",
            "export HOME=/a/folder/of/yours",
        )


def commands(root: Path) -> Iterator[Finding]:
    needs = {
        "git": (WARN, "results cannot say their commit", "install git"),
        "bash": (FAIL, "the workflow's commands run in it", "install bash"),
        "java": (
            WARN,
            "captions go without METEOR, and are split into words plainly",
            "install a Java runtime (default-jre-headless)",
        ),
    }
    for name, (state, without, remedy) in needs.items():
        path = shutil.which(name)
        yield Finding(OK, name, path) if path else Finding(state, name, f"not found; {without}", remedy)


def repository(root: Path) -> Iterator[Finding]:
    version = step_record.code_version()
    if version["commit"]:
        yield Finding(OK, "commit", f"{version['commit'][:12]}{', with changes' if version['dirty'] else ''}")
    else:
        yield Finding(
            WARN,
            "commit",
            f"git does not tell it ({version['why']}), so results will not name it",
            "work in a git clone",
        )
    if (root / ".git").exists() and (root / ".git").stat().st_uid != os.getuid():
        yield Finding(
            WARN,
            "owner",
            f"the clone is another user's ({checkout.owner(root)}): git refuses it, DVC may",
            f"git config --global --add safe.directory {root.absolute()}, or a clone of your own",
        )


def line_ends(root: Path) -> Iterator[Finding]:
    paths = [
        path
        for name in READ_BY_BYTES
        for path in ([root / name] if (root / name).is_file() else (root / name).rglob("*"))
    ]
    texts = [
        path
        for path in paths
        if path.suffix in (".py", ".smk", ".yaml", ".csv", ".md", ".tex") or path.name == "Snakefile"
    ]
    turned = [path for path in texts if path.is_file() and b"\r\n" in path.read_bytes()]
    if turned:
        yield Finding(
            FAIL,
            "line ends",
            f"{len(turned)} files have CRLF, {turned[0].relative_to(root)} first: they are not the recorded bytes",
            "git config core.autocrlf false && git rm -rq --cached . && git reset --hard",
        )
    else:
        yield Finding(OK, "line ends", f"as committed, in {len(texts)} files")


def rights(root: Path) -> Iterator[Finding]:
    faults = checkout.unwritable("demo", root)
    if faults:
        yield Finding(FAIL, "rights", f"{'; '.join(faults)}: asking works, running does not", checkout.REMEDY)
    else:
        yield Finding(OK, "rights", "every folder that a run writes may be written")


def links(root: Path) -> Iterator[Finding]:
    found = [name for name in checkout.VERSIONED if (root / name).is_symlink()]
    if found:
        yield Finding(
            WARN,
            "links",
            f"{', '.join(found)}: snakemake follows them, `dvc repro` does not and stops at once",
            checkout.REMEDY,
        )
    else:
        yield Finding(OK, "links", "none among data, runs, results")


def file_locks(root: Path) -> Iterator[Finding]:
    folder = root if os.access(root, os.W_OK) else Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryFile(dir=folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Finding(OK, "file locks", f"work in {folder.absolute()}")
    except OSError as error:
        yield Finding(
            WARN,
            "file locks",
            f"none in {folder.absolute()} ({error.strerror}): two runs at once cannot be noticed",
            "start one run only; an administrator can mount NFS or Lustre with locks (local_lock, flock)",
        )


def clock(root: Path) -> Iterator[Finding]:
    if not os.access(root, os.W_OK):
        return
    with tempfile.NamedTemporaryFile(dir=root) as handle:
        handle.write(b"x")
        handle.flush()
        skew = os.stat(handle.name).st_mtime - time.time()
    if abs(skew) > SKEW:
        yield Finding(
            WARN,
            "clock",
            f"files are dated {skew:+.0f} s against this machine",
            "let both take the time from one server (NTP)",
        )
    else:
        yield Finding(OK, "clock", "files are dated as this machine's clock says")


def disk(root: Path) -> Iterator[Finding]:
    for name, path in {"disk": root.absolute(), "temporary disk": Path(tempfile.gettempdir())}.items():
        free = shutil.disk_usage(path).free / GIB
        state = FAIL if free < LEAST_DISK else WARN if free < LITTLE_DISK else OK
        remedy = "" if state == OK else "free space, or TMPDIR elsewhere; scale demo takes 2 GB, paper hundreds"
        yield Finding(state, name, f"{free:.1f} GiB free in {path}", remedy)


def memory(root: Path) -> Iterator[Finding]:
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            bounds.append(int(Path("/sys/fs/cgroup", name).read_text(encoding="ascii")) / GIB)
        except (OSError, ValueError):
            continue  # no such limit, or "max"
    little = min(bounds) < LITTLE_MEMORY
    yield Finding(
        WARN if little else OK,
        "memory",
        f"{min(bounds):.1f} GiB",
        "snakemake --cores 1: one job at a time" if little else "",
    )


def processor(root: Path) -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(
        OK if cores >= 2 else WARN, "cores", f"{cores}", "" if cores >= 2 else "times in the documents are for two"
    )
    flags = cpu_flags()
    if flags and "avx2" not in flags:
        yield Finding(
            WARN, "AVX2", "this processor has none: trained weights may differ in their last bits from the recorded ones",
            "compare by `rescore compare --tolerance`, or run on a processor with AVX2",
        )  # fmt: skip
    else:
        yield Finding(OK, "processor", f"{step_record.processor()}{', AVX2' if flags else f' ({platform.machine()})'}")


def cpu_flags() -> set[str]:
    """The processor's features as Linux on x86 lists them; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next(({*line.partition(":")[2].split()} for line in lines if line.startswith("flags")), set())


def language(root: Path) -> Iterator[Finding]:
    encoding = locale.getpreferredencoding(False)
    if encoding.upper().replace("-", "") == "UTF8":
        yield Finding(OK, "locale", encoding)
    else:
        yield Finding(
            WARN, "locale", f"{encoding}: other letters are printed by their numbers", "export LC_ALL=C.UTF-8"
        )


def versions(root: Path) -> Iterator[Finding]:
    remedy = libraries.REMEDY.removeprefix("Remedy: ")
    if sys.version_info[:2] != (3, 11):
        yield Finding(
            WARN, "Python", f"{platform.python_version()}, where the lock file is for 3.11", "make PYTHON=python3.11"
        )
    others = libraries.other_versions()
    yield from (Finding(WARN, "libraries", text, remedy) for text in others)
    if not others:
        yield Finding(OK, "libraries", "as requirements.lock names them")


def start_probe(module: str) -> subprocess.Popen[str]:
    """Import a library in a process of its own: one that is built for another processor ends the process that imports it."""
    return subprocess.Popen(
        [sys.executable, "-c", PROBE, module], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def probe_answer(process: subprocess.Popen[str]) -> dict[str, str]:
    try:
        text = process.communicate(timeout=120)[0]
        return dict(json.loads(text.splitlines()[-1]))
    except (subprocess.TimeoutExpired, json.JSONDecodeError, IndexError):
        process.kill()
        return {"error": f"its import ended with status {process.returncode}"}


def decoder(decord: dict[str, str], av: dict[str, str]) -> Iterator[Finding]:
    if "error" not in decord:
        yield Finding(OK, "decoder", f"decord {decord['version']}")
    elif "error" not in av:
        yield Finding(OK, "decoder", f"PyAV {av['version']} (no decord here: {decord['error']})")
    else:
        remedy = "pip install -r requirements.lock"
        yield Finding(FAIL, "decoder", f"no video can be read (decord: {decord['error']}; PyAV: {av['error']})", remedy)


def graphics(torch: dict[str, str]) -> Iterator[Finding]:
    if "error" in torch:
        yield Finding(FAIL, "torch", f"cannot be imported ({torch['error']})", "pip install -r requirements.lock")
        return
    card = shutil.which("nvidia-smi") is not None
    if torch["cuda"]:
        yield Finding(OK, "GPU", f"usable by torch {torch['version']} (CUDA {torch['build']})")
    elif card:
        yield Finding(
            WARN,
            "GPU",
            f"there is one, but torch {torch['version']} (CUDA {torch['build']}) cannot use it",
            "a driver for that CUDA version; CUDA_VISIBLE_DEVICES must not be empty",
        )
    else:
        yield Finding(OK, "GPU", "none; demo, smoke and open need none, paper does")
