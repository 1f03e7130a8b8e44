"""Test processes share the machine: a file's tests stay together (fixtures are made once), the longest files go first."""

import os

import pytest

LONGEST = (
    "test_workflow.py",
    "test_dvc.py",
    "test_matrix.py",
    "test_remotes.py",
    "test_official.py",
    "test_gpu.py",
    "test_multitask.py",
    "test_page_browser.py",
)
SHARED = {"test_dvc.py": "test_workflow.py"}
"""Files that take part in another one's group, because they share a finished run of the whole workflow."""

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the processes fill the machine by themselves


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(SHARED.get(item.path.name, item.path.name)))
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))
