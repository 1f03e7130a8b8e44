"""How a step is called: the options that a function's signature stands for, and the call with their values."""

import argparse
import collections.abc
import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any


def without_none(annotation: Any) -> Any:
    """`Path` of `Path | None`; other types as they are."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    return kinds[0] if isinstance(annotation, types.UnionType) and len(kinds) == 1 else annotation


def convert(annotation: Any) -> Callable[[str], Any]:
    """How one command-line word becomes a value of a step parameter's type."""
    if annotation is dict or typing.get_origin(annotation) in (dict, collections.abc.Mapping):
        return json.loads
    return annotation if callable(annotation) else str


def options_of(function: Callable[..., Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and default of each option of a step; a parameter that is a dataclass stands for its fields."""
    hints = typing.get_type_hints(function)
    for parameter in inspect.signature(function).parameters.values():
        annotation = without_none(hints[parameter.name])
        if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
            yield from options_of(annotation)
        else:
            yield parameter.name, annotation, parameter.default


def step_parser(function: Callable[..., Any], name: str) -> argparse.ArgumentParser:
    """A parser made from a step function's signature: `--name value` per parameter, lists taking several values."""
    parser = argparse.ArgumentParser(f"rescore step {name}", description=inspect.getdoc(function))
    for option, annotation, default in options_of(function):
        several = typing.get_origin(annotation) in (list, collections.abc.Sequence)
        kind = typing.get_args(annotation)[0] if several else annotation
        required = default is inspect.Parameter.empty
        parser.add_argument(
            f"--{option.replace('_', '-')}",
            dest=option,
            type=convert(kind),
            required=required,
            default=None if required else default,
            nargs="*" if several else None,
        )
    return parser


def call_step(function: Callable[..., Any], **values: Any) -> None:
    """Call a step with the values of its options; a parameter that is a dataclass is made of its fields'."""
    for name, hint in typing.get_type_hints(function).items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            fields = [field.name for field in dataclasses.fields(hint) if field.name in values]
            values[name] = hint(**{field: values.pop(field) for field in fields})
    function(**values)
