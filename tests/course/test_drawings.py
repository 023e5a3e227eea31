"""Drawings of the lessons, by what is in the axes and not by pixels."""
from types import SimpleNamespace

import numpy as np
import pytest

from distill_course import drawings
from distill_kit import plotting


def test_probabilities_are_bars_as_long_as_they_are():
    _, (ax,) = plotting.new_figure()
    shares = {"T = 1": np.array([0.9, 0.1, 0.0]), "T = 4": np.array([0.5, 0.3, 0.2])}
    assert drawings.probability_bars(shares, ("cat", "dog", "frog"), ax, label=1) is ax
    bars = {container.get_label(): [bar.get_width() for bar in container] for container in ax.containers}
    assert bars == {name: pytest.approx(list(values)) for name, values in shares.items()}
    names = ax.get_yticklabels()
    assert [name.get_text() for name in names] == ["cat", "dog", "frog"]
    assert [name.get_fontweight() for name in names] == ["normal", "bold", "normal"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["T = 1", "T = 4"]
    first, second = (container[0] for container in ax.containers)
    assert first.get_y() + first.get_height() == pytest.approx(second.get_y())  # side by side, not one over the other


def test_differences_show_every_seed_the_mean_and_the_interval():
    pairs = [SimpleNamespace(arm="one", differences=[1.0, 2.0], mean=1.5, low=-0.5, high=3.5),
             SimpleNamespace(arm="two", differences=[-1.0, 0.0], mean=-0.5, low=-1.5, high=0.5)]
    _, (ax,) = plotting.new_figure()
    drawings.differences(pairs, ax)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert [bar.get_x() for bar in ax.patches] == [-0.5, -1.5] and ax.patches[0].get_width() == 4
    assert list(ax.lines[0].get_xdata()) == [1.0, 2.0] and list(ax.lines[1].get_xdata()) == [1.5, 1.5]


def test_seeds_go_through_their_means_and_a_map_shows_its_numbers():
    _, (left, right) = plotting.new_figure(2)
    drawings.seeds({"run": {4.0: [0.5, 0.7], 1.0: [0.2, 0.4]}}, left, "T", "accuracy")
    assert list(left.lines[0].get_xdata()) == [1.0, 4.0] and left.lines[0].get_ydata() == pytest.approx([30, 60])
    assert left.get_ylabel() == "accuracy, %" and "run 60.0 %" in [text.get_text() for text in left.texts]
    drawings.heat_map([[1.0, 2.0], [3.0, 4.0]], [1, 2], ["a", "b"], right, "x", "y")
    assert sorted(text.get_text() for text in right.texts) == ["1.0", "2.0", "3.0", "4.0"]
