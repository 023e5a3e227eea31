"""Claims put to the test: what an article says, a test that was stated before the runs, and how it came out.

assets/claims.toml has them. Differences are in points, between runs of the same seed: of test images that no choice was
made with, or of what a history says about its own epochs (FIGURES).
"""
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from .atlas import DATA, Cell, measured
from .comparisons import with_patience
from .settings import settings_of
from .shipped import read_stored, read_table
from .statistics import SURE, interval

HOLDS, FAILS, OPEN = "holds", "does not hold", "not decided at n = {n}"


@dataclass(frozen=True)
class Claim:
    """A claim, and the test of it."""
    name: str
    says: str                      # in the course's words
    place: str                     # the heading of the article that it stands under
    more: tuple[dict, ...]         # settings; of several, those that are best on validation images
    less: tuple[dict, ...] = ()    # what they are held against
    shared: dict = field(default_factory=dict)
    above: float = -math.inf       # what the claim says of the difference, in points: so much at least
    below: float = math.inf        # and at most
    figure: str = "test accuracy"  # of FIGURES

    @property
    def differences(self) -> list[float]:
        """What came out, in points, a pair of runs each."""
        more, less = (self._best(settings) for settings in (self.more, self.less or self.more))
        pairs = {run["seed"]: run for run in less.runs}
        return [100 * FIGURES[self.figure](run, pairs[run["seed"]]) for run in more.runs if run["seed"] in pairs]

    @property
    def verdict(self) -> str:
        """HOLDS, FAILS or OPEN."""
        return judged(*interval(self.differences), self.above, self.below).format(n=len(self.differences))

    @property
    def test(self) -> str:
        """The test in words."""
        ends = [f"{end:+g}" if end else "0" for end in (self.above, self.below)]
        region = f"above {ends[0]}" if self.below == math.inf else f"below {ends[1]}" if self.above == -math.inf else \
            f"{ends[0]} to {ends[1]}"
        chosen = ", best ones chosen on validation images" * (max(len(self.more), len(self.less)) > 1)
        return f"{self.figure}, {'paired t' if self.less else 't'}{chosen}; the claim: {region}"

    @property
    def setting(self) -> str:
        """What both sides have that a quick run has not."""
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in self.shared.items()) or "as it is"

    def _best(self, settings: tuple[dict, ...]) -> Cell:
        cells = [measured(settings_of({"data": DATA, "epochs": 8, **self.shared, **own})) for own in settings]
        if not all(cell.runs for cell in cells):
            raise ValueError(f"claim {self.name!r} has settings of which nothing is stored: see comparison-table.toml")
        return max(cells, key=lambda cell: statistics.fmean(run["val_accuracy"] for run in cell.runs))


def judged(low: float, high: float, above: float, below: float) -> str:
    """Judge an interval: does it lie inside of what the claim says, outside, or across an end of it?"""
    return HOLDS if above <= low and high <= below else FAILS if high < above or low > below else OPEN


def gone_back(run: dict, _: dict) -> float:
    """Validation accuracy of the epoch that early stopping goes back to (patience 3, on the loss), beside the best."""
    epochs = run["epochs"]
    return epochs["val_accuracy"][with_patience(epochs["val_loss"], 3)[1] - 1] - max(epochs["val_accuracy"])


def after_the_lowest_loss(run: dict, _: dict) -> float:
    """How much validation accuracy rises from the epoch of the lowest validation loss to the last."""
    epochs = run["epochs"]
    return epochs["val_accuracy"][-1] - epochs["val_accuracy"][epochs["val_loss"].index(min(epochs["val_loss"]))]


def epochs_saved(run: dict, other: dict) -> float:
    """Share of the other run's epochs that are saved on the way to its best validation accuracy."""
    own, level = run["epochs"]["val_accuracy"], max(other["epochs"]["val_accuracy"])
    reached = next((epoch for epoch, share in enumerate(own, start=1) if share >= level), len(own))
    return 1 - reached / (other["epochs"]["val_accuracy"].index(level) + 1)


FIGURES: dict[str, Callable[[dict, dict], float]] = {
    "test accuracy": lambda run, other: run["test_accuracy"] - other["test_accuracy"],
    "validation accuracy that early stopping goes back to, less the best": gone_back,
    "validation accuracy of the last epoch, less that of the lowest loss": after_the_lowest_loss,
    "per cent of the epochs saved": epochs_saved}
TABLE = read_table("claims")
NOT_TESTED: tuple[str, ...] = TABLE.pop("not tested")["says"]
CLAIMS = {name: Claim(name, **entry) for name, entry in TABLE.items()}
HEAD = ("| claim | heading in the article | quick run | n | effect | 95 % interval | test | verdict |\n"
        "|---|---|---|---|---|---|---|---|")


def table() -> str:
    """Write all claims in Markdown, a row each: setting, n, effect and interval in points, test and verdict."""
    rows = []
    for claim in CLAIMS.values():
        differences = claim.differences
        low, high = interval(differences)
        rows.append((claim.says, claim.place, claim.setting, str(len(differences)),
                     f"{statistics.fmean(differences):+.2f}", f"{low:+.2f} to {high:+.2f}", claim.test, claim.verdict))
    return "\n".join([HEAD, *(f"| {' | '.join(row)} |" for row in rows)])


def by_luck() -> float:
    """How many of these verdicts may be wrong by luck: intervals that miss what they are of."""
    return (1 - SURE) * len(CLAIMS)


def known() -> str:
    """Write what others have published beside what this code reaches (benchmarks/known.py), in per cent."""
    content, lines = read_stored("known"), []
    for study, arms in content["runs"].items():
        lines.append("{}; here {images:,} images, {epochs} epochs".format(
            content["sources"][study], **content["setting"][study]))
        lines += [f"    {arm:14} published {content['published'][study][arm]:.1f} %, here "
                  f"{statistics.fmean(runs.values()):.1f} % (n = {len(runs)})" for arm, runs in arms.items()]
    return "\n".join([*lines, ", ".join(content[name] for name in ("source", "machine", "date"))])
