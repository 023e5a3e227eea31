"""Build the notebooks from their sources, one percent script for each lesson in notebooks/source.

    python notebooks/build.py                   write every notebook and its solutions; outputs of unchanged cells stay
    python notebooks/build.py --run 01 03       run these as well, and store what comes out

An exercise is a row of cells in a source:

    # %% [markdown] exercise: NAME     the task
    # %% answer                        a model answer; the stub is made from it: `return ...` below the docstring
    # %% stub                          only where the stub is to be another one
    # %% [markdown] hints              an ordered list of three: a question, where to look, the line that is missing
    # %% [markdown] also               optional: what to say to whoever is right

It becomes three cells: the task, the stub (in notebooks/solutions: the answer) and the check. The check itself is
`NAME_cases` in the module of distill_course/exercises that is named after the lesson. All texts also go into
distill_course/assets/exercises.json, where the package reads them.
`{{head}}` in the first cell becomes badges, an estimate of the time it takes, and where the stored outputs come from.
A cell whose words rest on stored results says so in its header: see rests.py.
"""
import argparse
import ast
import datetime
import json
import os
import pkgutil
import re
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from distill_course import exercises as package
from distill_course.exercises import Exercise
from distill_course.exercises.checking import judge
from distill_course.exercises.verdict import RIGHT
from distill_kit import REPOSITORY
from notebooks.rests import SOURCES, tags

TEXTS = HERE.parent / "distill_course" / "assets" / "exercises.json"
EXERCISE, CASES = "exercise: ", "_cases"
PARTS = {"answer": "code", "stub": "code", "hints": "markdown", "also": "markdown"}  # cells behind an exercise's task
NAMES = "import math\nimport numpy as np\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn"
WORDS_A_MINUTE, MINUTES_AN_EXERCISE, MINUTES_A_GUESS = 150, 5, 1
WIDGET = "application/vnd.jupyter.widget-view+json"
PROJECT = REPOSITORY.removeprefix("https://github.com/")


class SourceError(ValueError):
    """A source is not as it must be; the message names the file and the exercise."""

    def __init__(self, lesson: str, exercise: str, what: str):
        super().__init__(f"notebooks/source/{lesson}.py, exercise {exercise}: {what}")


def built(source: Path, solution: bool = False) -> NotebookNode:
    """The notebook that a source stands for. Outputs of cells that are as they were are taken from the file there."""
    before = read(path_of(source, solution))
    about = before.metadata.get("distill_kit", {})
    parts = parts_of(source)
    cells = expanded(parts, source.stem, solution)
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    guesses = sum(cell.source.count("Prediction(") for cell in cells if cell.cell_type == "code")
    count = sum(isinstance(part, Exercise) for part in parts)
    cells[0].source = cells[0].source.replace("{{head}}", head(source.stem, count, words, guesses, about))
    outputs = {cell.source: (cell.outputs, cell.execution_count) for cell in before.cells if cell.cell_type == "code"}
    for place, cell in enumerate(cells):
        cell.id = f"{source.stem[:2]}-{place:03}"
        if cell.cell_type == "code":
            stored, cell.execution_count = outputs.get(cell.source, ([], None))
            if not cell.outputs:
                cell.outputs = stored
            elif solution:
                cell.outputs[0].execution_count = cell.execution_count
    return new_notebook(cells=cells, metadata={
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}, **({"distill_kit": about} if about else {})})


def parts_of(source: Path) -> list[NotebookNode | Exercise]:
    """A source's cells, those of an exercise put together."""
    groups: list[list[NotebookNode]] = []
    for cell in jupytext.read(source).cells:
        if title_of(cell) not in PARTS:
            groups.append([cell])
        elif groups and title_of(groups[-1][0]).startswith(EXERCISE):
            groups[-1].append(cell)
        else:
            raise SourceError(source.stem, "(none)", f"a cell {title_of(cell)!r} must follow the task of an exercise")
    return [exercise_of(group, source.stem) if title_of(group[0]).startswith(EXERCISE) else group[0]
            for group in groups]


def title_of(cell: NotebookNode) -> str:
    return cell.metadata.get("title", "")


def exercise_of(cells: list[NotebookNode], lesson: str) -> Exercise:
    """The exercise that a row of cells stands for. Raises SourceError where something of it is missing."""
    task, *others = cells
    name, texts = title_of(task).removeprefix(EXERCISE), {}
    for cell in others:
        title = title_of(cell)
        if title in texts or cell.cell_type != PARTS[title]:
            raise SourceError(lesson, name, f"there must be one {PARTS[title]} cell {title!r}, and no more")
        texts[title] = cell.source.strip()
    if "answer" not in texts:
        raise SourceError(lesson, name, "the answer is missing: a cell `# %% answer` behind the task")
    hints = [" ".join(hint.split()) for hint in re.split(r"^\d+\. ", texts.get("hints", ""), flags=re.M)[1:]]
    if len(hints) != 3:
        raise SourceError(lesson, name, f"`# %% [markdown] hints` must be an ordered list of three; got {len(hints)}")
    stub = texts.get("stub") or stub_of(texts["answer"], name, lesson)
    return Exercise(lesson, name, task.source.strip(), stub, texts["answer"], hints,
                    " ".join(texts.get("also", "").split()))


def stub_of(answer: str, name: str, lesson: str) -> str:
    """The answer with `return ...` for all that comes after the docstring; of a class, in each method but __init__."""
    try:
        body, lines = ast.parse(answer).body, answer.splitlines()
    except SyntaxError as error:
        raise SourceError(lesson, name, f"the answer is no Python: {error.msg}, line {error.lineno}") from None
    if [getattr(node, "name", "") for node in body] != [name]:
        raise SourceError(lesson, name, f"the answer must be one function or class `{name}`, or a cell `# %% stub` "
                                        "must say what the learner gets")
    functions = [body[0]] if isinstance(body[0], ast.FunctionDef) else [
        node for node in body[0].body if isinstance(node, ast.FunctionDef) and node.name != "__init__"]
    for function in reversed(functions):
        first = function.body[0]
        start = first.end_lineno if ast.get_docstring(function) else first.lineno - 1
        lines[start:function.end_lineno] = [" " * first.col_offset + "return ..."]
    return "\n".join(lines)


def course() -> list[Exercise]:
    """All exercises in the order of the course. Raises SourceError where exercises and checks do not match."""
    every = [part for source in SOURCES for part in parts_of(source) if isinstance(part, Exercise)]
    modules = [import_module(f"{package.__name__}.{name}") for _, name, _ in pkgutil.iter_modules(package.__path__)]
    checks = {(module.__name__.rpartition(".")[2], name.removesuffix(CASES)) for module in modules
              for name, value in vars(module).items() if name.endswith(CASES) and value.__module__ == module.__name__}
    for exercise in every:
        module = exercise.lesson.partition("_")[2]
        if (module, exercise.name) not in checks:
            raise SourceError(exercise.lesson, exercise.name, f"its check is missing: a generator function "
                              f"`{exercise.name}{CASES}` in distill_course/exercises/{module}.py")
        checks.remove((module, exercise.name))
    for module, name in sorted(checks):
        raise SourceError(next((source.stem for source in SOURCES if source.stem.endswith(module)), "*"), name,
                          f"`{name}{CASES}` in distill_course/exercises/{module}.py has no exercise in the lesson")
    return every


def texts_of(every: list[Exercise]) -> str:
    """What the package reads: the text of distill_course/assets/exercises.json."""
    return json.dumps([asdict(exercise) for exercise in every], indent=1, ensure_ascii=False) + "\n"


def expanded(parts: list[NotebookNode | Exercise], name: str, solution: bool) -> list[NotebookNode]:
    """The notebook's cells: an exercise is its task, its stub or answer, and its check."""
    cells, number = [], 0
    for part in parts:
        if isinstance(part, Exercise):
            number += 1
            code = part.answer if solution else part.stub
            cells += [new_markdown_cell(f"### Exercise {int(name[:2])}.{number}\n\n{part.task}"),
                      new_code_cell(code, metadata={"tags": ["exercise", *(["solution"] if solution else [])]}),
                      new_code_cell(f'check({part.name}, "{part.name}")', metadata={"tags": ["check"]},
                                    outputs=[verdict_on(code, part)])]
            continue
        names = [*part.metadata.get("tags", ()), *tags(part.metadata.get("rests", ()))]
        make = {"markdown": new_markdown_cell, "code": new_code_cell}[part.cell_type]
        deeper = solution and part.cell_type == "markdown"
        cells.append(make(part.source.replace("](../", "](../../") if deeper else part.source,  # links, one folder down
                          metadata={"tags": names} if names else {}))
    return cells


def verdict_on(code: str, exercise: Exercise) -> NotebookNode:
    """What the check says of the stub or of the answer. Raises SourceError for an answer that is not right."""
    names: dict = {}
    exec(f"{NAMES}\n{code}", names)
    verdict = judge(exercise, names[exercise.name])
    if code == exercise.answer and verdict.kind != RIGHT:
        raise SourceError(exercise.lesson, exercise.name, f"the check refuses the model answer: {verdict}")
    return new_output("execute_result", {"text/plain": str(verdict), "text/html": verdict.html})


def head(name: str, count: int, words: int, guesses: int, about: dict) -> str:
    """Badges, the estimate, and where the stored outputs come from. count: of the exercises."""
    run = about.get("run_seconds", 0)
    minutes = words / WORDS_A_MINUTE + MINUTES_AN_EXERCISE * count + MINUTES_A_GUESS * guesses + run / 60
    colab = f"https://colab.research.google.com/github/{PROJECT}/blob/main/notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{PROJECT}/main?urlpath=lab/tree/notebooks/{name}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
            f"[![Launch on Binder](https://mybinder.org/badge_logo.svg)]({binder})\n\n"
            f"*About {5 * round(minutes / 5):.0f} minutes: {words:,} words, {counted(count, 'exercise')}, "
            f"{counted(guesses, 'prediction')}, {counted(max(1, round(run / 60)), 'minute')} of computing. "
            f"An estimate, made from just these.*\n\n"
            f"*The outputs stored in this file: {about.get('origin', 'none yet')}. Yours will differ a little.*")


def counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def course_table() -> str:
    """Markdown: every notebook with its title and its estimate, as they stand in the notebooks themselves."""
    lines = ["| notebook | about | minutes |", "|---|---|---|"]
    for source in SOURCES:
        first = built(source).cells[0].source
        minutes = re.search(r"About (\d+) minutes", first).group(1)
        title = first.splitlines()[0].lstrip("# ")
        lines.append(f"| [{source.stem[:2]}]({{folder}}notebooks/{source.stem}.ipynb) | {title} | {minutes} |")
    return "\n".join(lines)


def fill(page: Path, name: str, text: str) -> None:
    """Put a text between the marks of this name in a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {name} -->")
    page.write_text(f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{rest.partition(f'<!-- /{name} -->')[2]}",
                    encoding="utf-8")


def run(source: Path) -> None:
    """Execute the solutions and store the outputs in both notebooks: all cells but the exercises are the same."""
    from nbclient import NotebookClient

    from distill_course.comparisons import machine_in_words
    from distill_kit.data import load_dataset
    done, started = built(source, solution=True), time.perf_counter()
    NotebookClient(done, timeout=1_800, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    about = {"run_seconds": round(time.perf_counter() - started),
             "origin": f"{load_dataset().pool.source}, {machine_in_words()}, {datetime.date.today().isoformat()}"}
    code = [cell for cell in done.cells if cell.cell_type == "code"]
    outputs = {cell.source: (tidy(cell.outputs), cell.execution_count) for cell in code}
    for solution in (True, False):
        notebook = built(source, solution)
        notebook.metadata["distill_kit"] = about
        for cell in notebook.cells:
            if cell.cell_type == "code":
                ran, cell.execution_count = outputs.get(cell.source, ([], None))
                if "check" not in cell.metadata.get("tags", ()):  # a check has its output already
                    cell.outputs = ran
        write(path_of(source, solution), notebook)
        write(path_of(source, solution), built(source, solution))  # with what is now known about the time


def tidy(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Without the views of widgets, of which a stored notebook has no model: what stands beside them is shown. Without
    progress bars, which are over."""
    outputs = [output for output in outputs if not (output.get("name") == "stderr" and "\r" in output.text)]
    for output in outputs:
        if "data" in output and len(output.data) > 1:
            output.data.pop(WIDGET, None)
    return outputs


def path_of(source: Path, solution: bool) -> Path:
    return HERE / ("solutions" if solution else "") / f"{source.stem}.ipynb"


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4) if path.exists() else new_notebook()


def write(path: Path, notebook: NotebookNode) -> None:
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NN", help="the numbers of some notebooks; all where left out")
    parser.add_argument("--run", action="store_true", help="execute them, and store their outputs")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(HERE.parent))
    try:
        TEXTS.write_text(texts_of(course()), encoding="utf-8")
        for source in SOURCES:
            if not options.names or source.stem[:2] in options.names:
                for solution in (False, True):
                    write(path_of(source, solution), built(source, solution))
                if options.run:
                    run(source)
                print(path_of(source, False).name)
    except SourceError as error:
        sys.exit(str(error))
    fill(HERE.parent / "README.md", "course", course_table().format(folder=""))
    fill(HERE.parent / "docs" / "teaching.md", "estimates", course_table().format(folder="../"))


if __name__ == "__main__":
    main()
