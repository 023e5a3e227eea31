"""Drawings, by what is in the axes and not by pixels."""
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_hex, to_rgb

from distill_kit import plotting

ROWS = [{"kind": "epoch", "epoch": epoch, "train_loss": 3 / epoch, "train_hard": 2 / epoch, "train_soft": None,
         "val_loss": 2.0, "val_hard": 1.0, "val_soft": 1.5, "val_accuracy": accuracy, "train_accuracy": 0.5,
         "val_agreement": 0.6} for epoch, accuracy in ((1, 0.3), (2, 0.5), (3, 0.45))]
LIGHT = {"kind": "step", "epoch": 1, "steps": 5, "train_loss": 99.0}


@pytest.fixture
def ax():
    return plotting.new_figure()[1][0]


def lines_of(ax):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.get_lines()}


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def test_neither_torch_nor_pyplot_is_needed():
    subprocess.run([sys.executable, "-c", """
import sys
from distill_kit import plotting
figure, (ax,) = plotting.new_figure()
plotting.curves({"run": [{"epoch": 1, "val_accuracy": 0.5}]}, "val_accuracy", ax)
plotting.image([[[0]], [[0]], [[0]]], ax)
figure.canvas.draw()
assert "matplotlib.pyplot" not in sys.modules and "torch" not in sys.modules"""], check=True)


def test_curves_draw_one_line_a_run_over_its_epochs(ax):
    other = [{"epoch": 1, "val_accuracy": 0.2}, {"epoch": 2, "val_accuracy": 0.4}]
    assert plotting.curves({"taught": [LIGHT, *ROWS], "alone": other}, "val_accuracy", ax) is ax
    assert lines_of(ax) == {"taught": ([1, 2, 3], [0.3, 0.5, 0.45]), "alone": ([1, 2], [0.2, 0.4])}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "validation accuracy")


def test_light_rows_are_not_drawn(ax):
    plotting.curves({"run": [LIGHT, *ROWS]}, "train_loss", ax)
    assert lines_of(ax) == {"run": ([1, 2, 3], [3, 1.5, 1])}


def test_each_line_is_named_at_its_end_in_its_colour(ax):
    plotting.curves({"taught": ROWS, "alone": [{"epoch": 4, "val_accuracy": 0.2}]}, "val_accuracy", ax)
    colours = {line.get_label(): line.get_color() for line in ax.get_lines()}
    assert sorted(texts_of(ax)) == ["alone 0.200", "taught 0.450"]
    for text in ax.texts:
        shade, line = to_rgb(text.get_color()), to_rgb(colours[text.get_text().split()[0]])
        assert rgb_to_hsv(shade)[:2] == pytest.approx(rgb_to_hsv(line)[:2])  # the same hue, dark enough for text
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in shade]
        assert 1.05 / (0.05 + np.dot(linear, (0.2126, 0.7152, 0.0722))) >= 4.5       # WCAG 2's contrast with white
    assert {text.xy for text in ax.texts} == {(4, 0.2), (3, 0.45)}


def test_names_of_lines_that_end_together_do_not_overlap(ax):
    plotting.curves({name: [{"epoch": 1, "val_accuracy": 0.2 + 0.001 * k}, {"epoch": 2, "val_accuracy": 0.5}]
                     for k, name in enumerate("abcd")}, "val_accuracy", ax)
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(upper.y0 >= lower.y1 - 2 for lower, upper in zip(boxes, boxes[1:]))


def test_values_that_do_not_exist_are_left_out(ax):
    rows = [{"epoch": 1, "val_soft": None}, {"epoch": 2, "val_soft": float("nan")}, {"epoch": 3, "val_soft": 1.0},
            {"epoch": 4}]
    plotting.curves({"run": rows, "empty": rows[:1]}, "val_soft", ax)
    assert lines_of(ax)["run"] == ([3], [1.0]) and texts_of(ax) == ["run 1.000"]


def test_a_run_without_rows_can_be_drawn(ax):
    plotting.curves({"run": []}, "val_accuracy", ax)
    plotting.loss_terms([], ax)
    ax.figure.canvas.draw()
    assert lines_of(ax) == {} and texts_of(ax) == []


def test_lines_are_told_apart_without_colour_too(ax):
    plotting.curves({str(k): ROWS for k in range(7)}, "val_accuracy", ax)
    looks = {(str(line._dash_pattern), line.get_marker()) for line in ax.get_lines()}
    assert len(looks) == 7 and len({to_hex(line.get_color()) for line in ax.get_lines()}) == 7


def test_loss_terms_draw_what_there_is(ax):
    assert plotting.loss_terms(ROWS, ax, "val") is ax
    assert lines_of(ax) == {"total": ([1, 2, 3], [2.0] * 3), "hard": ([1, 2, 3], [1.0] * 3),
                            "soft": ([1, 2, 3], [1.5] * 3)}
    assert ax.get_ylabel() == "validation loss"


def test_loss_terms_without_a_teacher_have_no_soft_line(ax):
    plotting.loss_terms(ROWS, ax)
    assert lines_of(ax).keys() == {"total", "hard"} and lines_of(ax)["hard"][1] == [2, 1, 2 / 3]


def test_a_run_at_a_glance_has_losses_and_accuracies():
    figure = plotting.run_figure([LIGHT, *ROWS], "T = 4")
    assert figure.get_suptitle() == "T = 4" and len(figure.axes) == 3
    assert lines_of(figure.axes[2]) == {"validation": ([1, 2, 3], [0.3, 0.5, 0.45]), "training": ([1, 2, 3], [0.5] * 3),
                                        "agreement": ([1, 2, 3], [0.6] * 3)}


def test_an_image_is_drawn_as_it_is(ax):
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    assert plotting.image(pixels, ax, "cat") is ax
    assert np.array_equal(ax.get_images()[0].get_array(), np.moveaxis(pixels, 0, -1)) and ax.get_title() == "cat"


def test_new_figure_has_axes_side_by_side():
    figure, axes = plotting.new_figure(3)
    assert len(axes) == 3 and all(ax.figure is figure for ax in axes)


def test_a_line_without_values_takes_no_other_lines_colour(ax):
    plotting.curves({"empty": [], "run": ROWS}, "val_accuracy", ax)
    alone = plotting.curves({"first": ROWS, "run": ROWS}, "val_accuracy", plotting.new_figure()[1][0])
    assert [line.get_color() for line in ax.get_lines()] == [alone.get_lines()[1].get_color()]


@pytest.mark.parametrize("value, text", [(0.4567, "0.457"), (0, "0.000"), (0.00042, "0.0004"), (-0.00042, "-0.0004"),
                                         (9.8765, "9.877"), (123.4, "123"), (-20.06, "-20.1")])
def test_values_are_written_in_three_digits_or_so_and_tiny_ones_not_as_zero(value, text):
    assert plotting.short(value) == text
