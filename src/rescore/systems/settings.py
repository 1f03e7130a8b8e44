"""What is generated from the settings that systems declare: their sections of params.yaml, with comments, and their schema.

    SETTINGS = {"gdlt": Settings}, SCALES = {"demo": {"gdlt": {...}}} ─► `rescore settings` ─► params.yaml, schema

params.yaml stays what a user reads and edits: only `rescore settings` writes declared defaults over what stands there. Sections
of systems outside of the tree are never written: what stands there of them overrides their defaults (systems.parameters).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from rescore.engine import mounting
from rescore.engine.errors import RescoreError
from rescore.engine.parameters import DECLARED_SCHEMA, merge, nearest
from rescore.systems.common.knobs import Knobs

PARAMS = Path("params.yaml")
COLUMN = 32
"""Where comments begin, where lines are shorter."""
WIDTH = 130
HEAD = "# Schema of the sections of params.yaml that systems declare, written by `rescore settings`; edit their settings.py.\n"


@functools.cache
def found() -> Mapping[str, ModuleType]:
    """The modules `settings.py` of the tree's systems, by folder."""
    return mounting.read_modules(mounting.SYSTEMS, "settings", outside=False)


def found_outside() -> Mapping[str, ModuleType]:
    """The same of systems outside of the tree.

    Raises:
        RescoreError: some cannot be imported.
    """
    every = mounting.read_modules(mounting.SYSTEMS, "settings") if mounting.mounted("settings.py") else {}
    return {name: module for name, module in every.items() if name not in found()}


def declared(modules: Mapping[str, ModuleType] | None = None) -> dict[str, type[Knobs]]:
    """Sections by name (`stages.li` is one inside another), in the order of the systems.

    Args:
        modules: `settings.py` by system; None: the tree's.

    Raises:
        RescoreError: two systems declare one section.
    """
    known: dict[str, type[Knobs]] = {}
    for name, module in (found() if modules is None else modules).items():
        if twice := sorted(set(module.SETTINGS) & set(known)):
            raise RescoreError(f"systems/{name}: section {', '.join(twice)} is another system's too. Rename it.")
        known |= module.SETTINGS
    return known


def overrides() -> dict[str, dict[str, Any]]:
    """What scales set in these sections: scale, section, values."""
    return functools.reduce(merge, (module.SCALES for module in found().values()), {})


def defaults_of(model: type[Knobs]) -> dict[str, Any]:
    """A section's defaults; what has none is not there."""
    known = {}
    for key, field in model.model_fields.items():
        if is_section(field) and isinstance(field.default, Knobs):
            known[key] = defaults_of(field.annotation)  # type: ignore[arg-type]
        elif (value := field.get_default()) is not None:
            known[key] = value
    return known


def flow(value: Any) -> str:
    """A value as params.yaml writes it in a line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def with_comment(line: str, comment: str) -> str:
    return f"{line.ljust(COLUMN - 2)}  # {comment}" if comment else line


def value_lines(name: str, value: Any, comment: str, indent: int) -> list[str]:
    """A key with its value: in a line where that is short enough, else a line an entry; a long comment stands above."""
    pad, line = " " * indent, f"{' ' * indent}{name}: {flow(value)}"
    above, beside = ([], comment) if "\n" not in comment else (comment.split("\n"), "")
    found = [f"{pad}# {words}" for words in above]
    if len(line) <= WIDTH:
        return [*found, with_comment(line, beside)]
    found.append(with_comment(f"{pad}{name}:", beside))
    if isinstance(value, Mapping):
        return found + [line for key, inner in value.items() for line in value_lines(key, inner, "", indent + 2)]
    return found + [f"{pad}  - {flow(each)}" for each in value]


def section_lines(name: str, model: type[Knobs], indent: int) -> list[str]:
    """A section with its defaults, a line a key; nested sections below it. What has no default stands nowhere."""
    lines = []
    for key, field in model.model_fields.items():
        if is_section(field) and isinstance(field.default, Knobs):
            lines += section_lines(key, field.annotation, indent + 2)  # type: ignore[arg-type]
        elif (value := field.get_default()) is not None:
            lines += value_lines(key, value, field.description or "", indent + 2)
    head = f"{' ' * indent}{name}:{'' if lines else ' {}'}"
    return [with_comment(head, " ".join((model.__doc__ or "").split())), *lines]


def is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Knobs)


def schema(models: Mapping[str, type[Knobs]] | None = None) -> dict[str, Any]:
    """JSON schema of every declared section, the tree's where none are given; what has a default in it must be there."""
    models = declared() if models is None else models
    return {name: closed(model.model_json_schema()) for name, model in models.items()}


def closed(found: Mapping[str, Any]) -> dict[str, Any]:
    """A schema of pydantic's with every reference in its place, without words, and with all keys required."""
    definitions = found.get("$defs", {})

    def clean(part: Any) -> Any:
        if isinstance(part, list):
            return [clean(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return clean(definitions[part["$ref"].rpartition("/")[2]])
        if "anyOf" in part:  # may be left out
            return clean(part["anyOf"][0])
        kept = {
            key: clean(value) for key, value in part.items() if key not in ("title", "description", "default", "$defs")
        }
        if "properties" in part:  # keys that happen to be called like words of a schema are kept
            kept["properties"] = {key: clean(value) for key, value in part["properties"].items()}
            kept["required"] = [key for key, value in part["properties"].items() if "anyOf" not in value]
        return kept

    return dict(clean(dict(found)))


def place(lines: Sequence[str], path: Sequence[str]) -> tuple[int, int]:
    """First line of a key's block, and the line behind its last; behind its parent's last, twice, where it is not there.

    Raises:
        RescoreError: nor is its parent.
    """
    begin, end = 0, len(lines)
    for depth, name in enumerate(path):
        head = re.compile(rf" {{{2 * depth}}}{re.escape(name)}:(\s|$)")
        at = next((number for number in range(begin, end) if head.match(lines[number])), None)
        if at is None and depth + 1 < len(path):
            raise RescoreError(
                f"{PARAMS}: no key {'.'.join(path[: depth + 1])}. Put the file back: git checkout {PARAMS}"
            )
        if at is None:
            while end > begin and not lines[end - 1].strip():
                end -= 1
            return end, end
        last = at + 1
        while last < end and (not lines[last].strip() or lines[last].startswith(" " * (2 * depth + 1))):
            last += 1
        begin, end = at + (depth + 1 < len(path)), last
    while end > begin + 1 and not lines[end - 1].strip():
        end -= 1
    return begin, end


def put(lines: list[str], path: Sequence[str], new: Sequence[str]) -> list[str]:
    """Lines of the file in which a key's block is another; one that is new stands at the end of its parent's."""
    begin, end = place(lines, path)
    gap = [""] if begin == end and len(path) == 2 and path[0] == "defaults" else []
    return [*lines[:begin], *gap, *new, *lines[end:]]


def written(text: str) -> str:
    """params.yaml with the declared sections as declared; everything else as it is."""
    lines = text.rstrip("\n").split("\n")
    for name, model in declared().items():
        *parents, last = name.split(".")
        lines = put(lines, ["defaults", *parents, last], section_lines(last, model, 2 * len(parents) + 2))
    for scale, sections in overrides().items():
        for name, values in sections.items():
            lines = put(lines, ["scales", scale, name], value_lines(name, values, "", 4))
    return "\n".join(lines) + "\n"


def described(system: str) -> str:
    """A system's sections as they would stand under `defaults` of params.yaml: what can be overridden there.

    Raises:
        RescoreError: there is no such system, or it has no settings.
    """
    known = {**found(), **found_outside()}
    if system not in known:
        raise RescoreError(f"settings: no system '{system}' that has any, {nearest(system, known)}")
    sections = declared({system: known[system]})
    return "\n".join(line for name, model in sections.items() for line in section_lines(name, model, 2))


def schema_text() -> str:
    return HEAD + yaml.safe_dump(schema(), sort_keys=False, width=WIDTH)


def write(root: Path = Path()) -> list[str]:
    """Write both files where they differ from what is declared; their names."""
    wanted = {PARAMS: written((root / PARAMS).read_text(encoding="utf-8")), DECLARED_SCHEMA: schema_text()}
    changed = [
        path
        for path, text in wanted.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    for path in changed:
        (root / path).write_text(wanted[path], encoding="utf-8")
    return [path.as_posix() for path in changed]
