"""The lab's widgets, moved as a browser would move them, without one."""
import itertools
import sys
import threading
import time

import ipywidgets as widgets
import pytest
from small import ColourTeacher
from small_lab import DATASET, LITTLE, cell_of, lab_of, with_cells

from distill_course.lab import Lab
from distill_course.lab.worker import FINISHED


@pytest.fixture
def lab(tmp_path):
    return lab_of(tmp_path)


def finished(lab):
    lab.session.join(60)
    return lab.session.live


def test_a_slider_trains_and_the_picture_follows(lab):
    pictures = []
    lab.panel.picture.observe(lambda change: pictures.append(bytes(change["new"])), "value")
    lab.panel.sliders["alpha"].value = 0.5
    live = finished(lab)
    assert live.state == FINISHED and live.settings.alpha == 0.5
    assert len(pictures) >= 2 and pictures[-1].count(b"<polyline") == 2 and pictures[-1].startswith(b"<svg")
    assert "against" in lab.panel.verdict.value and "Done." in lab.panel.state.value


def test_a_preset_moves_the_sliders_and_says_why(lab):
    button, = [button for preset, button in lab.panel.presets if preset.name == "Believe the labels"]
    assert button.description == "Believe the labels" and button in buttons(lab)
    button.click()
    assert finished(lab).settings.alpha == 1.0 and lab.panel.sliders["alpha"].value == 1.0
    assert "The student learns the false ones" in lab.panel.why.value and len(lab.session.runs) == 1


def test_a_line_of_the_table_sets_its_values_again(lab):
    lab.panel.sliders["alpha"].value = 0.5
    finished(lab)
    lab.panel.sliders["alpha"].value = 0.9
    finished(lab)
    assert [run for _, run in lab.panel.table.options] == lab.session.runs[::-1] and lab.panel.table.value is None
    lab.panel.table.value = lab.session.runs[0]
    assert finished(lab).settings.alpha == 0.5 and lab.panel.sliders["alpha"].value == 0.5
    assert len(lab.session.runs) == 3
    lab.panel.again.value = "2"
    assert finished(lab).settings.alpha == 0.9 and lab.panel.sliders["alpha"].value == 0.9
    assert lab.panel.again.value == ""
    lab.panel.again.value = "17"
    assert "There is no run 17; there are 4." in lab.panel.why.value and len(lab.session.runs) == 4


def test_a_seed_can_be_typed_and_what_is_none_is_refused(lab):
    lab.panel.seed.value = "3"
    assert finished(lab).settings.seed == 3
    lab.panel.seed.value = "three"
    assert "seed must be a whole number from 0; got" in lab.panel.why.value and lab.panel.seed.value == "3"
    assert len(lab.session.runs) == 1


def test_buttons_that_have_nothing_to_do_say_so(lab):
    for name, words in (("Pin", "no run yet that could be pinned"),
                        ("Download my runs", "no run yet that could be saved"),
                        ("Open the test images", "no run yet that could be measured")):
        lab.panel.buttons[name].click()
        assert words in lab.panel.why.value and lab.session.runs == []


def test_a_pin_is_let_go_by_a_second_press(lab):
    lab.panel.sliders["alpha"].value = 0.5
    finished(lab)
    pin = lab.panel.buttons["Pin"]
    pin.click()
    assert lab.session.pinned == lab.session.runs and "Run 1 stays in the picture." in lab.panel.why.value
    pin.click()
    assert lab.session.pinned == [] and "Run 1 is let go." in lab.panel.why.value


def test_what_was_measured_is_said_at_once_and_what_cannot_be_told_apart_of_the_slider_moved_last(lab):
    with_cells(lab.session, {0.3: cell_of(0.60), 0.5: cell_of(0.605, order=(1, -2, 2, 0, -1)), 0.7: cell_of(0.7)})
    lab.session.worker.quiet = 60.0  # nothing is trained yet
    lab.panel.sliders["alpha"].value = 0.5
    assert "Measured at these values: 60.5 %, 95 % interval 59.9 % to 61.1 % (5 seeds)" in lab.panel.measured.value
    assert "alpha from 0.3 to 0.5 cannot be told apart" in lab.panel.measured.value
    picture = bytes(lab.panel.picture.value)
    assert picture.count(b"<polygon") == 1 and b"5 seeds 60.5 %" in picture and b"tiny, 2026-01-01" in picture
    lab.panel.sliders["alpha"].value = 0.7
    assert "70.0 %" in lab.panel.measured.value and "told apart" not in lab.panel.measured.value
    lab.panel.sliders["alpha"].value = 0.9
    assert "the atlas has no runs of these values" in lab.panel.measured.value
    assert b"<polygon" not in bytes(lab.panel.picture.value)
    lab.session.in_atlas = False
    lab._refresh()
    assert "the atlas is of CIFAR-10 and the shipped teacher" in lab.panel.measured.value


def test_a_number_between_two_stops_can_be_typed_and_its_slider_follows(lab):
    box, slider = lab.panel.typed["alpha"], lab.panel.sliders["alpha"]
    box.value = "0.25"
    assert slider.value == lab.session.values["alpha"] == 0.25 and slider.options == (0.0, 0.1, 0.25, 0.3, 0.5, 0.7,
                                                                                      0.9, 1.0)
    box.value = "1.25"
    assert box.value == "0.25" and "or a number between; got &#x27;1.25&#x27;" in lab.panel.why.value
    lab.panel.typed["label_noise"].value = "much"
    assert "got" in lab.panel.why.value and lab.session.values["label_noise"] == 0.4
    finished(lab)


def test_a_code_pasted_brings_its_run_and_a_bad_one_is_refused_in_words(lab):
    lab.panel.code.value = "alpha/alpha=0.25/label_noise=0.2/seed=4"
    live = finished(lab)
    assert (live.settings.alpha, live.settings.label_noise, live.settings.seed) == (0.25, 0.2, 4)
    assert lab.panel.code.value == "alpha/alpha=0.25/label_noise=0.2/seed=4"
    lab.panel.code.value = "alpha/alpha=7"
    assert "alpha must be one of" in lab.panel.refused.value and lab.session.values["alpha"] == 0.25
    lab.panel.code.value = "alpha/alpha=0.5/label_noise=0.2/seed=4"
    assert lab.panel.refused.value == ""


def test_what_the_lab_itself_writes_is_no_order(lab, monkeypatch):
    """A code that is out of date when the worker's thread writes it must not set the old values again."""
    orders, current = [], lab.session.code()
    codes = itertools.chain(["alpha/alpha=0.9/label_noise=0.4/seed=0"], itertools.repeat(current))
    monkeypatch.setattr(lab.session, "code", lambda: next(codes))
    monkeypatch.setattr(lab.session, "move", lambda **values: orders.append(values))
    lab._refresh()
    assert not orders and lab.panel.code.value == "alpha/alpha=0.9/label_noise=0.4/seed=0"


def test_moving_every_slider_at_once_leaves_one_thread(lab):
    for value in (0.9, 0.7, 0.3, 0.5):
        lab.panel.sliders["alpha"].value = value
        time.sleep(0.01)
    assert finished(lab).settings.alpha == 0.5
    assert [run.state for run in lab.session.runs].count(FINISHED) == 1


def test_every_control_has_a_name_and_every_button_says_what_it_does(lab):
    assert all(slider.tooltip for slider in lab.panel.sliders.values())
    boxes = *lab.panel.typed.values(), lab.panel.seed, lab.panel.again, lab.panel.code
    assert all(box.description and box.tooltip for box in boxes)
    assert all(button.description and button.tooltip for button in buttons(lab))
    every = [*lab.panel.buttons.values(), *(button for _, button in lab.panel.presets)]
    assert set(every) == set(buttons(lab)) and len(every) == len(lab.panel.buttons) + 3
    assert all(name == button.description for name, button in lab.panel.buttons.items())


def test_where_no_widget_can_be_shown_there_are_words_and_a_picture(lab):
    bundle = lab._repr_mimebundle_()
    assert bundle["text/plain"].startswith(lab.session.experiment.question)
    assert "src='data:image/svg+xml;base64,PHN2Zy" in bundle["text/html"] and "alt='" in bundle["text/html"]
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.panel.box.model_id


def test_a_code_makes_a_lesson(tmp_path):
    lab = Lab("alpha/alpha=0.5/seed=2/hide=label_noise/lock=alpha", DATASET, ColourTeacher(), folder=tmp_path)
    assert lab.panel.sliders["alpha"].value == 0.5 and lab.panel.sliders["alpha"].disabled and lab.session.seed == 2
    assert lab.panel.rows["label_noise"].layout.display == "none"
    between = Lab("alpha/alpha=0.25", DATASET, ColourTeacher(), folder=tmp_path).panel
    assert between.sliders["alpha"].value == 0.25 and between.typed["alpha"].value == "0.25"


def test_runs_can_be_saved_from_the_browser(lab):
    lab.panel.sliders["alpha"].value = 0.5
    finished(lab)
    lab.panel.buttons["Download my runs"].click()
    assert "download='distill_kit-runs.zip'" in lab.panel.offer.value and "Save 1 runs" in lab.panel.offer.value


def test_a_value_can_be_typed_and_one_that_cannot_be_is_refused_in_words(lab):
    lab.panel.typed["alpha"].value = "0.50"
    assert finished(lab).settings.alpha == 0.5 and lab.panel.sliders["alpha"].value == 0.5
    for text in ("1.23", "half"):
        lab.panel.typed["alpha"].value = text
        assert "alpha must be one of 0.0, 0.1" in lab.panel.why.value and text in lab.panel.why.value
        assert lab.panel.typed["alpha"].value == "0.5" == str(lab.session.values["alpha"])
    lab.panel.sliders["alpha"].value = 0.7
    assert lab.panel.typed["alpha"].value == "0.7"


def test_what_needs_no_training_follows_a_slider_at_once(lab):
    lab.session.worker.quiet = 60.0
    before = lab.panel.softness.value
    lab.panel.sliders["alpha"].value = 0.9
    assert "At alpha = 0.9" in lab.panel.softness.value != before and lab.session.live.state == "waiting"
    lab.session.stop()


def test_another_image_or_every_class_may_stand_beside_the_curves(lab):
    lab.run(alpha=0.5)
    seen = set()
    for _, place in lab.panel.beside.options:
        lab.panel.beside.value = place
        seen.add(bytes(lab.panel.picture.value))
    assert len(seen) == len(lab.panel.beside.options) and b"Right, of each class" in bytes(lab.panel.picture.value)


def test_an_error_is_a_sentence_with_its_traceback_behind_a_fold(lab):
    lab.session.fixed["learning_rate"] = 1e30
    with pytest.raises(FloatingPointError):
        lab.run(alpha=0.5)
    assert "That failed: The loss is no longer a finite number" in lab.panel.state.value
    assert "<details>" in lab.panel.state.value and "Traceback" in lab.panel.state.value
    lab.session.fixed["learning_rate"] = 1e-2
    lab.run(alpha=0.6)
    assert "Done." in lab.panel.state.value


def test_on_colab_a_move_comes_back_when_the_run_is_over(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    lab = Lab("alpha", DATASET, ColourTeacher(), device="cpu", folder=tmp_path, **LITTLE)
    threads = threading.active_count()
    lab.panel.sliders["alpha"].value = 0.5
    assert lab.session.live.state == FINISHED and "Done." in lab.panel.state.value
    assert not lab.panel.sliders["alpha"].continuous_update
    assert threading.active_count() == threads


def test_h1_by_its_three_buttons_train_pin_and_train_again(lab):
    press = lab.panel.buttons
    for name in ("Train", "Pin", "Train", "Pin", "Train"):
        press[name].click()
        assert finished(lab).state == FINISHED
    assert len(lab.session.runs) == 3 and len(lab.session.pinned) == 2 and lab.undrawn is None
    press["Train"].click()
    press["Stop"].click()
    lab.session.join(5)


def test_h1_a_picture_that_cannot_be_drawn_is_said_and_the_lab_goes_on(lab, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("distill_course.lab.view.draw", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            lab.run(alpha=0.5)
        assert "could not be drawn" in lab.panel.state.value and "ZeroDivisionError" in lab.panel.state.value
        assert lab.session.live.state == FINISHED
    lab.run(alpha=0.6)
    assert "Done. It trains in" in lab.panel.state.value


def test_an_unknown_experiment_is_refused():
    with pytest.raises(ValueError, match="experiment must be one of temperature, .*; got 'tempratur'"):
        Lab("tempratur", DATASET, ColourTeacher())


def buttons(lab):
    def below(widget):
        for child in getattr(widget, "children", ()):
            yield child
            yield from below(child)
    return [widget for widget in below(lab.panel.box) if isinstance(widget, widgets.Button)]


def test_a_seed_is_given_by_name_or_in_a_code(tmp_path):
    for experiment, more, seed in (("alpha", {}, 0), ("alpha", {"seed": 3}, 3), ("alpha/seed=5", {}, 5)):
        lab = Lab(experiment, DATASET, ColourTeacher(), device="cpu", folder=tmp_path, **LITTLE, **more)
        assert lab.session.seed == seed and lab.panel.seed.value == str(seed)


@pytest.mark.parametrize("text", ["three", "-1", "1.5", str(2**63), "9" * 5000])
def test_what_is_no_seed_is_refused_in_words(lab, text):
    lab.panel.seed.value = text
    assert f"seed must be a whole number from 0; got {text!r}; the largest is 2**63 - 1.".replace(
        "'", "&#x27;") in lab.panel.why.value
    assert lab.panel.seed.value == "0" and lab.session.live is None
