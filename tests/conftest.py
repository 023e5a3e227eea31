import os

# The number of threads is not chosen by how busy the machine is: runs that are compared are to have equal ones. This is
# read when distill_kit and torch are imported.
os.environ.setdefault("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))

import sys

import pytest
import torch
from start_copy import called, commands, kit  # noqa: F401 (fixtures of the tests of start.py)


@pytest.fixture
def global_random_state_untouched():
    """torch's global random state is not moved by the test."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())


def pytest_terminal_summary(terminalreporter):
    """Say how many hostile inputs each reader accepted and refused."""
    counts = getattr(sys.modules.get("hostile"), "COUNTS", {})
    for reader, verdicts in counts.items():
        terminalreporter.write_line(f"hostile input, {reader}: " + ", ".join(
            f"{number:,} {verdict}" for verdict, number in sorted(verdicts.items()) if number))
