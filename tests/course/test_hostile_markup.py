"""Names and errors that hold markup: they stand in HTML, SVG and Markdown as what they are, and do nothing."""
import ast
import re
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import ipywidgets as widgets
import pytest
from matplotlib.text import Text
from small import ColourTeacher, coloured_dataset
from small_lab import LITTLE

import distill_course
from distill_course import notebook, shown
from distill_course.drawings import probability_bars
from distill_course.exercises import verdict
from distill_course.exercises.exercise import every_exercise
from distill_course.gallery import Gallery
from distill_course.gallery.game import Patient
from distill_course.lab import Lab
from distill_course.lab.picture import CLASSES, draw
from distill_course.markup import escape, markdown
from distill_course.teacher_training import card_text
from distill_kit.data.imageset import ImageSet
from distill_kit.plotting import new_figure, run_figure

EVIL = "<img src=x onerror=alert(1)>"
NAMES = (EVIL, "a|b`c\nd*e_f", "\x01\ud800 $\\frac$ $x$", "'\" onload='alert(2)")
ROOT = Path(distill_course.__file__).parent


def is_harmless(html):
    return "<img src" not in html and "onload='" not in html and EVIL not in html


def evil_dataset():
    dataset = coloured_dataset(100, 40)

    def named(images):
        return ImageSet(images.images, images.labels, NAMES, EVIL)
    return replace(dataset, name=EVIL, notice=EVIL, pool=named(dataset.pool), validation=named(dataset.validation),
                   test=named(dataset.test))


def all_html(box):
    """What the HTML widgets of a box show."""
    return ([box.value] if isinstance(box, widgets.HTML) else []) + [
        html for child in getattr(box, "children", ()) for html in all_html(child)]


@pytest.fixture
def lab(tmp_path):
    made = Lab("temperature", evil_dataset(), ColourTeacher(), device="cpu", folder=tmp_path / EVIL, leave_out=EVIL,
               **{**LITTLE, "images": 40})
    made.session.worker.quiet = 0.0
    return made


def test_h3_the_lab_shows_names_and_errors_as_they_are(lab, monkeypatch):
    lab.run()
    for beside in (*range(len(lab.session.images)), CLASSES):
        lab.session.image = beside if beside != CLASSES else 0
        picture = draw(lab.session, beside)
        ElementTree.fromstring(picture.encode())
        assert is_harmless(picture) and "&lt;img" in picture
    shown_html = all_html(lab.panel.box)
    lab._offer()
    for box in (lab.panel.code, lab.panel.typed["temperature"], lab.panel.again, lab.panel.seed):
        box.value = EVIL
        shown_html += all_html(lab.panel.box)
    monkeypatch.setattr("distill_course.lab.session.Run", lambda *_, **__: (_ for _ in ()).throw(RuntimeError(EVIL)))
    with pytest.raises(RuntimeError, match="onerror"):
        lab.run()
    shown_html += all_html(lab.panel.box) + [lab._repr_mimebundle_()["text/html"]]
    assert all(map(is_harmless, shown_html)) and sum("&lt;img" in html for html in shown_html) > 4


def test_h3_the_gallery_shows_names_and_figures_as_they_are():
    rows = tuple({"epoch": EVIL, "train_loss": 2.0 / k, "val_accuracy": 0.1 * k} for k in (1, 2, 3))
    gallery = Gallery([Patient(EVIL, EVIL, rows, {}, EVIL)])
    gallery._png = lambda *_, **__: b""
    gallery.choice.value = "healthy"
    gallery.game.answers.append((EVIL, "healthy", "healthy"))
    html = [*all_html(gallery.box), gallery._table()]
    assert all(map(is_harmless, html)) and sum("&lt;img" in one for one in html) == 2


@pytest.mark.parametrize("words", NAMES)
def test_h3_the_notebook_shows_folders_and_servers_reasons_as_they_are(monkeypatch, words):
    def fail(progress, on_progress):
        raise ConnectionError(f"the server answers 404 {words}")
    monkeypatch.setattr(notebook, "download_cifar10", fail)
    box = notebook.data_in_use(replace(evil_dataset(), notice=f"from {words}"))
    box.children[1].children[0].click()
    end = time.monotonic() + 10
    while "Not fetched" not in box.children[2].value and time.monotonic() < end:
        time.sleep(0.01)
    assert escape(words) in box.children[2].value and all(map(is_harmless, all_html(box)))
    said = notebook.data_in_use(replace(evil_dataset(), name="cifar10", notice=f"from {words}")).data
    assert is_harmless(said) and said == f"**Images in use.** {markdown(f'from {words}')}"


@pytest.mark.parametrize("words", NAMES)
def test_h3_a_teachers_card_keeps_its_table_whatever_a_class_is_called(words):
    recipe = {"architecture": {"widths": [4], "depth": 1}, "cutout": 0, "epochs": 1, "batch_size": 2,
              "learning_rate": 0.1, "muon_ratio": 50.0, "warmup_epochs": 1.0, "seed": 0}
    figures = {"accuracy": 0.5, "images": 4, "ece": 0.1, "cross_entropy": 1.0}

    def text_with(words):
        return card_text({"data": words, "data_licence": words, "classes": [words, words], "training_images": 3,
                          "recipe": recipe, "seconds": 1, "threads": 1, "device": words,
                          "precision": words, "parameters": 1, "forward_flops": 1, "torch": words,
                          "validation": figures, "test": figures})
    text, plain = text_with(words), text_with("plain")
    assert is_harmless(text) and text.count("\n") == plain.count("\n")
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()] == [
        line.count("|") for line in plain.splitlines()]
    assert not re.search(r"(?<!\\)`", text)


def test_h3_an_exercise_shows_what_the_learner_wrote_as_it_is():
    exercise = every_exercise()[0]
    for kind in (verdict.ERROR, verdict.WRONG):
        assert is_harmless(verdict.Verdict(exercise, kind, EVIL, EVIL, EVIL).html.replace("'", "")), kind


def test_h3_pieces_are_escaped_where_they_are_made():
    for made in (shown.lines(EVIL), shown.lines(EVIL, bold=True), shown.folded(EVIL, ""), shown.glossary({EVIL: EVIL})):
        assert is_harmless(made) and "&lt;img" in made
    assert escape("a\x00b\ud800") == "a\ufffdb\ufffd" and escape(5) == "5"
    assert markdown("a|b`c\nd <i>") == r"a\|b\`c d &lt;i&gt;"


def test_h3_what_is_escaped_is_escaped_in_one_place():
    def names_html(path):
        return any(isinstance(node, ast.ImportFrom | ast.Import) and "html" in [
            getattr(node, "module", None), *(alias.name for alias in node.names)]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert [path.name for path in ROOT.rglob("*.py") if names_html(path)] == ["markup.py", "verdict.py"]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", ["$\\frac$", "$x$", "a$b$c^2", EVIL])
def test_h3_a_dollar_in_a_name_is_a_dollar_in_a_picture(name, tmp_path):
    figure = run_figure([{"epoch": 1, "train_loss": 2.0}], name)
    other, (ax,) = new_figure()
    probability_bars({name: [0.5, 0.5]}, [name, name], ax)
    for place, drawn in enumerate((figure, other)):
        drawn.savefig(tmp_path / f"{place}.svg", format="svg", metadata={"Title": name})
        ElementTree.parse(tmp_path / f"{place}.svg")
        assert is_harmless((tmp_path / f"{place}.svg").read_text())
        assert not any(text.get_parse_math() for text in drawn.findobj(Text) if "$" in name and name in text.get_text())
