"""The libraries that results depend on: which versions are imported here, and which ones the lock file names."""

import importlib.metadata
import importlib.util
import re
from pathlib import Path

LIBRARIES = (
    "numpy",
    "pandas",
    "pyarrow",
    "scipy",
    "scikit-learn",
    "safetensors",
    "torch",
    "torchvision",
    "decord",
    "av",
)
"""Those that compute: what results may differ by."""
MODULES = {"scikit-learn": "sklearn"}  # where the import has another name than the package
LOCK_FILE = Path(__file__).parents[3] / "requirements.lock"
REMEDY = "Remedy: pip install -r requirements.lock, and no other library path (PYTHONPATH, a cluster's modules)"


def locked_versions(path: Path = LOCK_FILE) -> dict[str, str]:
    """Versions by package as the lock file names them; empty where there is none (an installed package without its checkout)."""
    if not path.is_file():
        return {}
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(encoding="utf-8"), re.M))


def other_versions(path: Path = LOCK_FILE) -> list[str]:
    """What is imported in another version than the lock's, or from elsewhere than where it is installed, a sentence each.

    Nothing is imported to answer. A local build tag (torch 2.14.1+cpu) is the same release.
    """
    locked, found = locked_versions(path), []
    for name in LIBRARIES:
        if name not in locked:
            continue
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            if importlib.util.find_spec(MODULES.get(name, name)) is None:
                continue  # a step that needs it says so itself
            found.append(f"{name} is imported without being installed, {wanted(name, locked)}")
            continue
        if installed.version.split("+")[0] != locked[name]:
            found.append(f"{name} is {installed.version}, {wanted(name, locked)}")
        elif strange := imported_from(name, Path(str(installed.locate_file("")))):
            found.append(f"{name} is imported from {strange}, not from where {locked[name]} is installed")
    return found


def wanted(name: str, locked: dict[str, str]) -> str:
    return f"where requirements.lock names {locked[name]}"


def imported_from(name: str, installed: Path) -> Path | None:
    """The folder that a library would be imported from, if it is not the one that it is installed in."""
    spec = importlib.util.find_spec(MODULES.get(name, name))
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent.parent
    return None if folder.resolve() == installed.resolve() else folder


def warning() -> str:
    """One sentence on all of `other_versions` for whoever computes here; empty where there are none."""
    others = other_versions()
    return f"warning: {'; '.join(others)}: numbers may differ from the recorded ones. {REMEDY}" if others else ""
