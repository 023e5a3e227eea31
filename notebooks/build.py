"""Build the notebooks from their sources: one percent script each, in notebooks/source.

    python notebooks/build.py                   write every notebook and its solutions; outputs of unchanged cells stay
    python notebooks/build.py --run 01 03       run these as well, and store what comes out

A cell `# %% exercise: NAME` becomes three: the task, the stub (in notebooks/solutions: an answer) and the check.
`{{head}}` in the first cell becomes badges, an estimate of the time it takes, and where the stored outputs come from.
"""
import argparse
import datetime
import os
import re
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from distill_kit import REPOSITORY  # noqa: E402
from distill_kit.exercises import exercises_of, find  # noqa: E402
from distill_kit.exercises.judge import judge  # noqa: E402

SOURCES = sorted((HERE / "source").glob("*.py"))
WORDS_A_MINUTE, MINUTES_AN_EXERCISE, MINUTES_A_GUESS = 150, 5, 1
WIDGET = "application/vnd.jupyter.widget-view+json"
PROJECT = REPOSITORY.removeprefix("https://github.com/")


def built(source: Path, solution: bool = False) -> NotebookNode:
    """The notebook that a source stands for. Outputs of cells that are as they were are taken from the file there."""
    before = read(path_of(source, solution))
    about = before.metadata.get("distill_kit", {})
    cells = expanded(jupytext.read(source).cells, source.stem, solution)
    words = sum(len(cell.source.split()) for cell in cells if cell.cell_type == "markdown")
    guesses = sum(cell.source.count("Prediction(") for cell in cells if cell.cell_type == "code")
    cells[0].source = cells[0].source.replace("{{head}}", head(source.stem, words, guesses, about))
    outputs = {cell.source: (cell.outputs, cell.execution_count) for cell in before.cells if cell.cell_type == "code"}
    for place, cell in enumerate(cells):
        cell.id = f"{source.stem[:2]}-{place:03}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = outputs.get(cell.source, ([], None))
    return new_notebook(cells=cells, metadata={
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}, **({"distill_kit": about} if about else {})})


def expanded(cells: list[NotebookNode], name: str, solution: bool) -> list[NotebookNode]:
    """The source's cells, each exercise as its task, its stub or answer, and its check."""
    found, number = [], 0
    for cell in cells:
        title, _, exercise = cell.metadata.get("title", "").partition(": ")
        tags = {"tags": list(cell.metadata["tags"])} if cell.metadata.get("tags") else {}
        if title == "exercise":
            number += 1
            exercise = find(exercise)
            code = exercise.reference if solution else exercise.stub
            found += [new_markdown_cell(f"### Exercise {int(name[:2])}.{number}\n\n{exercise.task.strip()}"),
                      new_code_cell(code.strip(), metadata={"tags": ["exercise", *(["solution"] if solution else [])]}),
                      new_code_cell(f'check({exercise.name}, "{exercise.name}")', metadata={"tags": ["check"]})]
        elif cell.cell_type == "markdown":
            text = cell.source.replace("](../", "](../../") if solution else cell.source  # one folder further down
            found.append(new_markdown_cell(text, metadata=tags))
        else:
            found.append(new_code_cell(cell.source, metadata=tags))
    return found


def head(name: str, words: int, guesses: int, about: dict) -> str:
    """Badges, the estimate, and where the stored outputs come from."""
    exercises, run = len(exercises_of(name)), about.get("run_seconds", 0)
    minutes = words / WORDS_A_MINUTE + MINUTES_AN_EXERCISE * exercises + MINUTES_A_GUESS * guesses + run / 60
    colab = f"https://colab.research.google.com/github/{PROJECT}/blob/main/notebooks/{name}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{PROJECT}/main?urlpath=lab/tree/notebooks/{name}.ipynb"
    return (f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})\n"
            f"[![Launch on Binder](https://mybinder.org/badge_logo.svg)]({binder})\n\n"
            f"*About {5 * round(minutes / 5):.0f} minutes: {words:,} words, {counted(exercises, 'exercise')}, "
            f"{counted(guesses, 'prediction')}, {counted(max(1, round(run / 60)), 'minute')} of computing. An estimate, "
            f"made from just these.*\n\n"
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
    from distill_kit.comparisons import machine_in_words
    from distill_kit.data import load_dataset
    done, started = built(source, solution=True), time.perf_counter()
    NotebookClient(done, timeout=1_800, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    about = {"run_seconds": round(time.perf_counter() - started),
             "origin": f"{load_dataset().pool.source}, {machine_in_words()}, {datetime.date.today().isoformat()}"}
    outputs = {cell.source: (tidy(cell.outputs), cell.execution_count) for cell in done.cells if cell.cell_type == "code"}
    for solution in (True, False):
        notebook = built(source, solution)
        notebook.metadata["distill_kit"] = about
        for cell in notebook.cells:
            tags = cell.metadata.get("tags", ())
            if cell.cell_type == "code" and ("check" not in tags or solution):
                cell.outputs, cell.execution_count = outputs.get(cell.source, ([], None))
            elif "check" in tags:  # with a number, or nbval takes the cell for one that never ran
                cell.execution_count = outputs[cell.source][1]
                cell.outputs = [untouched(find(cell.source.split('"')[1]))]
        write(path_of(source, solution), notebook)
        write(path_of(source, solution), built(source, solution))  # with what is now known about the time


def untouched(exercise) -> NotebookNode:
    """What a check says of the stub."""
    names: dict = {}
    exec("import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn", names)
    exec(exercise.stub, names)
    verdict = judge(exercise, names[exercise.name])
    return new_output("execute_result", {"text/plain": str(verdict), "text/html": verdict.html})


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
    for source in SOURCES:
        if not options.names or source.stem[:2] in options.names:
            for solution in (False, True):
                write(path_of(source, solution), built(source, solution))
            if options.run:
                run(source)
            print(path_of(source, False).name)
    fill(HERE.parent / "README.md", "course", course_table().format(folder=""))
    fill(HERE.parent / "docs" / "teaching.md", "estimates", course_table().format(folder="../"))


if __name__ == "__main__":
    main()
