"""params.yaml with the sections of systems outside of the tree: their defaults apply, and what stands in the file overrides them.

Where there are no such systems this is engine.parameters, which knows none.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rescore.engine import mounting, parameters
from rescore.engine.errors import raise_together
from rescore.engine.parameters import Settings, merge

REMEDY = "mend the settings.py of the system."


def load(
    path: Path = Path("params.yaml"), scale: str | None = None, schema: Path = parameters.SCHEMA
) -> tuple[str, Settings]:
    """`engine.parameters.load`, with the settings of systems outside of the tree.

    Raises:
        RescoreError: the file is missing, not YAML, or has wrong parameters, or a system declares sections that cannot be.
    """
    return from_config(parameters.read_values(parameters.read_yaml(path), path), scale, schema, str(path))


def from_config(config: Mapping[str, Any], scale: str | None, schema: Path, source: str) -> tuple[str, Settings]:
    """`load` for a config that is already read."""
    if not mounting.mounted("settings.py"):
        return parameters.from_config(config, scale, schema, source)
    with tempfile.TemporaryDirectory(prefix="rescore-schema-") as folder:
        chosen, settings = parameters.from_config(config, scale, widened(schema, Path(folder)), source)
    completed = laid_over_defaults(config, chosen, settings)
    raise_together("settings of systems outside of the tree", wrong_defaults(completed), REMEDY)
    return chosen, completed


def resolve(config: Mapping[str, Any], scale: str) -> Settings:
    """`engine.parameters.resolve`, with the settings of systems outside of the tree."""
    return laid_over_defaults(config, scale, parameters.resolve(config, scale))


def widened(schema: Path, folder: Path) -> Path:
    """The schema of params.yaml, written to a folder, in which sections of systems outside of the tree may stand.

    Raises:
        RescoreError: a section is another's already, or would stand in one that there is none of; all together.
    """
    from rescore.systems import settings  # loads pydantic, which most commands do without

    beside = schema.with_name(parameters.DECLARED_SCHEMA.name)
    base, tree = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (schema, beside))
    problems, modules = [], settings.found_outside()
    files = {section: module.__file__ for module in modules.values() for section in module.SETTINGS}
    for name, section in settings.schema(settings.declared(modules)).items():
        *parents, last = name.split(".")
        inside = base["properties"]["defaults"]
        for parent in parents:
            inside = inside.get("properties", {}).get(parent, {})
        if "properties" not in inside:
            problems.append(f"{files[name]}: section {name}: params.yaml has no section {'.'.join(parents)}")
        elif last in inside["properties"] or name in tree:
            problems.append(f"{files[name]}: section {name} is another's already; rename it")
        else:
            inside["properties"][last] = parameters.optional(section)
    raise_together("settings of systems outside of the tree", problems, REMEDY)
    for path, content in ((schema, base), (beside, tree)):
        (folder / path.name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder / schema.name


def laid_over_defaults(config: Mapping[str, Any], scale: str, settings: Settings) -> Settings:
    """Resolved settings over what systems outside of the tree declare for a scale and those that it extends."""
    if not mounting.mounted("settings.py"):
        return settings
    from rescore.systems import settings as declarations

    modules, beneath = declarations.found_outside(), dict[str, Any]()
    for section, model in declarations.declared(modules).items():
        values: Any = declarations.defaults_of(model)
        for key in reversed(section.split(".")):
            values = {key: values}
        beneath = merge(beneath, values)
    chain = [scale]
    while extended := (config["scales"][chain[0]] or {}).get("extends"):
        chain.insert(0, extended)
    for name in chain:
        for module in modules.values():
            beneath = merge(beneath, getattr(module, "SCALES", {}).get(name, {}))
    return parameters.with_paths_expanded(merge(beneath, settings))


def wrong_defaults(settings: Settings) -> list[str]:
    """What systems outside of the tree set by themselves though their own declarations refuse it."""
    import pydantic

    from rescore.systems import settings as declarations

    problems = []
    for section, model in declarations.declared(declarations.found_outside()).items():
        value: Any = settings
        for key in section.split("."):
            value = value[key]
        try:
            model.model_validate(value)
        except pydantic.ValidationError as error:
            problems += [
                f"{'.'.join(map(str, [section, *one['loc']]))}: {one['msg']}" for one in error.errors(include_url=False)
            ]
    return problems
