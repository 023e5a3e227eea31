"""The cells of the lessons whose words rest on stored comparisons, to be read again where results have moved.

    python notebooks/rests.py                                   all of them
    python notebooks/rests.py map "temperature: T = 4"          those that rest on one of these

In a source such a cell says on what, by the name of a comparison or, where it speaks of some arms, of each of these:

    # %% [markdown] rests=["map", "temperature: T = 4"]

In the built notebooks it has a tag for each comparison, such as `rests-on:map`.
"""
import argparse
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SOURCES = sorted((Path(__file__).resolve().parent / "source").glob("*.py"))
HEADER = re.compile(r'# %% \[markdown\].* rests=(\[".*"\])')


@dataclass(frozen=True)
class Resting:
    """A cell whose words rest on stored results."""
    lesson: str               # its source without ".py"
    line: int                 # of the source, from 1, where its words begin
    rests: tuple[str, ...]    # each "comparison" or "comparison: arm"
    words: str

    def __str__(self) -> str:
        return f"notebooks/source/{self.lesson}.py:{self.line}, rests on {'; '.join(self.rests)}\n\n{self.words}\n"


def resting(source: Path) -> list[Resting]:
    """List the cells of a source that rest on stored results."""
    cells, lines = [], source.read_text(encoding="utf-8").splitlines()
    for number, header in enumerate(map(HEADER.fullmatch, lines), start=1):
        if header:
            end = next((end for end in range(number, len(lines)) if lines[end].startswith("# %%")), len(lines))
            words = "\n".join(line[2:] for line in lines[number:end] if line)
            cells.append(Resting(source.stem, number + 1, tuple(json.loads(header[1])), words))
    return cells


def to_read_again(moved: Iterable[str], sources: Iterable[Path] = SOURCES) -> list[Resting]:
    """List the cells that rest on what has moved: names of comparisons, or `comparison: arm`.

        >>> to_read_again(["temperature: T = 4"])
    """
    moved = list(moved)
    return [cell for source in sources for cell in resting(source)
            if any(_holds(own, name) or _holds(name, own) for own in cell.rests for name in moved)]


def _holds(comparison: str, name: str) -> bool:
    return name == comparison or name.startswith(f"{comparison}: ")


def tags(rests: Iterable[str]) -> list[str]:
    """Make tags for Jupyter, which have no spaces and commas, of the comparisons that a cell rests on."""
    return list(dict.fromkeys("rests-on:" + re.sub(r"\W+", "-", name.partition(": ")[0]) for name in rests))


def main() -> None:
    """Print the cells that rest on what is named, or all."""
    from distill_course.comparisons import COMPARISONS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moved", nargs="*", help="comparisons, or COMPARISON: ARM; all where left out")
    moved = parser.parse_args().moved
    known = [*COMPARISONS, *(f"{name}: {arm}" for name, comparison in COMPARISONS.items() for arm in comparison.arms)]
    if unknown := [name for name in moved if name not in known]:
        parser.error(f"there is no comparison {unknown[0]!r}; they are {'; '.join(COMPARISONS)}")
    cells = to_read_again(moved) if moved else [cell for source in SOURCES for cell in resting(source)]
    print(*cells, f"{len(cells)} cells rest on {'; '.join(moved) or 'stored results'}.", sep="\n")


if __name__ == "__main__":
    main()
