"""Which cells of the lessons rest on stored comparisons, and which are to be read again where some have moved."""
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from distill_course.comparisons import COMPARISONS, stored
from notebooks import rests

FOLDER = Path(rests.__file__).parent
NAMES = set(COMPARISONS) | {f"{name}: {arm}" for name in COMPARISONS for arm in stored(name).arms}
LESSON = '''# %% [markdown]
# Nothing here.

# %% [markdown] rests=["map", "temperature: T = 4"]
# A map.
#
# Of T.

# %%
x = 1  # rests=["map"]

# %% [markdown] rests=["temperature"]
# All of them.
'''


@pytest.fixture
def lesson(tmp_path):
    path = tmp_path / "09_some.py"
    path.write_text(LESSON, encoding="utf-8")
    return path


@pytest.mark.parametrize("source", rests.SOURCES, ids=lambda path: path.stem)
def test_every_comparison_that_a_notebook_reads_has_cells_that_rest_on_it_and_each_names_one_that_is_there(source):
    names = [name for cell in rests.resting(source) for name in cell.rests]
    read = set(re.findall(r'\bstored\("([^"]+)"\)', source.read_text(encoding="utf-8")))
    assert set(names) <= NAMES
    assert read <= {name.partition(": ")[0] for name in names}


def test_no_name_of_a_comparison_or_arm_holds_what_parts_them():
    assert not [name for name in NAMES if name.count(": ") > 1] and not [name for name in COMPARISONS if ": " in name]


@pytest.mark.parametrize("source", rests.SOURCES, ids=lambda path: path.stem)
def test_built_notebooks_have_the_tags_in_the_same_cells(source):
    expected = [(cell.words.splitlines()[0], rests.tags(cell.rests)) for cell in rests.resting(source)]
    for folder in (FOLDER, FOLDER / "solutions"):
        cells = nbformat.read(folder / f"{source.stem}.ipynb", as_version=4).cells
        tagged = [(cell.source.splitlines()[0], [tag for tag in cell.metadata.get("tags", ()) if "rests" in tag])
                  for cell in cells]
        assert [(first, tags) for first, tags in tagged if tags] == expected


def test_tags_are_what_jupyter_takes_and_differ_between_comparisons():
    made = rests.tags(COMPARISONS)
    assert len(made) == len(COMPARISONS) and not [tag for tag in made if re.search(r"[\s,]", tag)]
    assert rests.tags(["alpha, few labels: alpha = 0.1", "alpha, few labels"]) == ["rests-on:alpha-few-labels"]


def test_a_cell_is_its_header_and_its_words(lesson):
    first, second = rests.resting(lesson)
    assert first == rests.Resting("09_some", 5, ("map", "temperature: T = 4"), "A map.\n\nOf T.")
    assert (second.line, second.rests, second.words) == (13, ("temperature",), "All of them.")


@pytest.mark.parametrize("moved, lines", [
    (["map"], [5]), (["map: T = 1, alpha = 0.0"], [5]), (["temperature"], [5, 13]), (["temperature: T = 4"], [5, 13]),
    (["temperature: T = 1"], [13]), (["temperature: T = 4, alpha = 0.1"], [13]), (["map", "temperature"], [5, 13]),
    (["alpha"], []), (["ma"], []), ([], [])])
def test_what_rests_on_what_has_moved_is_read_again(lesson, moved, lines):
    assert [cell.line for cell in rests.to_read_again(iter(moved), [lesson])] == lines


def test_a_name_that_is_none_is_refused():
    done = subprocess.run([sys.executable, FOLDER / "rests.py", "temprature"], capture_output=True, text=True)
    assert done.returncode == 2 and "there is no comparison 'temprature'; they are temperature; " in done.stderr


def test_on_the_command_line_the_words_are_printed_with_their_place():
    done = subprocess.run([sys.executable, FOLDER / "rests.py", "habits: no clipping"], capture_output=True, text=True,
                          check=True, encoding="utf-8")
    assert "notebooks/source/02_training_loop.py:" in done.stdout and "**Clipping** was at work" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{len(rests.to_read_again(['habits: no clipping']))} cells rest on " \
        "habits: no clipping."
