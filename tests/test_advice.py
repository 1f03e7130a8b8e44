"""No message on what users brought (data, labels, videos, parameters) advises to delete it: it may be the only copy."""

import ast
import re
from pathlib import Path

import pytest

from rescore.engine import provenance

READ_WHAT_USERS_BRING = ["sources", "manifests", "datasets", "clips", "engine/parameters.py"]
ADVICE = re.compile(r"\b(delete|remove|erase) (it|them|that|the|this|both)\b", re.IGNORECASE)


def modules() -> list[Path]:
    places = [provenance.ROOT / name for name in READ_WHAT_USERS_BRING]
    return sorted(file for place in places for file in ([place] if place.is_file() else place.rglob("*.py")))


def messages(module: Path) -> list[str]:
    """The text constants of a module that are no docstrings."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone)
    return [node.value for node in constants if isinstance(node.value, str)]


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(provenance.ROOT)))
def test_no_message_advises_to_delete(module: Path) -> None:
    assert [text for text in messages(module) if ADVICE.search(text)] == []
