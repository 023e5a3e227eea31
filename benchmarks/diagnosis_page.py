"""Write docs/diagnosis.md: what can be found, how often that is right, what is confused with what, how early.

    python benchmarks/diagnosis_page.py

Every figure comes from the runs of benchmarks/diagnosis.py, judged anew.
"""
import argparse
from collections import Counter, defaultdict
from statistics import median

from diagnosis import HERE, accepted, done, judged, score
from shared import ROOT, read_json

from distill_course.comparisons import Results, paired
from distill_course.diagnosis import FAULTS, STRENGTHS, Reference, diagnose, reference_for
from distill_course.diagnosis.finding import CAUSES, SEVERE
from distill_kit.history import epoch_rows

PAGE, TEMPLATE = ROOT / "docs" / "diagnosis.md", HERE / "diagnosis_page.md"
EVERY = ("severe", "worth a look", "note")


def words(name: str) -> str:
    """Write a name as people do."""
    return name.replace("_", " ")


def per_cent(share: float | None, interval: list[float] | None = None) -> str:
    if share is None:
        return "none"
    return f"{100 * share:.1f} %" + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else "")


def table(head: list[str], rows: list[list]) -> str:
    """Write a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def overall(report: dict) -> str:
    """Write precision and recall, with probes and without."""
    rows = []
    for name, part in (("with probes", report), ("without probes", report["history_only"])):
        rows.append([name, *(per_cent(part[key], part[f"{key}_interval"]) for key in
                             ("precision", "recall", "healthy_flagged_severe")),
                     per_cent(part["harmful"]["recall"], part["harmful"]["recall_interval"]),
                     per_cent(part["mild"]["recall"], part["mild"]["recall_interval"])])
    return table(["", "precision", "recall", "healthy runs flagged severe", "recall where 2 points or more are lost",
                  "recall of mild faults"], rows)


def lesser(entries: list[dict]) -> int:
    """Count healthy runs of which something is called worth a look."""
    return sum(any(finding.severity == "worth a look" for finding in judged(entry, True))
               for entry in entries if not entry["fault"])


def strengths(entries: list[dict]) -> str:
    """Write how many runs of each fault and strength are recognised, with probes and without."""
    counts = defaultdict(lambda: [0, 0, 0])
    for entry in entries:
        if entry["fault"]:
            count = counts[entry["fault"], entry["strength"]]
            count[0] += 1
            for place, probes in ((1, True), (2, False)):
                severities = EVERY if FAULTS[entry["fault"]].harmless else ("severe",)
                names = [finding.name for finding in judged(entry, probes) if finding.severity in severities]
                count[place] += bool(set(names) & set(accepted(entry)))
    rows = []
    for name, fault in FAULTS.items():
        cells = [f"{counts[name, strength][1]} / {counts[name, strength][2]} of {counts[name, strength][0]}"
                 for strength in STRENGTHS]
        rows.append([words(name) + " (costs next to nothing)" * fault.harmless, *cells])
    return table(["fault", *(f"{strength}: with probes / without" for strength in STRENGTHS)], rows)


def confusions(entries: list[dict], probes: bool) -> str:
    """Write what is called something else than it is: clear and gross faults, and healthy runs."""
    wrong, silent = Counter(), Counter()
    for entry in entries:
        if entry["strength"] == "mild" or entry["fault"] and FAULTS[entry["fault"]].harmless:
            continue
        names = {finding.name for finding in judged(entry, probes) if finding.severity == "severe"}
        for name in names - set(accepted(entry)):
            wrong[entry["fault"] or "healthy", name] += 1
        if entry["fault"] and not names:
            silent[entry["fault"]] += 1
    rows = [[words(truth), words(name), count] for (truth, name), count in wrong.most_common()]
    rows += [[words(truth), "nothing", count] for truth, count in silent.most_common()]
    return table(["it was", "the kit called it", "runs"], rows) if rows else "None."


def earliest(entries: list[dict]) -> str:
    """Write the median epoch from which on a finding that is right stays severe, without probes."""
    since = defaultdict(list)
    for entry in entries:
        if entry["fault"] and entry["strength"] != "mild":
            for name, epoch in sure_from(entry["rows"], reference_for(entry["data"])).items():
                if name in accepted(entry):
                    since[name].append(epoch)
    rows = [[words(name), f"{median(epochs):g}", max(epochs), len(epochs)] for name, epochs in sorted(since.items())]
    return table(["finding", "sure from epoch (median)", "latest", "runs"], rows)


def sure_from(history: list[dict], reference: Reference | None = None) -> dict[str, int]:
    """Find the first epoch from which on each severe finding of the whole history was there all the time."""
    rows = [{"epoch": number, **row} for number, row in enumerate(epoch_rows(history), start=1)]
    named = [{finding.name for finding in diagnose(rows[:end], reference=reference, finished=end == len(rows))
              if finding.severity == SEVERE} for end in range(1, len(rows) + 1)]
    since = {name: 1 + max((place for place, names in enumerate(named) if name not in names), default=-1)
             for name in named[-1]}  # it follows the last epoch without it
    return {name: rows[place]["epoch"] for name, place in since.items()}


def harmless() -> str:
    """Write what each harmless fault costs at its gross strength, in points, seeds paired."""
    measured = read_json("diagnosis_harmless.json")
    rows = []
    for name, by_data in measured.items():
        cells = []
        for shares in by_data.values():
            arms = {arm: [{"accuracy": share} for share in shares[arm]] for arm in ("without", "with")}
            pair, = paired(Results(arms, figure="accuracy"))
            cells.append(f"{pair.mean:+.1f} ({pair.low:+.1f} to {pair.high:+.1f})")
        rows.append([words(name), *cells])
    return table(["fault", *(f"{data}: points" for data in next(iter(measured.values())))], rows)


def costs() -> dict[str, str]:
    """Write what it costs to look (diagnosis_cost.json), as the page says it."""
    measured = read_json("diagnosis_cost.json")
    machine = measured["machine"]
    return {"machine": f"{machine['cores']} cores, {machine['processor']}, {measured['precision']}",
            "extra": f"{100 * (measured['median_ratio'] - 1):+.1f}", "pairs": len(measured["seconds_with"]),
            "probe": f"{measured['probe_seconds']:.2f}", "epochs": measured["epochs"],
            "diagnose": f"{measured['diagnose_milliseconds']:.1f}"}


def needs() -> str:
    """Write which columns each finding needs, and its sentence."""
    rows = [[words(name), ", ".join(f"`{column}`" for column in cause.needs), cause.sentence]
            for name, cause in CAUSES.items()]
    return table(["finding", "columns (none: it takes a probe)", "what it says"], rows)


def text() -> str:
    """Write the whole page: diagnosis_page.md, filled in."""
    report = score("unseen")
    entries = list(done("unseen").values())
    return TEMPLATE.read_text(encoding="utf-8").format(
        overall=overall(report), strengths=strengths(entries), confusions=confusions(entries, True),
        confusions_without=confusions(entries, False), earliest=earliest(entries), needs=needs(), harmless=harmless(),
        dev=len(done("dev")), unseen=len(entries), healthy=report["healthy_runs"], lesser=lesser(entries), **costs())


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
