import pytest
import torch


@pytest.fixture
def global_random_state_untouched():
    """torch's global random state is not moved by the test."""
    before = torch.random.get_rng_state()
    yield
    assert torch.equal(before, torch.random.get_rng_state())
