"""What a run costs beside other programs, and beside other runs: with torch's own way of waiting, and with the kit's.

    python benchmarks/neighbours.py [--rounds 5] [--epochs 8] [--precision bfloat16 float32] [--only kit] [--sessions]
    python benchmarks/neighbours.py --pages     measures nothing: writes the tables from neighbours.json

Needs CIFAR-10. Quick runs, their images and the teacher's answers at hand, in processes that are kept: alone, beside
one and two busy loops, two at once, six at once; before and after in turn. Writes benchmarks/neighbours.json, where a
precision that was not measured stays as it was, and the tables of docs/neighbours.md and README.md. --sessions gives
each process a session of its own, as JupyterLab does with its kernels: where Linux shares its cores among sessions, two
threads of one process then count as much as one of another.
"""
import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from shared import ROOT, read_json, trained, write_json, write_part

from distill_course.machine import machine
from distill_course.sweep.plan import VERSION
from distill_kit import Materials, Settings, load_dataset, load_teacher
from distill_kit.devices import choose_device, cpu_has_bfloat16
from distill_kit.settings import QUICK_EPOCHS

SCENES = {"alone": (1, 0), "beside one busy program": (1, 1), "beside two busy programs": (1, 2),
          "two runs at once": (2, 0), "six runs at once": (6, 0)}
WAITING = {"before": {"GOMP_SPINCOUNT": "300000"},  # what GNU's OpenMP takes where nobody says anything
           "kit": {},
           "passive": {"OMP_WAIT_POLICY": "passive"}, "short spin": {"GOMP_SPINCOUNT": "1000"}}
ARMS = ("before", "kit")  # in every scene; the others in those that rule them out
ALSO = {"alone": ("passive", "short spin")}
SLOW = "six runs at once", "before"  # only in the first round: two minutes each
BUSY = "while True: pass"


def serve() -> None:
    """Train, in a process of its own, a run for each line of standard input; its figures go to standard output."""
    dataset, materials = load_dataset("cifar10"), {}
    teacher, _ = load_teacher(dataset)
    print("ready", flush=True)
    for line in sys.stdin:
        precision, epochs = line.split()
        settings = Settings(epochs=int(epochs), precision=precision)
        if precision not in materials:
            materials[precision] = Materials.of(settings, dataset, teacher)
            materials[precision].complete()
        run = trained(settings, materials[precision])
        row = run.history[-1]
        print(json.dumps({"seconds": row["seconds"], "cores": run.room.cores[1]}), flush=True)


class Runner:
    """A process that trains when it is asked."""

    def __init__(self, arm: str, sessions: bool):
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
        self.process = subprocess.Popen([sys.executable, __file__, "--serve"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**env, **WAITING[arm]},
                                        start_new_session=sessions)

    def ask(self, precision: str, epochs: int) -> None:
        self.process.stdin.write(f"{precision} {epochs}\n")
        self.process.stdin.flush()

    def answer(self) -> dict:
        return json.loads(self.process.stdout.readline())


@contextlib.contextmanager
def busy(count: int, sessions: bool) -> Iterator[None]:
    """Open a context in which so many other programs are at work."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=sessions) for _ in range(count)]
    time.sleep(0.5 * bool(count))
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def figures(answers: list[dict]) -> dict:
    """Summarise runs of the same kind."""
    seconds = [answer["seconds"] for answer in answers]
    return {"seconds": round(statistics.median(seconds), 2), "most": round(max(seconds), 2), "n": len(seconds),
            "cores": round(statistics.median(answer["cores"] for answer in answers), 2)}


def table(measured: dict[str, dict]) -> str:
    """Write in Markdown the seconds of a run, and how many times as long that is as alone, for each precision."""
    return "\n\n".join(section(precision, report) for precision, report in measured.items())


def section(precision: str, report: dict) -> str:
    """Write the table of a precision, below the machine it was measured on."""
    where, arms = report["machine"], report["seconds"]
    lines = [f"Seconds of a run of {report['epochs']} epochs{earlier(report)} on {where['cores']} cores "
             f"({where['processor']}, {where['instructions']}), torch {where['torch']}. Medians of {report['rounds']} "
             f"round{'s' * (report['rounds'] > 1)}, before and now in turn; where several run at once, of each of "
             f"them. {SLOW[0].capitalize()}, {SLOW[1]}: one round.", "",
             f"| {precision} | before | | now | | cores that it had |", "|---|---|---|---|---|---|"]
    for scene in [scene for scene in SCENES if all(scene in arms[arm] for arm in ARMS)]:
        cells = []
        for arm in ARMS:
            here, alone = arms[arm][scene]["seconds"], arms[arm]["alone"]["seconds"]
            cells += [f"{here:.1f} s", f"{here / alone:.2f} times" if scene != "alone" else ""]
        lines.append(f"| {scene} | {' | '.join(cells)} | {arms['kit'][scene]['cores']:.2f} |")
    others = [f"{name} {arms[name]['alone']['seconds']:.1f} s" for name in arms if name not in ARMS]
    return "\n".join([*lines, "", f"Alone with other ways of waiting, in {precision}: {', '.join(others)}."])


def earlier(report: dict) -> str:
    """Say where figures are of students that the kit had before."""
    return "" if report.get("version", 0) == VERSION else " (an earlier student)"


def quick_runs(measured: dict[str, dict]) -> dict[str, tuple[float, float | None]]:
    """List the seconds of a quick run on each kind of machine, as it is and beside one busy program."""
    scenes, gpu = ("alone", "beside one busy program"), read_json("gpu.json")
    kinds = {f"{report['machine']['cores']} cores in {precision}{earlier(report)}": tuple(
        report["seconds"]["kit"][scene]["seconds"] * QUICK_EPOCHS / report["epochs"] for scene in scenes)
        for precision, report in measured.items()}
    return {**kinds, f"one GPU, {gpu['machine']['device']}{earlier(gpu)}": (
        statistics.median(gpu["recorded"]["quick run"][1:]), None)}


def waits(measured: dict[str, dict]) -> str:
    """Write them in Markdown."""
    lines = ["| a move of a slider (a quick run) | alone | beside one busy program |", "|---|---|---|"]
    for kind, (alone, beside) in quick_runs(measured).items():
        lines.append(f"| {kind} | {alone:.{int(alone < 1)}f} s | "
                     f"{'not measured' if beside is None else f'{beside:.0f} s'} |")
    return "\n".join([*lines, "", "Beside other programs the kit makes room: "
                                  "[docs/neighbours.md](docs/neighbours.md)."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--precision", nargs="+", default=None)
    parser.add_argument("--only", choices=list(WAITING), help="measure one way of waiting; nothing is written")
    parser.add_argument("--sessions", action="store_true", help="nothing is written")
    parser.add_argument("--pages", action="store_true", help="measure nothing: write the tables from neighbours.json")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
    elif options.pages:
        write_pages(read_json("neighbours.json"))
    else:
        measure(options)


def measure(options: argparse.Namespace) -> None:
    """Time every way of waiting in every scene, and write what came of it."""
    precisions = options.precision or ["bfloat16"] * cpu_has_bfloat16() + ["float32"]
    arms = [options.only] if options.only else list(WAITING)
    runners = {arm: [Runner(arm, options.sessions) for _ in range(6 if arm in ARMS else 1)] for arm in arms}
    for runner in [runner for arm in arms for runner in runners[arm]]:
        runner.process.stdout.readline()
        for precision in precisions:
            runner.ask(precision, 1)
            runner.answer()
    answers: dict[tuple, list[dict]] = {}
    for number in range(options.rounds):
        for scene, (runs, loops) in SCENES.items():
            for precision in precisions:
                for arm in [arm for arm in arms if arm in (*ARMS, *ALSO.get(scene, ())) or options.only]:
                    if number and (scene, arm) == SLOW:
                        continue
                    with busy(loops, options.sessions):
                        for runner in runners[arm][:runs]:
                            runner.ask(precision, options.epochs)
                        came = [runner.answer() for runner in runners[arm][:runs]]
                    answers.setdefault((precision, arm, scene), []).extend(came)
                    print(number + 1, scene, precision, arm, figures(came), flush=True)
    for runner in [runner for arm in arms for runner in runners[arm]]:
        runner.process.kill()
    seconds: dict = {precision: {arm: {} for arm in arms} for precision in precisions}
    for (precision, arm, scene), came in answers.items():
        seconds[precision][arm][scene] = figures(came)
    print(json.dumps(seconds, indent=1))
    if not options.only and not options.sessions:
        about = {"machine": machine(choose_device("cpu")), "rounds": options.rounds, "epochs": options.epochs,
                 "version": VERSION}
        measured = read_json("neighbours.json") | {precision: {**about, "seconds": seconds[precision]}
                                                   for precision in precisions}
        write_json("neighbours.json", measured)
        write_pages(measured)


def write_pages(measured: dict[str, dict]) -> None:
    """Write the tables of docs/neighbours.md and README.md, and what the course says of other machines."""
    alone = {kind: round(seconds, 2) for kind, (seconds, _) in quick_runs(measured).items()}
    (ROOT / "distill_course" / "assets" / "machines.json").write_text(json.dumps(alone, indent=1) + "\n", "utf-8")
    write_part(ROOT / "docs" / "neighbours.md", "neighbours", table(measured))
    write_part(ROOT / "README.md", "waits", waits(measured))


if __name__ == "__main__":
    main()
