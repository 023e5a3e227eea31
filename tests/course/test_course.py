"""Tests of the built notebooks against their sources, and of what every notebook of the course owes its reader."""
import importlib.util
import json
import re
import statistics
from pathlib import Path

import pytest

from distill_course.exercises import Exercise, every_exercise

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("build", ROOT / "notebooks" / "build.py")
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
BUILT = [(source, solution) for source in build.SOURCES for solution in (False, True)]
NAMES = [source.stem for source in build.SOURCES]


def sources_of(notebook):
    return [(cell.cell_type, cell.id, cell.source, cell.metadata.get("tags")) for cell in notebook.cells]


def cells_of(source, kind, solution=False):
    return [cell for cell in build.read(build.path_of(source, solution)).cells if cell.cell_type == kind]


def exercises_of(source):
    return [part for part in build.parts_of(source) if isinstance(part, Exercise)]


@pytest.mark.parametrize("source, solution", BUILT, ids=lambda value: getattr(value, "stem", str(value)))
def test_a_built_notebook_is_what_its_source_says(source, solution):
    there = build.read(build.path_of(source, solution))
    assert sources_of(there) == sources_of(build.built(source, solution)), \
        "run: python notebooks/build.py"


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_learners_find_empty_exercises_and_solutions_are_filled_in(source):
    for exercise in exercises_of(source):
        learner = [cell.source for cell in cells_of(source, "code")]
        solved = [cell.source for cell in cells_of(source, "code", solution=True)]
        assert exercise.stub in learner and exercise.answer not in learner
        assert exercise.answer in solved
        assert f'check({exercise.name}, "{exercise.name}")' in learner and learner[:2] == solved[:2]


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_checks_say_not_attempted_to_learners_and_right_in_the_solutions(source):
    for solution, words in ((False, "not attempted"), (True, "right")):
        checks = [cell for cell in cells_of(source, "code", solution) if "check" in cell.metadata.get("tags", ())]
        assert len(checks) == len(exercises_of(source))
        for cell in checks:
            assert words in cell.outputs[0].data["text/plain"], cell.source


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_cells_are_short(source):
    cells = [cell for cell in cells_of(source, "code")
             if not {"exercise", "setup"} & set(cell.metadata.get("tags", ()))]
    lengths = [len(cell.source.splitlines()) for cell in cells]
    assert statistics.median(lengths) <= 4 and max(lengths) <= 12
    assert max(len(line) for cell in cells for line in cell.source.splitlines()) <= 96  # what 1,200 pixels show


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_every_notebook_has_a_lab_objectives_a_summary_and_a_next_step(source):
    code = "\n".join(cell.source for cell in cells_of(source, "code"))
    text = [cell.source for cell in cells_of(source, "markdown")]
    assert "Lab(" in code and "{{" not in "".join(text)
    assert text[0].startswith(f"# {int(source.stem[:2])}. ") or source.stem.startswith("00")
    assert "minutes:" in text[0] and "When you are through you can" in text[0]
    summary = text[-1].partition("## In five lines")[2]
    assert len(re.findall("^- ", summary, flags=re.M)) == 5 and "**Next" in summary


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_every_cell_ran_and_none_complained(source):
    for solution in (False, True):
        for cell in cells_of(source, "code", solution):
            kinds = [(output.output_type, output.get("name")) for output in cell.outputs]
            assert ("error", None) not in kinds and ("stream", "stderr") not in kinds, cell.source
            for output in cell.outputs:
                assert list(output.get("data", {"a": 0})) != [build.WIDGET]


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_figures_are_followed_by_words(source):
    cells = build.read(build.path_of(source, False)).cells
    for place, cell in enumerate(cells):
        if any("image/png" in output.get("data", {}) for output in cell.get("outputs", ())):
            assert any(after.cell_type == "markdown" for after in cells[place + 1:place + 5]), cell.source


@pytest.mark.parametrize("source", build.SOURCES, ids=NAMES)
def test_prose_states_no_measured_figure(source):
    """Shares and differences stand in outputs, where a cell computes them."""
    for cell in cells_of(source, "markdown"):
        prose = re.sub(r"\*About.*?these\.\*|`[^`]*`|\$[^$]*\$", "", cell.source, flags=re.S)
        figures = re.findall(r"[-+]?\d+\.\d+ (?:%|points)|\d\d\.\d %", prose)
        assert not figures, f"{figures} in: {cell.source[:80]}"


def test_readme_and_teaching_page_give_the_notebooks_own_estimates():
    for page, folder in ((ROOT / "README.md", ""), (ROOT / "docs" / "teaching.md", "../")):
        assert build.course_table().format(folder=folder) in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"]),
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page} links to {target}"


def test_codes_of_labs_on_the_teaching_page_can_be_read():
    from distill_course.lab.share import read_code
    codes = re.findall(r'Lab\("(\S+/\S+)"\)', (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8"))
    assert codes and all(read_code(code) for code in codes)


def test_the_texts_that_the_package_reads_are_those_of_the_sources():
    assert build.TEXTS.read_text(encoding="utf-8") == build.texts_of(build.course()), "run: python notebooks/build.py"
    assert list(every_exercise()) == build.course()


def test_a_stub_is_the_answer_without_its_body():
    answer = '''
@torch.no_grad()
def twice(x,
          y=2):
    """Twice x.

    And more.
    """
    # a remark
    z = x * y
    return z'''
    assert build.stub_of(answer, "twice", "01_x") == answer.partition("    # a remark")[0] + "    return ..."
    assert build.stub_of("def f(x):\n    return x", "f", "01_x") == "def f(x):\n    return ..."
    net = ("class Net(nn.Module):\n    '''A net.'''\n    def __init__(self):\n        super().__init__()\n\n"
           "    def forward(self, x):\n        '''x -> x.'''\n        ")
    assert build.stub_of(net + "y = x\n        return y", "Net", "01_x") == net + "return ..."


TASK = "# %% [markdown] exercise: soften\n# Write it.\n\n"
ANSWER = "# %% answer\ndef soften(logits, t):\n    return (logits / t).softmax(1)\n\n"
HINTS = "# %% [markdown] hints\n# 1. Why?\n#    And how?\n# 2. There.\n# 3. This.\n\n"


@pytest.mark.parametrize("text, words", [
    (TASK + HINTS, "the answer is missing"),
    (TASK + ANSWER, "an ordered list of three; got 0"),
    (TASK + ANSWER + HINTS.replace("# 3. This.\n", ""), "an ordered list of three; got 2"),
    (TASK + ANSWER + HINTS + HINTS, "one markdown cell 'hints', and no more"),
    (TASK + ANSWER.replace("def soften", "def harden") + HINTS, "one function or class `soften`"),
    (TASK + ANSWER + HINTS + (TASK + ANSWER + HINTS).replace("soften", "harden"),
     "harden: its check is missing: a generator function `harden_cases` in distill_course/exercises/temperature.py"),
    (TASK.replace("soften", "entropy") + ANSWER.replace("soften", "entropy") + HINTS,
     "soft_gradient: `soft_gradient_cases` in distill_course/exercises/temperature.py has no exercise in the lesson"),
    (TASK + ANSWER.replace("logits, t):", "logits, t:") + HINTS,
     "the answer is no Python: '(' was never closed, line 1"),
    ("# %%\n1\n\n" + HINTS, "must follow the task of an exercise"),
])
def test_a_source_that_is_not_as_it_must_be_is_named(text, words, tmp_path, monkeypatch):
    changed = tmp_path / "01_temperature.py"
    changed.write_text(text, encoding="utf-8")
    others = [source for source in build.SOURCES if source.name != changed.name]
    monkeypatch.setattr(build, "SOURCES", [changed, *others])
    with pytest.raises(build.SourceError, match="notebooks/source/01_temperature.py, exercise") as caught:
        build.course()
    assert words in str(caught.value)


def test_a_model_answer_that_its_check_refuses_is_named(tmp_path):
    source = tmp_path / "01_temperature.py"
    source.write_text(TASK + ANSWER.replace("/", "*") + HINTS, encoding="utf-8")
    with pytest.raises(build.SourceError, match="exercise soften: the check refuses the model answer: .*A higher T"):
        build.built(source, solution=True)
    exercise, = build.parts_of(source)
    assert exercise.hints == ["Why? And how?", "There.", "This."] and exercise.also == ""


def test_a_changed_source_is_noticed(tmp_path):
    source = build.SOURCES[-1]
    changed = tmp_path / source.name
    changed.write_text(source.read_text(encoding="utf-8") + "\n# %%\nprint('new')\n", encoding="utf-8")
    there = build.read(build.path_of(source, False))
    assert sources_of(there) != sources_of(build.built(changed, False))


def test_the_course_leads_from_one_notebook_to_the_next():
    last = [cells_of(source, "markdown")[-1].source for source in build.SOURCES]
    links = [link.group(1) for text in last if (link := re.search(r"\*\*Next.*?\]\((\S+?)\)", text, re.S))]
    assert links[:len(NAMES) - 1] == [f"{name}.ipynb" for name in NAMES[1:]]


def test_the_notebooks_hold_json_that_git_can_compare():
    for source, solution in BUILT:
        text = build.path_of(source, solution).read_text(encoding="utf-8")
        assert text.endswith("}\n") and json.loads(text)["nbformat_minor"] >= 5
        assert "widget-state" not in text and "widget-view" not in text
