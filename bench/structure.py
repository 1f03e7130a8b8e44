"""The measures of the house: lines of code and of rules, sizes of functions, and what an edit makes stale.

    python bench/structure.py [--against COMMIT]     a second; with a commit, its measures stand beside

A line of code is one on which a token stands that is no comment and no docstring. What an edit makes stale is counted from the
hashes that rules carry: for each module, with a comment and a docstring added, the steps whose hash changes. Prints a Markdown
table.
"""

import argparse
import ast
import io
import re
import subprocess
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from rescore.datasets import registry as datasets
from rescore.engine import parameters, provenance
from rescore.systems import registry

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
ATHLETE = ("src/synthetic_athlete", "src/rescore/manifests/synthetic")


def docstring_lines(tree: ast.AST) -> set[int]:
    """Lines of every text that stands alone as a statement."""
    alone = (node for node in ast.walk(tree) if provenance.is_text(node))
    return {line for node in alone for line in range(node.lineno, node.end_lineno + 1)}


def code_lines(path: Path) -> int:
    """Lines of a module on which something stands that is neither a comment nor a docstring."""
    text = path.read_text(encoding="utf-8")
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for token in tokens if token.type not in LAYOUT for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - docstring_lines(ast.parse(text)))


def functions(path: Path) -> Iterator[tuple[int, int, str]]:
    """Lines, arguments and name of each function of a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
            yield (
                node.end_lineno - node.lineno + 1,
                len(names) - bool(names and names[0].arg in ("self", "cls")),
                node.name,
            )


def rule_lines(root: Path) -> int:
    """Lines of the Snakefile and of the rules that are neither empty nor a comment."""
    files = [root / "Snakefile", *sorted((root / "workflow/rules").glob("*.smk"))]
    lines = [line.strip() for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


def steps(root: Path) -> list[str]:
    """Every step that a rule, a system's or a data set's declaration names, as room.module.function."""
    texts = (file.read_text(encoding="utf-8") for file in sorted((root / "workflow/rules").glob("*.smk")))
    named = {name for text in texts for name in re.findall(r'"([a-z_0-9]+(?:\.[a-z_0-9]+){2,})[ "]', text)}
    known = {name for name in named if provenance.module_path(provenance.module_of(name))}
    scales = [parameters.load(root / "params.yaml", scale, root / parameters.SCHEMA) for scale in ("demo", "paper")]
    declared = (one.steps(*scale) for one in datasets.found().values() for scale in scales)
    of_data = {step.function for rules in declared for step in rules.values()}
    return sorted(known | of_data | {experiment.step for experiment in registry.experiments()})


def stale_after_words(root: Path) -> int:
    """Most steps whose hash changes when a comment and a docstring are added to a module, over all modules."""
    reached = {step: provenance.import_closure(provenance.module_of(step)) for step in steps(root)}
    most = 0
    for path in {path for closure in reached.values() for path in closure if path.suffix == ".py"}:
        text = path.read_text(encoding="utf-8")
        edited = ast.parse(f'{text}\n# a comment\n"""What it is."""\n')
        if provenance.meaning(edited) != provenance.meaning(ast.parse(text)):
            most = max(most, sum(path in closure for closure in reached.values()))
    return most


def measures(root: Path) -> dict[str, object]:
    """All measures of a checkout but what is stale."""
    modules = sorted((root / "src").rglob("*.py"))
    own = [path for path in modules if not path.relative_to(root).as_posix().startswith(ATHLETE)]
    found = [function for path in own for function in functions(path)]
    lengths, arguments = ([function[place] for function in found] for place in (0, 1))
    longest, widest = max(found), max(found, key=lambda function: function[1])
    return {
        "code lines of src, athlete apart": sum(map(code_lines, own)),
        "code lines of the athlete": sum(map(code_lines, set(modules) - set(own))),
        "lines of rules": rule_lines(root),
        "functions": len(found),
        "lines of a function: median, 95th percentile": "{:g}, {:g}".format(*np.percentile(lengths, [50, 95])),
        "longest function": f"{longest[0]} ({longest[2]})",
        "functions over 60 lines": sum(length > 60 for length in lengths),
        "most arguments": f"{widest[1]} ({widest[2]})",
        "functions over 8 arguments": sum(count > 8 for count in arguments),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", help="a commit")
    options = parser.parse_args()
    columns = {
        "now": measures(Path()) | {"most steps stale after a comment and a docstring": stale_after_words(Path())}
    }
    if options.against:
        with tempfile.TemporaryDirectory() as folder:
            archive = subprocess.run(["git", "archive", options.against], check=True, stdout=subprocess.PIPE).stdout
            subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
            columns = {options.against: measures(Path(folder)), **columns}
    rows = [[name, *(column.get(name, "") for column in columns.values())] for name in columns["now"]]
    print(tabulate(rows, headers=["measure", *columns], tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
