"""params.yaml: read, checked against its schema, and resolved for one scale.

`defaults` holds the papers' values; a scale overrides some of them and may extend another scale. What comes out is one plain
nested dict, from which a rule hands each step the sections that it reads.
"""

import copy
import difflib
import functools
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from rescore.errors import RescoreError, raise_together

SCHEMA = Path("workflow/schemas/params.schema.yaml")
Settings = dict[str, Any]


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> Settings:
    """`base` with `override` laid over it, mapping by mapping; lists and values are replaced whole."""
    merged = copy.deepcopy(dict(base))
    for key, value in override.items():
        inner = merged.get(key)
        merged[key] = (
            merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else copy.deepcopy(value)
        )
    return merged


def nearest(word: str, words: Iterable[str]) -> str:
    """A hint `did you mean 'x'?` for a mistyped word, or the list of valid ones."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(known)}"


def describe(error: Any) -> str:
    """One line for a schema violation: where it is, what is wrong, and the nearest valid key."""
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema.get("properties", {})
        unknown = [key for key in error.instance if key not in known]
        return "; ".join(f"{where}: unknown key '{key}', {nearest(str(key), known)}" for key in unknown)
    return f"{where}: {error.message}"


def check(config: Mapping[str, Any], schema: Mapping[str, Any], source: str) -> None:
    """Check the whole of params.yaml against its schema.

    Raises:
        RescoreError: unknown or mistyped keys, values of the wrong kind or out of range; all of them together.
    """
    import jsonschema

    errors = sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(config),
        key=lambda error: list(map(str, error.absolute_path)),
    )
    problems = [describe(error) for error in errors] + [f"{where}: not a finite number" for where in not_finite(config)]
    raise_together(f"{source}: wrong parameters", problems, f"mend {source}; {SCHEMA} says what each key takes.")


def not_finite(value: Any, where: str = "") -> list[str]:
    """Where NaN or infinity stands: YAML can spell them, and no schema bound refuses NaN."""
    if isinstance(value, Mapping):
        return [path for key, inner in value.items() for path in not_finite(inner, f"{where}.{key}".lstrip("."))]
    if isinstance(value, list):
        return [path for index, inner in enumerate(value) for path in not_finite(inner, f"{where}.{index}")]
    return [where] if isinstance(value, float) and not math.isfinite(value) else []


@functools.cache
def read_schema(path: Path) -> Settings:
    """The JSON schema of params.yaml. A scale may override any key of `defaults`: its schema is theirs without `required`."""
    schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    scale = optional(schema["properties"]["defaults"])
    scale["properties"]["extends"] = {"type": "string"}
    schema["properties"]["scales"]["additionalProperties"] = scale
    # What both share must let a scale override half a mapping; `resolve` leaves no half mapping unless `defaults` has one.
    schema["$defs"] = optional(schema["$defs"])
    return schema


def optional(schema: Any) -> Any:
    """A schema in which no key is required, at any depth."""
    if isinstance(schema, dict):
        return {key: optional(value) for key, value in schema.items() if key != "required"}
    return schema


def resolve(config: Mapping[str, Any], scale: str) -> Settings:
    """The settings of one scale: `defaults`, overlaid by the scales it extends, overlaid by itself.

    Raises:
        RescoreError: an unknown scale, or scales that extend each other in a circle.
    """
    chain: list[str] = []
    name: str | None = scale
    while name is not None:
        if name not in config["scales"]:
            raise RescoreError(f"params.yaml: unknown scale '{name}', {nearest(name, config['scales'])}")
        if name in chain:
            raise RescoreError(f"params.yaml: scales extend each other in a circle: {' > '.join([*chain, name])}")
        chain.append(name)
        name = (config["scales"][name] or {}).get("extends")
    settings = dict(config["defaults"])
    for step in reversed(chain):
        settings = merge(settings, config["scales"][step] or {})
    settings.pop("extends", None)
    return with_paths_expanded(settings)


def with_paths_expanded(settings: Settings) -> Settings:
    """`~` and `$VARIABLE` in the folders that params.yaml names, as a shell reads them; whoever reads the settings agrees."""

    def expanded(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return with_paths_expanded(value)
        if isinstance(value, str) and (key == "directory" or key.endswith("_directory")):
            return os.path.expanduser(os.path.expandvars(value))
        return value

    return {key: expanded(key, value) for key, value in settings.items()}


def check_together(settings: Mapping[str, Any], scale: str) -> None:
    """What a schema cannot say: values that must fit one another at a scale.

    Raises:
        RescoreError: every pair that does not fit, together.
    """
    problems = []
    clips, backbone, tuning = settings["clips"], settings["backbone"], settings["fine_tuning"]
    need = backbone["clips"] * backbone["clip_frames"] + max(backbone["temporal_offsets"] - 1, backbone["test_offset"])
    if need > clips["frames"]:
        problems.append(
            f"clips.frames is {clips['frames']}, but {backbone['clips']} clips of {backbone['clip_frames']} frames at the last "
            f"temporal offset need {need}"
        )
    if min(clips["resize"]) < clips["crop"]:
        problems.append(f"clips.crop {clips['crop']} is larger than clips.resize {clips['resize']}")
    if backbone["test_offset"] >= backbone["temporal_offsets"]:
        problems.append(
            f"backbone.test_offset {backbone['test_offset']} is not among {backbone['temporal_offsets']} temporal offsets"
        )
    for kind, sizes in tuning["training_samples"].items():
        lengths = {key: len(tuning[key].get(kind, [])) for key in ("iterations", "anneal_every")}
        problems += [
            f"fine_tuning.{key}.{kind} has {length} values for {len(sizes)} training sizes"
            for key, length in lengths.items()
            if length != len(sizes)
        ]
    raise_together(f"params.yaml: values that do not fit at scale '{scale}'", problems, "mend params.yaml.")


def load(path: Path = Path("params.yaml"), scale: str | None = None, schema: Path = SCHEMA) -> tuple[str, Settings]:
    """Read params.yaml, check it, and resolve one scale.

    Returns:
        The scale's name (the file's own `scale` where none is asked for) and its settings.

    Raises:
        RescoreError: the file is missing, not YAML, or has wrong parameters.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run in the repository's root.") from error
    except yaml.YAMLError as error:
        raise RescoreError(f"{path}: not YAML ({error})") from error
    return from_config(config, scale, schema, str(path))


def from_config(config: Mapping[str, Any], scale: str | None, schema: Path, source: str) -> tuple[str, Settings]:
    """`load` for a config that is already read (the workflow engine reads it and lays `--config` over it)."""
    check(config, read_schema(schema), source)
    chosen = scale or config["scale"]
    settings = resolve(config, chosen)
    check_together(settings, chosen)
    return chosen, settings


def section(settings: Mapping[str, Any], *names: str) -> Settings:
    """The named sections of the settings: what one step reads, and therefore what reruns it.

    A name may reach into a section: `multitask.clips` gives {"multitask": {"clips": ...}}.
    """
    chosen: Settings = {}
    for name in names:
        first, _, rest = name.partition(".")
        part = section(settings[first], rest) if rest else settings[first]
        chosen = merge(chosen, {first: part})
    return chosen
