"""The MTL-AQA authors' checkpoints: one state dict per module, under their names, into this package's networks.

A directory holds `model_CNN.pth`, `model_my_fc6.pth`, ... or, as their training writes them, `model_CNN_<epoch>.pth`. Only
C3D-AVG has `model_my_fc6`, and a network trained without a task lacks that task's file, so a directory describes its network.
"""

import re
from pathlib import Path

from torch import Tensor

from rescore.engine.errors import RescoreError, raise_together
from rescore.models.c3d_avg import C3DAverage
from rescore.models.mscadc import MSCADC
from rescore.models.state_dicts import differences, read_state_dict

Network = C3DAverage | MSCADC

# (beginning of this package's parameter name, module of the authors, beginning of their entry); the first that fits counts.
SUB_ACTIONS = {
    "position": "position",
    "armstand": "armstand",
    "rotation_type": "rot_type",
    "somersaults": "ss_no",
    "twists": "tw_no",
}
CAPTIONER = (
    ("captioner.video_gru.", "model_caption", "rnn1."),
    ("captioner.word_gru.", "model_caption", "rnn2."),
    ("captioner.embedding.", "model_caption", "embedding."),
    ("captioner.output.", "model_caption", "out."),
)
C3D_AVG_NAMES = (
    ("body.", "model_CNN", ""),
    ("trunk.", "model_my_fc6", "fc."),
    ("score_head.", "model_score_regressor", "fc_final_score."),
    *((f"class_heads.{ours}.", "model_dive_classifier", f"fc_{theirs}.") for ours, theirs in SUB_ACTIONS.items()),
    *CAPTIONER,
)
MSCADC_NAMES = (
    ("body.", "model_CNN", ""),
    ("score_head.", "model_score_regressor", ""),
    *(
        (f"class_head.head_conv3.{ours}.", "model_classifier", f"head_conv3_{theirs}.")
        for ours, theirs in SUB_ACTIONS.items()
    ),
    ("class_head.", "model_classifier", ""),
    ("caption_head.", "model_caption", ""),
    *CAPTIONER,
)
SUFFIXES = (".pth", ".pt", ".pickle")
REMEDY = "Take the file from its origin again, as torch.save(module.state_dict(), path) writes it."


def authors_names(network: Network) -> dict[str, tuple[str, str]]:
    """(module, entry) of the authors for every entry of a network's state dict, parameters and buffers."""
    table = C3D_AVG_NAMES if isinstance(network, C3DAverage) else MSCADC_NAMES
    names = {}
    for name in network.state_dict():
        ours, module, theirs = next(row for row in table if name.startswith(row[0]))
        names[name] = (module, theirs + name.removeprefix(ours))
    return names


def checkpoint_files(directory: Path, epoch: int | None = None) -> dict[str, Path]:
    """The authors' module files in a directory, by module.

    Args:
        directory: of the checkpoints.
        epoch: which, where the directory has files of several.

    Raises:
        RescoreError: no module file, or several files of one module.
    """
    modules = {row[1] for row in (*C3D_AVG_NAMES, *MSCADC_NAMES)}
    found: dict[str, list[Path]] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        match = re.fullmatch(r"(\w+?)(?:_(\d+))?", path.stem)
        if path.suffix in SUFFIXES and match and match[1] in modules and (epoch is None or match[2] == str(epoch)):
            found.setdefault(match[1], []).append(path)
    if not found:
        raise RescoreError(
            f"{directory}: no checkpoint of the authors' here. Expected files like model_CNN_<epoch>.pth."
        )
    several = [
        f"{module}: {', '.join(path.name for path in paths)}" for module, paths in found.items() if len(paths) > 1
    ]
    raise_together(f"{directory}: several checkpoints of one module", several, "choose one by its epoch.")
    return {module: paths[0] for module, paths in found.items()}


def load_authors_weights(network: Network, directory: Path, epoch: int | None = None) -> None:
    """Fill a network with the authors' weights, in place; on an error it stays as it was.

    Args:
        network: of the same tasks, widths and vocabulary.
        directory: of the authors' files; files of tasks that the network lacks are not read.
        epoch: which, where the directory has files of several.

    Raises:
        RescoreError: a file is missing or unreadable, or entries are missing, unexpected or mis-shaped (all are listed).
    """
    files = checkpoint_files(directory, epoch)
    names, state = authors_names(network), network.state_dict()
    loaded: dict[tuple[str, str], Tensor] = {}
    problems = []
    for module in dict.fromkeys(module for module, _ in names.values()):
        wanted = {entry: state[name] for name, (owner, entry) in names.items() if owner == module}
        if module not in files:
            problems.append(f"{module}: no file")
            continue
        given = read_state_dict(files[module], REMEDY)
        problems += [f"{files[module].name}: {problem}" for problem in differences(wanted, given)]
        loaded |= {(module, entry): value for entry, value in given.items()}
    raise_together(
        f"{directory}: the weights do not fit the network",
        problems,
        "give the directory of one network's checkpoints and that network's tasks, width and vocabulary.",
    )
    network.load_state_dict({name: loaded[key] for name, key in names.items()})


def authors_network(directory: Path, epoch: int | None = None) -> Network:
    """The network that a directory of the authors' checkpoints describes, with those weights, in evaluation mode.

    C3D-AVG where there is a trunk or their C3D's classifier, else MSCADC; its tasks are those with a file; its vocabulary
    is that of the word embedding. Full width.

    Raises:
        RescoreError: as `load_authors_weights`.
    """
    files = checkpoint_files(directory, epoch)
    averaged = "model_my_fc6" in files or "model_dive_classifier" in files
    classifier = "model_dive_classifier" if averaged else "model_classifier"
    modules = {"score": "model_score_regressor", "classes": classifier, "caption": "model_caption"}
    tasks = tuple(task for task, module in modules.items() if module in files)
    if not tasks:
        raise RescoreError(
            f"{directory}: no head among the checkpoints. Expected one of {', '.join(modules.values())}."
        )
    size = {}
    if "caption" in tasks:
        embedding = read_state_dict(files["model_caption"], REMEDY).get("embedding.weight")
        if embedding is not None and embedding.ndim == 2:
            size["vocabulary"] = embedding.shape[0]
    build = C3DAverage if averaged else MSCADC
    network = build(tasks, **size)
    load_authors_weights(network, directory, epoch)
    return network.eval()
