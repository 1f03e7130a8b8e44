"""A model card for each checkpoint, from its header, its system's declaration and document: nothing that is not recorded."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rescore.engine.errors import RescoreError
from rescore.engine.storage import HEADER_KEY, remedy_of_damaged
from rescore.systems import registry
from rescore.systems.declaration import Experiment

SYSTEMS = Path("src/rescore/systems")
FALLBACK = "docs/systems/index.md"
SYNTHETIC = """Trained on **synthetic** videos (the synthetic athlete): its scores say nothing about a real performance, and
nothing about a paper."""
USE = """It predicts the score that a sport's judges would give one performance of an action that it was trained on, from a
trimmed clip. It is for research on action quality assessment and for recomputing the tables beside it: not for judging people,
and not for actions, cameras or levels of skill that its data does not have."""


def header_of(path: Path) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """A checkpoint's header and the shapes of its tensors; no weights are read.

    Raises:
        RescoreError: it is missing, or not safetensors.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as stream:
            header = json.loads((stream.metadata() or {}).get(HEADER_KEY, "{}"))
            return header, {name: stream.get_slice(name).get_shape() for name in sorted(stream.keys())}
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise RescoreError(f"{path}: not a readable checkpoint ({error}). {remedy_of_damaged(path)}") from error


def experiment_of(path: Path) -> Experiment | None:
    """The experiment whose checkpoint a file is; None for what experiments share (backbones, pose estimators)."""
    below = "/".join(path.parts[2:])
    known = [one for one in registry.on_videos() if below.startswith(f"{one.name}/")]
    return max(known, key=lambda one: len(one.name), default=None)


def document_of(experiment: Experiment | None) -> str:
    """The document that says what a system's paper leaves open: its folder's README, else what its sources cite."""
    if experiment is None:
        return "docs/backbones.md"
    folder = SYSTEMS / experiment.step.split(".")[1]
    if (folder / "README.md").is_file():
        return (folder / "README.md").as_posix()
    cited = {
        name for path in sorted(folder.glob("*.py")) for name in re.findall(r"docs/[\w/]+\.md", path.read_text("utf-8"))
    }
    return min(cited, key=lambda name: (not name.startswith("docs/systems/"), name), default=FALLBACK)


def card(path: Path, record: Mapping[str, Any], synthetic: bool) -> str:
    """A checkpoint's card as Markdown with the front matter that model hubs read.

    Args:
        path: the checkpoint, runs/<scale>/...
        record: its line of the provenance lock.
        synthetic: whether its videos are.

    Raises:
        RescoreError: the checkpoint cannot be read.
    """
    header, shapes = header_of(path)
    experiment = experiment_of(path)
    numbers = sum(_count(shape) for shape in shapes.values())
    said = {key: value for key, value in header.items() if key not in ("settings", "members")}
    members = [f"{row['member']} (seed {row['seed']})" for row in header.get("members", []) if isinstance(row, dict)]
    return f"""---
license: mit
library_name: safetensors
tags: [action-quality-assessment{", synthetic" if synthetic else ""}]
---

# {"/".join(path.parts[2:-1])}

{experiment.source if experiment else "Shared by experiments: a backbone or a pose estimator"}. {SYNTHETIC if synthetic else ""}

| | |
|---|---|
| file | `{path.as_posix()}`, SHA-256 `{record["sha256"]}` |
| made by | rule `{record["rule"]}` of the workflow |
| tensors | {len(shapes)}, {numbers:,} numbers |
| members | {", ".join(members) or "one"} |
| what its paper leaves open, and what was chosen | `{document_of(experiment)}` |

## Use

{USE}

## What it was made from

| input | SHA-256 |
|---|---|
{_inputs(record)}

## Header

```json
{json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False)}
```

## Parameters

```json
{json.dumps(header.get("settings", {}), indent=2, sort_keys=True, ensure_ascii=False)}
```

Evaluation: the tables beside this card, with n, seeds and intervals; `rescore explain` leads from a cell to its members.
"""


def _inputs(record: Mapping[str, Any]) -> str:
    """Rows of what a checkpoint was made from, with their checksums."""
    return "\n".join(f"| `{name}` | `{digest}` |" for name, digest in sorted((record["input_checksums"] or {}).items()))


def _count(shape: list[int]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
