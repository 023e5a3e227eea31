"""Is `diagnose` right? Runs with known faults, and healthy ones; thresholds from one half, figures from the other.

    python benchmarks/stored/make.py diagnosis          trains both halves, and goes on where it was interrupted
    python benchmarks/diagnosis.py score dev|unseen     prints figures; of the unseen half: diagnosis.json

The truth of a run is written down before: the findings of its fault (distill_course/diagnosis/faults.py), none for a
healthy run.
"""
import argparse
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable
from itertools import cycle, product
from pathlib import Path
from statistics import median

from distill_course.diagnosis import FAULTS, STRENGTHS, Finding, diagnose, reference_for

HERE = Path(__file__).parent
DATA = ("cifar10", "shapes10")
# What a fault leaves open. The halves share no setting and no seed.
BASES = {
    "dev": ({"temperature": 4.0, "alpha": 0.1, "images": 5_000, "epochs": 8},
            {"temperature": 2.0, "alpha": 0.5, "images": 3_000, "epochs": 8, "student": "small"},
            {"temperature": 4.0, "alpha": 0.3, "images": 3_000, "epochs": 6}),
    "unseen": ({"temperature": 3.0, "alpha": 0.2, "images": 4_000, "epochs": 8},
               {"temperature": 6.0, "alpha": 0.4, "images": 4_500, "epochs": 7, "student": "small"},
               {"temperature": 5.0, "alpha": 0.15, "images": 2_500, "epochs": 9, "student": "small"},
               {"temperature": 2.5, "alpha": 0.35, "images": 3_500, "epochs": 6}),
}
ADAMW = {"optimizer": "adamw", "batch_size": 64, "images": 3_000}
HEALTHY = {  # good, mediocre, and odd but fine
    "dev": ({}, {"alpha": 0.5}, {"temperature": 1.0}, {"temperature": 10.0}, {"alpha": 1.0}, {"alpha": 0.0},
            {"student": "small"}, {"student": "layer_norm"}, {"images": 2_000}, {"epochs": 5},
            {**ADAMW}, {**ADAMW, "learning_rate": 3e-3}, {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 64},
            {"alpha": 0.1, "final_alpha": 0.9}, {"labelled": 1_000}, {"changes": ("easy_first",)},
            {"label_noise": 0.1, "student": "small"}, {"batch_size": 128, "student": "small"}),
    "unseen": ({}, {"alpha": 0.6}, {"temperature": 1.5}, {"temperature": 15.0}, {"alpha": 0.8}, {"alpha": 0.05},
               {"student": "small", "epochs": 10}, {"student": "small", "temperature": 7.0},
               {"student": "layer_norm", "alpha": 0.3}, {"images": 1_500, "epochs": 12}, {"epochs": 6},
               {**ADAMW, "alpha": 0.4}, {**ADAMW, "learning_rate": 5e-3},
               {"optimizer": "sgd", "learning_rate": 0.03, "batch_size": 64, "images": 4_000},
               {"temperature": 8.0, "final_temperature": 2.0}, {"alpha": 0.9, "final_alpha": 0.1},
               {"labelled": 2_000}, {"changes": ("no_warmup",)}, {"label_noise": 0.05},
               {"student": "small", "alpha": 1.0}, {"batch_size": 192, "student": "small"},
               {"changes": ("straight_line",), "student": "small"},
               {"changes": ("no_clipping",)}, {"images": 3_000, "student": "small", "temperature": 20.0}),
}
RUNS = {"dev": {"mild": 2, "clear": 4, "gross": 4, "healthy": 60},
        "unseen": {"mild": 4, "clear": 9, "gross": 9, "healthy": 160}}
FIRST_SEED = {"dev": 0, "unseen": 1_000}


# The order in which runs were listed first: numbers and seeds depend on it, so the runs of a new fault come behind.
FIRST_LISTED = (
    "t_squared_missing", "element_mean", "softmax_for_log_softmax", "kl_swapped", "student_not_softened",
    "alpha_inverted", "softmax_twice", "weak_teacher", "classes_permuted", "teacher_rows_shuffled",
    "teacher_sees_other_view", "teacher_in_train_mode", "temperature_too_high", "false_labels",
    "batches_in_class_order", "too_few_images", "too_few_epochs", "learning_rate_too_high", "learning_rate_too_low",
    "clipping_under_adamw", "clipping_too_tight", "dead_units", "student_in_eval_mode", "layers_not_trained",
    "student_too_small")


def cases(half: str, faults: Iterable[str] = tuple(FAULTS)) -> list[dict]:
    """List the runs of a half: number, data, fault, strength, settings. The list was there before any was trained."""
    listed, data, bases = [], cycle(DATA), cycle(BASES[half])

    def add(names: Iterable[str]) -> None:
        for strength, name in product(STRENGTHS, names):
            for _ in range(RUNS[half][strength]):
                listed.append({"fault": name, "strength": strength, "data": next(data), "settings": dict(next(bases))})
            next(data) if RUNS[half][strength] % 2 == 0 else None
    add(FIRST_LISTED)
    for number in range(RUNS[half]["healthy"]):
        chosen = HEALTHY[half][number // 2 % len(HEALTHY[half])]
        listed.append({"fault": None, "strength": None, "data": DATA[number % 2], "settings": {"epochs": 8, **chosen}})
    add([name for name in faults if name not in FIRST_LISTED])
    return [{"number": number, **case, "settings": {**case["settings"], "seed": FIRST_SEED[half] + number}}
            for number, case in enumerate(listed)]


def packed(half: str) -> Path:
    """Return the file with the runs of a half, one a line."""
    return HERE / f"diagnosis-{half}.jsonl.gz"


def done(half: str) -> dict[int, dict]:
    """Read the runs that there are, by their number and in its order."""
    lines = gzip.decompress(packed(half).read_bytes()).decode().splitlines() if packed(half).exists() else []
    return dict(sorted((entry["number"], entry) for entry in map(json.loads, lines)))


def interval(hits: int, n: int) -> list[float]:
    """Compute the 95 % interval of a share (Wilson, 1927)."""
    from scipy.stats import binomtest
    low, high = binomtest(hits, n).proportion_ci(method="wilson") if n else (0.0, 1.0)
    return [round(low, 4), round(high, 4)]


def share(hits: int, n: int, name: str) -> dict:
    """Return a share, its interval and its n, under their keys."""
    return {name: round(hits / n, 4) if n else None, f"{name}_interval": interval(hits, n), f"{name}_n": n}


def judged(entry: dict, probes: bool) -> list[Finding]:
    """Diagnose a run again; probes: with what its probes answered."""
    return diagnose(entry["rows"], entry["probes"] if probes else None, reference_for(entry["data"]))


def accepted(entry: dict) -> tuple[str, ...]:
    """Return the findings that are right for a run."""
    return FAULTS[entry["fault"]].findings if entry["fault"] else ()


def figures(entries: list[dict], probes: bool, severities: tuple[str, ...] = ("severe",)) -> dict:
    """Compute precision over the findings of all runs; recall over the faulty ones, and by fault."""
    count = right = 0
    hits = defaultdict(list)
    for entry in entries:
        names = [finding.name for finding in judged(entry, probes) if finding.severity in severities]
        count, right = count + len(names), right + sum(name in accepted(entry) for name in names)
        if entry["fault"]:
            hits[entry["fault"]].append(any(name in accepted(entry) for name in names))
    every = [hit for of_fault in hits.values() for hit in of_fault]
    return {**share(right, count, "precision"), **share(sum(every), len(every), "recall"),
            "per_fault": {name: {**share(sum(of_fault), len(of_fault), "recall"), "n": len(of_fault)}
                          for name, of_fault in sorted(hits.items())}}


def lost(entry: dict, healthy: dict) -> float:
    """Compute by how many points a run lies below the median of the healthy runs of its data and student."""
    best = max((row.get("val_accuracy") or 0.0) for row in entry["rows"])
    return 100 * (healthy[entry["data"], entry["settings"].get("student", "default")] - best)


def score(half: str) -> dict:
    """Compute the figures of a half: those of diagnosis.json."""
    entries = list(done(half).values())
    healthy = [entry for entry in entries if not entry["fault"]]
    ill = [entry for entry in entries if entry["fault"]]
    costly = [entry for entry in ill if not FAULTS[entry["fault"]].harmless]
    strong = [entry for entry in costly if entry["strength"] != "mild"]
    level = {}
    for data in DATA:
        for student in ("default", "small"):
            best = [max(row.get("val_accuracy") or 0.0 for row in entry["rows"]) for entry in healthy
                    if entry["data"] == data and entry["settings"].get("student", "default") == student]
            level[data, student] = median(best) if best else 0.0
    harmless = [entry for entry in ill if FAULTS[entry["fault"]].harmless]
    every = ("severe", "worth a look", "note")

    def part(probes: bool) -> dict:
        flagged = sum(any(finding.severity == "severe" for finding in judged(entry, probes)) for entry in healthy)
        return {**figures(strong + healthy, probes),
                **share(flagged, len(healthy), "healthy_flagged_severe"), "healthy_runs": len(healthy),
                "mild": figures([entry for entry in costly if entry["strength"] == "mild"], probes),
                "harmless": figures(harmless, probes, every),
                "harmful": figures([entry for entry in strong if lost(entry, level) >= 2], probes)}
    return {**part(True), "history_only": part(False), "runs": len(entries), "half": half,
            "version": min(entry["version"] for entry in entries)}


def show(report: dict, half: str) -> None:
    """Print the figures, and every run about which they are wrong or silent."""
    for name, part in (("with probes", report), ("without probes", report["history_only"])):
        print(f"{name}: precision {part['precision']}, recall {part['recall']}, "
              f"healthy flagged {part['healthy_flagged_severe']} of {part['healthy_runs']}")
        for fault, figure in part["per_fault"].items():
            print(f"    {fault:28} {figure['recall']:.2f} of {figure['n']}")
    for entry in done(half).values():
        for probes in (True, False):
            names = [finding.name for finding in judged(entry, probes) if finding.severity == "severe"]
            wrong = [name for name in names if name not in accepted(entry)]
            missed = entry["fault"] and not FAULTS[entry["fault"]].harmless and entry["strength"] != "mild"
            if wrong or missed and not set(names) & set(accepted(entry)):
                print("with   " if probes else "without", entry["number"], entry["data"], entry["fault"],
                      entry["strength"], entry["settings"], "->", names)


def write_score() -> dict:
    """Write the figures of the half that set no threshold into diagnosis.json, and return them."""
    report = score("unseen")
    (HERE / "diagnosis.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("score",))
    parser.add_argument("half", choices=tuple(RUNS))
    options = parser.parse_args()
    show(write_score() if options.half == "unseen" else score(options.half), options.half)


if __name__ == "__main__":
    main()
