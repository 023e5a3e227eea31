"""The loop of a sweep: claim runs, train them, enter what came out, until no run of the plan is left."""
import json
import math
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from .crew import Crew
from .ledger import Ledger
from .plan import Planned, groups
from .stock import Stock

PARTS = ("arm", "machine", "threads", "rows", "settings", "report")  # of a result


def carry_out(plan: dict[str, Planned], ledger: Ledger, folder: Path, stock: Stock, workers: int | None = None,
              tell: Callable[[int], None] = lambda finished: None) -> dict[str, str]:
    """Train all runs of a plan that have no result yet, beside whoever else does; returns sentences of failed ones.

    folder: gets each result as it comes, so that it is not lost where the ledger cannot be reached. tell: is told how
    many runs are finished whenever another one is.
    """
    made = {key: result for key, run in plan.items() if (result := read_result(folder / f"{key}.json", run)) is not None}
    for key in made.keys() & ledger.results.keys():
        ledger.add(key, made[key])
    failed, queue, cut, numbers = {}, deque(), groups(plan), _numbers(plan)

    def claimed() -> bool:
        """Claim the first group that nobody has, so that something is in the queue; runs that lie here are not."""
        taken = ledger.results.keys() | ledger.claimed.keys() | failed.keys()
        for keys in cut:
            free = tuple(key for key in keys if key not in taken)
            if free and ledger.claim(free, numbers[free[0]]):
                queue.extend(key for key in free if key not in made)
                return True
        return False
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


def read_result(path: Path, run: Planned) -> dict | None:
    """Read the result of a run from the disk; None where there is none, with a warning where it is none of this run."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        shares = result["report"]["val_accuracy"], result["report"]["test_accuracy"] or 0.0
        own = json.loads(json.dumps({**asdict(run.settings), "data": result["settings"]["data"]}))
        if not (all(part in result for part in PARTS) and result["rows"] and result["settings"] == own
                and all(math.isfinite(share) and 0 <= share <= 1 for share in shares)):
            raise ValueError
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError):
        warnings.warn(f"{path} is cut, altered or of another run; its run is trained again.", stacklevel=3)
        return None
    return result


def _numbers(plan: dict[str, Planned]) -> dict[str, dict[str, tuple]]:
    """For each run the numbers that differ within the plan, with their lowest and highest: what the dashboard shows."""
    own = {key: {name: value for name, value in vars(run.settings).items()
                 if name != "seed" and isinstance(value, int | float)} for key, run in plan.items()}
    spans = {name: {numbers[name] for numbers in own.values() if name in numbers}
             for name in {name for numbers in own.values() for name in numbers}}
    return {key: {name: (value, min(spans[name]), max(spans[name])) for name, value in numbers.items()
                  if len(spans[name]) > 1} for key, numbers in own.items()}
