import pytest
import torch
from start_copy import called, commands, kit  # noqa: F401 (fixtures of the tests of start.py)


@pytest.fixture
def global_random_state_untouched():
    """torch's global random state is not moved by the test."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())
