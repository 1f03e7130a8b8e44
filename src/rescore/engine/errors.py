"""The one exception for what a user can mend: a wrong parameter, a bad file, a full disk."""

from collections.abc import Sequence


class RescoreError(Exception):
    """A mistake in input or environment: the message names file, row and remedy; the CLI prints it without a traceback."""


def raise_together(heading: str, problems: Sequence[str], remedy: str) -> None:
    """Raise one RescoreError that lists every problem of a step, or do nothing when there is none.

    Raises:
        RescoreError: `problems` is not empty.
    """
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise RescoreError(f"{heading} ({len(problems)}):\n{lines}\nRemedy: {remedy}")
