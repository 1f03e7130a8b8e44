"""params.yaml: read, checked against its schema, and resolved for one scale.

`defaults` holds the papers' values; a scale overrides some of them and may extend another scale. What comes out is one plain
nested dict, from which a rule hands each step the sections that it reads.
"""

import copy
import datetime
import difflib
import functools
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from rescore.engine.errors import RescoreError, raise_together

SCHEMA = Path("workflow/schemas/params.schema.yaml")
DECLARED_SCHEMA = SCHEMA.with_name("systems.schema.yaml")
"""Sections that systems declare; generated (systems.settings)."""
PATTERNS = {
    "^[^\\": "folder's path",
    "^(?!": "name of a scale: small letters, digits, _ and -, a letter first, not `raw`",
}
"""What the schema's patterns ask for, by their beginnings."""
RESTORE = "It has the keys scale, defaults and scales; `git checkout params.yaml` brings it back."
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
    if error.validator == "pattern":
        return f"{where}: {error.instance!r} is not a {PATTERNS.get(error.schema['pattern'][:4], 'word of that form')}"
    hint = hint_on_type(error.instance, error.validator_value) if error.validator == "type" else ""
    return f"{where}: {error.message}{hint}"


def hint_on_type(value: Any, wanted: Any) -> str:
    """What YAML 1.1 made of a value that looks as if it were of the wanted type."""
    kinds = {wanted} if isinstance(wanted, str) else set(wanted)
    if value is None:
        return "; nothing stands behind its colon"
    if isinstance(value, bool) and not kinds & {"boolean", "string"}:
        return "; YAML 1.1 takes yes, no, on and off for true and false"
    if kinds & {"integer", "number"} and isinstance(value, str):
        try:
            number = float(re.sub(r"(?<=\d)[ _](?=\d)", "", value.replace(",", ".")))
        except ValueError:
            return ""
        if not math.isfinite(number) or (number == 0 and re.search("[1-9]", value)):
            return "; no number of double precision"
        return f"; YAML 1.1 takes this for text, write {int(number) if number.is_integer() else number}"
    if kinds == {"integer"} and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if kinds == {"string"} and isinstance(value, bool | int | float | datetime.date):
        return "; YAML takes yes, no, on, off, numbers and dates for what they look like, put text into quotes"
    return ""


def quickly(read: Callable[..., Any], text: str) -> Any:
    """What `yaml.load` or `yaml.compose` makes of a text, by libyaml where it is there; errors are PyYAML's own."""
    try:
        return read(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return read(text, Loader=yaml.SafeLoader)


def spelling_problems(text: str) -> list[str]:
    """What YAML 1.1 silently reads otherwise than it looks: a key that stands twice, a key that is no text, `010` (octal) and
    `1:30` (base 60).

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    problems: list[str] = []
    waiting, seen = [("", quickly(yaml.compose, text))], set()
    while waiting:
        where, node = waiting.pop()
        if node is None or id(node) in seen:  # an alias stands for a node that was looked at
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            problems += key_problems(where, node)
            waiting += [(f"{where}.{key.value}".lstrip("."), value) for key, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(f"{where}.{place}", value) for place, value in reversed(list(enumerate(node.value)))]
        elif isinstance(node, yaml.ScalarNode) and (read := misread_number(node)) is not None:
            problems.append(f"{where}: {node.value} (line {node.start_mark.line + 1}) is read as {read}")
    return problems


def key_problems(where: str, node: yaml.MappingNode) -> list[str]:
    """Keys of a mapping that stand twice, of which YAML takes the last, or are no text."""
    place, problems = where or "top level", []
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            problems.append(
                f"{place}: key {name} (line {line}) is read as {read_as(key)}, not as text; put it into quotes"
            )
        elif name in lines:
            problems.append(f"{place}: key '{name}' stands twice (lines {lines[name]} and {line}); keep one")
        lines.setdefault(name, line)
    return problems


def read_as(key: yaml.Node) -> str:
    """What YAML makes of a key that is no text: its value, or its kind where it has none."""
    try:
        return repr(yaml.safe_load(str(key.value)) if isinstance(key, yaml.ScalarNode) else key.value)
    except Exception:  # a 13th month, say
        return f"a {key.tag.rpartition(':')[2]}"


def misread_number(node: yaml.ScalarNode) -> Any:
    """The number that YAML 1.1 makes of 010 or 1:30; None for any other value."""
    octal = node.tag.endswith(":int") and re.fullmatch(r"[-+]?0[0-7_]+", node.value)
    sixties = node.tag.endswith((":int", ":float")) and ":" in node.value
    return yaml.safe_load(node.value) if not node.style and (octal or sixties) else None


def read_yaml(path: Path) -> str:
    """The text of params.yaml.

    Raises:
        RescoreError: missing, no file, not UTF-8, or indented with tabs (every such line).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise RescoreError(f"{path}: no such file. Run in the repository's root.") from error
    except OSError as error:
        raise RescoreError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise RescoreError(f"{path}: not in UTF-8 (byte {error.start}). Save it in UTF-8.") from error
    tabs = [str(number) for number, line in enumerate(text.splitlines(), 1) if re.match(r" *\t\s*[^\s#]", line)]
    if tabs:
        raise RescoreError(f"{path}: not YAML: lines indented with tabs: {', '.join(tabs)}. Indent with blanks.")
    return text


def read_values(text: str, path: Path) -> Any:
    """What a YAML text says.

    Raises:
        RescoreError: no YAML, with the place; or a value that cannot be: a date in a 13th month, an anchor inside itself.
    """
    try:
        config = quickly(yaml.load, text)
        return with_text_keys(config)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        said = error.problem or error.context or "it cannot be read"
        raise RescoreError(
            f"{path}:{where} not YAML: {said.removeprefix('<unicode string>')}. Mend that line."
        ) from error
    except yaml.YAMLError as error:
        raise RescoreError(f"{path}: not YAML ({str(error).splitlines()[0]}). Mend it.") from error
    except RecursionError as error:
        raise RescoreError(f"{path}: an anchor (&) holds an alias (*) of itself. Write its values out.") from error
    except Exception as error:  # what YAML makes of a value by its look or its tag may raise anything
        raise RescoreError(
            f"{path}: a value that YAML takes for a date, a number or a tag and cannot read ({error}). Put text into quotes."
        ) from error


def with_text_keys(value: Any) -> Any:
    """The same with every key as text (which keys are none is said by `spelling_problems`)."""
    if isinstance(value, Mapping):
        return {str(key): with_text_keys(inner) for key, inner in value.items()}
    return [with_text_keys(inner) for inner in value] if isinstance(value, list) else value


def check(config: Mapping[str, Any], schema: Mapping[str, Any], source: str, spelling: Sequence[str] = ()) -> None:
    """Check the whole of params.yaml against its schema.

    Args:
        spelling: `spelling_problems` of the file's text.

    Raises:
        RescoreError: unknown or mistyped keys, values of the wrong kind or out of range, misleading spellings; all together.
    """
    import jsonschema

    # JSON knows no difference between 1 and 1.0; a number of seeds does.
    whole = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=whole)
    errors = sorted(
        validator(schema).iter_errors(with_text_keys(config)),
        key=lambda error: list(map(str, error.absolute_path)),
    )
    problems = [*spelling, *map(describe, errors)]
    problems += [f"{where}: not a finite number" for where in not_finite(config)]
    remedy = "change it on the command line" if source.startswith("--config") else f"mend {source}"
    raise_together(f"{source}: wrong parameters", problems, f"{remedy}; {SCHEMA} says what each key takes.")


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
    schema = quickly(yaml.load, path.read_text(encoding="utf-8"))
    declared = quickly(yaml.load, path.with_name(DECLARED_SCHEMA.name).read_text(encoding="utf-8"))
    for name, section in declared.items():
        *parents, last = name.split(".")
        inside = schema["properties"]["defaults"]
        for parent in parents:
            inside = inside["properties"][parent]
        inside["properties"][last] = section
        inside["required"].append(last)
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
    dives = settings["multitask"]["clips"]
    problems += [
        f"{where}crop {section[f'{kind}crop']} is larger than {where}resize {section[f'{kind}resize']}"
        for place, section, kind in (
            ("clips.", clips, ""),
            ("multitask.clips.", dives, ""),
            ("multitask.clips.", dives, "wide_"),
        )
        for where in (place + kind,)
        if min(section[f"{kind}resize"]) < section[f"{kind}crop"]
    ]
    possible = ("pretrained", "sports1m", "random") if backbone["network"] == "c3d" else ("kinetics400", "random")
    if backbone["weights"] not in possible:
        problems.append(
            f"backbone.weights {backbone['weights']} are not of backbone.network {backbone['network']}: {' | '.join(possible)}"
        )
    problems += extensions_problems(settings["extensions"])
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


def extensions_problems(extensions: Mapping[str, Any]) -> list[str]:
    """What of the extensions does not fit together."""
    encoder, systems = extensions["aggregation"]["transformer"], extensions["systems"]
    problems = []
    if encoder["width"] % encoder["heads"]:
        problems.append(
            f"extensions.aggregation.transformer.width {encoder['width']} is no multiple of its heads, {encoder['heads']}"
        )
    if extensions["resnet_weights"] == "kinetics400" and extensions["resnet_width"] != 1:
        problems.append(
            f"extensions.resnet_width {extensions['resnet_width']} with resnet_weights kinetics400, which are of width 1"
        )
    for key in ("name", "row"):
        given = [system[key] for system in systems]
        problems += [
            f"extensions.systems: {key} '{value}' stands twice"
            for value in sorted(set(given))
            if given.count(value) > 1
        ]
    return problems


def load(path: Path = Path("params.yaml"), scale: str | None = None, schema: Path = SCHEMA) -> tuple[str, Settings]:
    """Read params.yaml, check it, and resolve one scale.

    Returns:
        The scale's name (the file's own `scale` where none is asked for) and its settings.

    Raises:
        RescoreError: the file is missing, not YAML, or has wrong parameters.
    """
    return from_config(read_values(read_yaml(path), path), scale, schema, str(path))


def from_config(config: Mapping[str, Any], scale: str | None, schema: Path, source: str) -> tuple[str, Settings]:
    """`load` for a config that is already read (the workflow engine reads it and lays `--config` over it).

    The file is looked at by itself, and then what lies over it: each is to be mended where it stands.
    """
    written = config
    if (path := Path(source)).exists():
        text = read_yaml(path)
        written = read_values(text, path)
        if not isinstance(written, Mapping):
            raise RescoreError(
                f"{source}: {'empty' if written is None else 'no mapping of names to values'}. {RESTORE}"
            )
        check(written, read_schema(schema), source, spelling_problems(text))
    laid_over = [key for key, value in config.items() if key != "scale" and written.get(key) != value]
    if laid_over or written is config:
        check(config, read_schema(schema), f"--config {' '.join(laid_over)}" if laid_over else source)
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
