"""Test processes share the machine: a file's tests stay together (fixtures are made once), the longest files go first."""

import os
import tempfile
from pathlib import Path

import pytest

from rescore.engine import arithmetic

# Before any test loads NumPy or torch: tests hold numbers against the reference's. One thread a process; the processes fill the
# machine by themselves.
arithmetic.prepare()

LONGEST = (
    "test_workflow.py",
    "test_cluster.py",
    "test_matrix.py",
    "test_states.py",
    "test_places.py",
    "test_official.py",
    "test_remotes.py",
    "test_dvc.py",
    "test_broadcasts.py",
    "test_explain_mtl_aqa.py",
    "test_parity.py",
    "test_outside_the_tree.py",
    "test_score_dive.py",
    "test_end_to_end.py",
    "test_rehearse.py",
)


@pytest.fixture
def public_path():
    """A folder that every user may enter: pytest's own are closed to others, at each start of another pytest anew."""
    with tempfile.TemporaryDirectory(prefix="rescore-test-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)
