"""The loop of a sweep: claim runs, train them, enter what came out, until no run of the plan is left."""
import warnings
from pathlib import Path

from ..run_folders import read_result, write_result
from .crew import Crew
from .ledger import Ledger
from .plan import Planned, groups
from .stock import Stock


def carry_out(plan: dict[str, Planned], ledger: Ledger, folder: Path, stock: Stock, workers: int | None = None
              ) -> dict[str, str]:
    """Train all runs of a plan that have no result yet, beside whoever else does; returns sentences of failed ones.

    A bar says how much time is left. folder: gets each result as it comes, so that it is not lost where the ledger
    cannot be reached.
    """
    from tqdm.auto import tqdm
    made = {key: result for key in plan if (
        result := lying_at(folder / f"{key}.json", ledger.results.get(key), ledger.clashes))}
    for key in made.keys() & ledger.results.keys():
        ledger.add(key, made[key])
    failed, queue, cut = {}, [], groups(plan)

    def claimed() -> bool:
        """Claim the first runs that nobody has; what does not lie here already comes into the queue. Were there any?"""
        taken = ledger.results.keys() | ledger.claimed.keys() | failed.keys()
        free = next((own for keys in cut if (own := tuple(key for key in keys if key not in taken))), ())
        if free and ledger.claim(free, vars(plan[free[0]].settings)):
            queue.extend(key for key in free if key not in made)
        return bool(free)
    # No smoothing: tqdm would leave out the time in which nothing was finished.
    with ledger.at_work(), Crew(workers) as crew, tqdm(total=len(plan), desc="runs", unit="run", smoothing=0,
                                                       initial=len(plan.keys() & ledger.results.keys())) as bar:
        try:
            while plan.keys() - ledger.results.keys() - failed.keys():
                while crew.free and (queue or claimed()):
                    if queue:
                        key = queue.pop(0)
                        crew.start(key, plan[key], stock.source(plan[key], True), folder / f"{key}.json")
                for key, result in crew.wait():
                    (failed if "error" in result else made)[key] = result.get("error", result)
                enter(ledger, made, failed)
                if not ledger.held:
                    ledger.look()
                bar.update(len(plan.keys() & (ledger.results.keys() | made.keys())) - bar.n)
        except KeyboardInterrupt:
            enter(ledger, made, failed, whole=False)
            raise
    return failed


def enter(ledger: Ledger, made: dict[str, dict], failed: dict[str, str], whole: bool = True) -> None:
    """Enter claims of which each run has ended; whole=False: those, too, of which some have."""
    for number, keys in list(ledger.held.items()):
        results, errors = ({key: ended[key] for key in keys if key in ended} for ended in (made, failed))
        if len(results) + len(errors) == len(keys) or results and not whole:
            ledger.enter(number, results, errors)


def lying_at(path: Path, entered: dict | None, clashes: list[str]) -> dict | None:
    """Return the result of a run that lies on the disk; None where there is none, or it is not what was written.

    entered: what the ledger has of the run, which is then written anew, and said in a sentence more in `clashes`.
    """
    try:
        return read_result(path)
    except ValueError as error:
        if entered is None:
            warnings.warn(f"{error}; its run is trained again", stacklevel=3)
        else:
            clashes.append(f"{error}; what the study has is kept, and the file is written anew")
            write_result(path, entered)
