"""`sweep`: train every combination of settings, on one machine or on many, and go on wherever it was interrupted."""
import functools
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import torch

from distill_kit.files import replacing
from distill_kit.schedules import check_whole

from ..run_folders import runs_folder
from ..settings import fitted
from ..sweep.carry_out import carry_out
from ..sweep.ledger import Ledger
from ..sweep.plan import VERSION, Planned, cells, keyed, planned, read_plan
from ..sweep.stock import Stock
from .commands import MOST_SEEDS, answer, newest_teacher, refuse
from .sentences import complain, say

BESIDE = {"study", "storage", "json", "command", "known", "answers", "status", "export"}  # no plan is made of them
WAYS = "there are two ways on: another name (--study), or --extend, which adds these runs to those that it has"


def run_sweep(options) -> int:
    """Train what a plan lacks, or say how far it is, or write its table."""
    started, given = time.perf_counter(), vars(options)
    if not re.fullmatch(r"\w[\w.-]*", options.study):
        raise ValueError(f"study must be a name of letters, digits, '-', '_' and '.'; got {options.study!r}")
    folder, stock = runs_folder() / "sweeps" / options.study, Stock()
    storage = given.get("storage", f"sqlite:///{folder.absolute() / 'study.db'}")
    looks = next((name for name in ("status", "export") if name in given), None)
    if looks:
        refuse(given.keys() - BESIDE, f"{looks} takes --study and --storage only")
        ledger = Ledger(options.study, storage, write=False)
        failed, keys = ledger.errors, ledger.keys
        if "export" in given:
            say(f"{export(ledger.results, keys, Path(options.export))} runs are written to {options.export}")
    else:
        check_whole("workers", given.get("workers", 1), 1)
        # The other way a worker that is killed while it fetches a descriptor leaves a traceback on the terminal.
        torch.multiprocessing.set_sharing_strategy("file_system")
        plan = plan_of(given, stock)
        stock.check(plan.values())  # before anything is written
        ledger = Ledger(options.study, storage)
        keys = agree(ledger, list(plan), "extend" in given)
        say(f"The results go to {folder} and {ledger.shown}. If this is interrupted, the same command goes on.")
        failed = carry_out(plan, ledger, folder / "results", stock, given.get("workers"))
    failed = [failed[key] for key in keys if key in failed and key not in ledger.results]
    report = {"requested": len(keys), "finished": len(ledger.results.keys() & set(keys)), "failed": len(failed),
              "repeated": ledger.repeated, "seconds": time.perf_counter() - started, "study": options.study,
              "storage": ledger.shown, **({"running": len(ledger.claimed)} if looks else {})}
    answer(options, report, [
        ("runs", f"{report['finished']:,} of {len(keys):,} are finished, {len(ledger.claimed):,} claimed"),
        ("failed", f"{len(failed):,}" if failed else None), ("study", options.study), ("storage", ledger.shown),
        ("time", None if looks else f"{report['seconds']:.0f} s"),
        ("for a table", f"sweep --study {options.study}{' --storage URL' * ('storage' in given)} --export FILE.csv")])
    for sentence in [*failed[:1], *ledger.clashes]:
        complain(sentence, 1)
    return 1 if failed or ledger.clashes else 0


def plan_of(given: dict, stock: Stock) -> dict[str, Planned]:
    """Make the plan that the options ask for, each option with a list of values; or read it from a file."""
    grid = {name: values for name, values in given.items()
            if name not in BESIDE | {"plan", "seeds", "workers", "extend"}}
    newest = functools.lru_cache(maxsize=1)(newest_teacher)  # it says which, once
    if "plan" in given:
        refuse(grid.keys() | given.keys() & {"seeds"}, "plan says all of its runs")
        asked = read_plan(given["plan"])
    else:
        first = grid.pop("seed", [0])
        if "seeds" in given:
            check_whole("seeds", given["seeds"], 1, MOST_SEEDS)
            if len(first) > 1:
                raise ValueError(f"seeds is a count, from --seed on, which then takes one value; got {first}")
            check_whole("seed", first[0], 0)
            first = range(first[0], first[0] + given["seeds"])
        asked = cells({"grid": grid, "seeds": [*first]})
    runs = []
    for arm, values in asked:
        try:
            run = planned(arm, values)
            dataset = stock.dataset(run)
            runs.append(replace(run, settings=fitted(run.settings, dataset, values),
                                teacher=run.teacher or newest(dataset),
                                taught_by=run.taught_by and fitted(run.taught_by, dataset, values["teacher"])))
            stock.fingerprints(runs[-1])
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(f"{arm}: {error}" if "plan" in given else str(error)) from None
    return keyed(runs, stock.fingerprints)


def agree(ledger: Ledger, keys: list[str], extend: bool) -> list[str]:
    """Write the plan into a new study; returns all keys of it.

    Raises ValueError where the study is of another plan or version, unless it is extended. A command that began or
    extended it goes on as it is.
    """
    before, known = ledger.plans, ledger.keys
    if (version := max((plan["version"] for plan in before), default=VERSION)) != VERSION and not extend:
        raise ValueError(f"study {ledger.name!r} is of version {version} of what a run computes, and this is version "
                         f"{VERSION}; {WAYS}")
    new = not before or extend and {*keys} - {*known}
    take_back = ledger.add_plan({"version": VERSION, "keys": keys}) if new else lambda: None
    every = ledger.keys  # another machine may have begun the study meanwhile
    if not extend and {*keys} not in [{*every}, *({*plan["keys"]} for plan in before)]:
        take_back()
        other = ledger.keys
        raise ValueError(f"study {ledger.name!r} is of another plan: {len({*other} & {*keys}):,} of its {len(other):,} "
                         f"runs are among these {len(keys):,}; {WAYS}")
    return every


def export(results: dict[str, dict], keys: list[str], path: Path) -> int:
    """Write a table of the plan's finished runs, a row each; returns how many. In CSV without the rows of epochs.

    Raises ValueError for an ending that is none of .csv, .jsonl, .parquet.
    """
    rows = [{"key": key, "arm": run["arm"], **run["settings"], "teacher": run["teacher"], "views": run["views"],
             **run["report"], "teacher_accuracy": run["rows"][-1].get("val_teacher_accuracy"), "source": run["source"],
             "version": run["version"], **run["machine"], "threads": run["threads"], "taught_by": run["taught_by"],
             "probes": run["probes"], "epoch_rows": run["rows"]} for key in keys if (run := results.get(key))]
    columns = dict.fromkeys(name for row in rows for name in row)
    if path.suffix not in (".csv", ".jsonl", ".parquet"):
        raise ValueError(f"export must end in .csv, .jsonl (an object a line) or .parquet; got {str(path)!r}")
    from pyarrow import Table, csv, parquet
    with replacing(path) as file:
        if path.suffix == ".jsonl":
            file.writelines(json.dumps(row).encode() + b"\n" for row in rows)
        elif path.suffix == ".parquet":
            parquet.write_table(Table.from_pylist([columns | row for row in rows]), file)
        else:
            flat = [{name: json.dumps(row[name]) if isinstance(row.get(name), dict | list) else row.get(name)
                     for name in columns if name != "epoch_rows"} for row in rows]
            csv.write_csv(Table.from_pylist(flat), file)
    return len(rows)
