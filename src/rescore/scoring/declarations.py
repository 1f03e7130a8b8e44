"""YAML files that declare what is checked (claims, facts, comparisons, aggregates): one reader, one check of their form."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from rescore.engine.errors import RescoreError, raise_together
from rescore.engine.parameters import describe, quickly, spelling_problems

Entry = dict[str, Any]
LONGEST = 200
"""Characters of one problem: a schema's message may quote a whole entry."""


def mapping(required: dict[str, Any], optional: dict[str, Any] | None = None) -> Entry:
    """JSON schema of a mapping with no other keys."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


TEXT = {"type": "string", "minLength": 1}
NAMES = {"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}
CELLS = mapping({"table": {"type": "string"}, "rows": NAMES, "columns": NAMES})


def read_declarations(
    path: Path,
    schema: Entry,
    what: str,
    described_in: str,
    further: Callable[[Entry], Iterator[str]] = lambda entry: iter(()),
) -> Any:
    """Read and check a file of declarations.

    Args:
        schema: JSON schema of the whole file. Entries of a list have an `id`, which no two share.
        what: what the entries are, for errors (`claims`).
        described_in: the module that describes their form.
        further: problems of an entry of a list that the schema does not see, without the entry's name.

    Returns:
        The file's content, in the form of the schema.

    Raises:
        RescoreError: the file is missing, not YAML, or has not this form: every problem together, by entry.
    """
    import jsonschema

    try:
        text = path.read_text(encoding="utf-8")
        content, spelled = quickly(yaml.load, text), spelling_problems(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RescoreError(
            f"{path}: not a readable YAML file ({error}). Save it as UTF-8, indented with spaces."
        ) from error
    raise_together(f"{path}: bad {what}", spelled, "mend the file.")
    errors = jsonschema.Draft202012Validator(schema).iter_errors(content)
    problems = [problem_of(error, content)[:LONGEST] for error in errors]
    if not problems and isinstance(content, list):
        names = pd.Series([entry["id"] for entry in content], dtype=object)
        problems = [f"{name}: two {what} with this id" for name in names[names.duplicated()]]
        problems += [f"{entry['id']}: {problem}" for entry in content for problem in further(entry)]
    raise_together(f"{path}: bad {what}", problems, f"mend the file; {described_in} describes it.")
    return content


def problem_of(error: Any, content: Any) -> str:
    """One line for a schema violation: the entry, what is wrong, and the nearest valid key."""
    where, steps = describe(error), list(error.absolute_path)
    return where if isinstance(content, dict) else f"{place_of(steps, content)}: {where.partition(': ')[2]}"


def place_of(steps: list[str | int], content: Any) -> str:
    """Where in a file a problem is: `state_of_the_art, statement.compare`; an entry without an id by its number, from 1."""
    if not steps or not isinstance(steps[0], int):
        return ".".join(map(str, steps)) or "top level"
    entry, rest = content[steps[0]], ".".join(map(str, steps[1:]))
    known = isinstance(entry, dict) and isinstance(entry.get("id"), str)
    return ", ".join(filter(None, [entry["id"] if known else f"entry {steps[0] + 1}", rest]))
