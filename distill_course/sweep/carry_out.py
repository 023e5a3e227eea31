"""The loop of a sweep: claim runs, train them, enter what came out, until no run of the plan is left."""
import contextlib
import json
import warnings
from collections import deque
from collections.abc import Callable
from pathlib import Path

from .crew import Crew
from .ledger import Ledger
from .plan import Planned, groups
from .stock import Stock

PARTS = ("key", "arm", "machine", "threads", "rows", "settings", "report")  # of a result


def carry_out(plan: dict[str, Planned], ledger: Ledger, folder: Path, stock: Stock, workers: int | None = None,
              tell: Callable[[int], None] = lambda finished: None) -> dict[str, str]:
    """Train all runs of a plan that have no result yet, beside whoever else does; returns sentences of failed ones.

    folder: gets each result as it comes, so that it is not lost where the ledger cannot be reached. tell: is told how
    many runs are finished whenever another one is.
    """
    lying = {key: read_result(folder / f"{key}.json") for key in plan}
    made = {key: result for key, result in lying.items() if result is not None}
    for key in made.keys() & ledger.results.keys():
        ledger.add(key, made[key])
    failed, queue, cut = {}, deque(), groups(plan)

    def claimed() -> bool:
        """Claim the first runs that nobody has; those of them that do not lie here already come into the queue."""
        while True:
            taken = ledger.results.keys() | ledger.claimed.keys() | failed.keys()
            free = next((own for keys in cut if (own := tuple(key for key in keys if key not in taken))), ())
            if not free:
                return False
            if ledger.claim(free, plan[free[0]].settings):
                queue.extend(key for key in free if key not in made)
                return True
    with ledger.at_work(), Crew(workers) as crew:
        while plan.keys() - ledger.results.keys() - failed.keys():
            while crew.free and (queue or claimed()):
                if queue:
                    key = queue.popleft()
                    crew.start(key, plan[key], stock.source(plan[key], True), folder / f"{key}.json")
            for key, result in crew.wait():
                (failed if "error" in result else made)[key] = result.get("error", result)
            for number, keys in list(ledger.held.items()):
                if all(key in made or key in failed for key in keys):
                    ledger.enter(number, {key: made[key] for key in keys if key in made},
                                 {key: failed[key] for key in keys if key in failed})
            if not ledger.held:
                ledger.look()
            tell(len(plan.keys() & (ledger.results.keys() | made.keys())))
    return failed


def read_result(path: Path) -> dict | None:
    """Read a result that lies on the disk; None where there is none, with a warning where it is none of this run."""
    with contextlib.suppress(AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
        result = json.loads(path.read_text(encoding="utf-8"))
        if all(part in result for part in PARTS) and result["key"] == path.stem and 0 <= (
                result["report"]["val_accuracy"]) <= 1:
            return result
    if path.exists():
        warnings.warn(f"{path} is cut, altered or of another run; its run is trained again.", stacklevel=2)
    return None
