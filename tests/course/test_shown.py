"""Pieces of what a notebook shows: bars, buttons, lines, and widgets with something that stands in for them."""
import ipywidgets as widgets
import pytest
import tqdm

from distill_course import shown
from distill_course.gallery import Gallery
from distill_kit.progress import training_bar


@pytest.fixture
def bars(monkeypatch):
    """Every bar that is made."""
    made = []

    class Bar(tqdm.std.tqdm):
        is_closed = False

        def __init__(self, *given, **options):
            super().__init__(*given, **options)
            self.asked = options
            made.append(self)

        def close(self):
            self.is_closed = True
            super().close()
    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    return made


def light(steps, epoch):
    return {"kind": "step", "steps": steps, "epoch": epoch}


def test_a_training_bar_follows_the_steps_and_says_the_last_accuracy(bars):
    with training_bar(20, "training the student") as follow:
        bar, = bars
        assert (bar.total, bar.desc, bar.n) == (20, "training the student", 0) and bar.asked["unit"] == "step"
        follow(light(5, 1))
        assert bar.n == 5 and bar.postfix == "epoch 1"
        follow({"kind": "epoch", "steps": 10, "epoch": 1, "val_accuracy": 0.5})
        assert bar.n == 10 and bar.postfix == "epoch 1, validation 50.0%"
        follow(light(15, 2), ", the teacher has answered 40%")
        assert bar.n == 15 and bar.postfix == "epoch 2, validation 50.0%, the teacher has answered 40%"
        follow({"kind": "epoch", "steps": 20, "epoch": 2, "val_accuracy": 0.625})
        assert bar.n == 20 and bar.postfix == "epoch 2, validation 62.5%" and not bar.is_closed
    assert bar.is_closed and not bar.leave


def test_a_training_bar_knows_rows_without_an_accuracy(bars):
    with training_bar(4, "") as follow:
        follow({"kind": "epoch", "steps": 4, "epoch": 1, "val_accuracy": None})
    assert bars[0].n == 4 and bars[0].postfix == "epoch 1"


def test_a_training_bar_is_closed_by_an_interrupt(bars):
    with pytest.raises(KeyboardInterrupt), training_bar(4, "") as follow:
        follow(light(1, 1))
        raise KeyboardInterrupt
    assert bars[0].is_closed and bars[0].n == 1


def test_a_bundle_is_the_widget_and_what_stands_in_for_it():
    box = widgets.VBox()
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    assert shown.bundle(box) == {"application/vnd.jupyter.widget-view+json": view}
    assert shown.bundle(box, text_plain="words", text_html="<p>words</p>", image_png="iVBO") == {
        "application/vnd.jupyter.widget-view+json": view, "text/plain": "words", "text/html": "<p>words</p>",
        "image/png": "iVBO"}


def test_a_gallery_shows_its_box_a_picture_and_words():
    gallery = Gallery()
    bundle = gallery._repr_mimebundle_()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == gallery.box.model_id
    assert bundle["image/png"].startswith("iVBOR") and "A gallery of 16 runs" in bundle["text/plain"]


def test_h3_what_is_put_into_html_is_escaped():
    assert "a &lt; b" in shown.lines("a < b") and "<b>" not in shown.lines("a < b")
    assert "<b>a &lt; b</b>" in shown.lines("a < b", bold=True)
    assert shown.folded("A & B", "<i>kept</i>") == "<details><summary>A &amp; B</summary><i>kept</i></details>"
    assert shown.glossary({"T": "a < b", "alpha": "weight"}) == "<b>T</b>: a &lt; b<br/><b>alpha</b>: weight<br/>"


def test_a_button_does_what_it_is_made_for_and_hints_at_it():
    pressed = []
    button = shown.button("Go", "What it does.", lambda: pressed.append("once"), "primary")
    button.click()
    assert pressed == ["once"] and (button.description, button.tooltip) == ("Go", "What it does.")
    assert button.button_style == "primary"
    (name, words), = shown.hint("Type here.").items()
    assert words == "Type here." == getattr(widgets.Text(**{name: words}), name)


def test_a_line_is_shown_without_quotes():
    assert repr(shown.Line("It's done.")) == "It's done." == shown.Line("It's done.")
