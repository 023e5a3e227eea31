"""The picture and the table of speed in README.md, from what growth.py measured.

    python benchmarks/growth.py > benchmarks/speed.json
    python benchmarks/speed.py

Writes docs/speed.png and the table in README.md.
"""
import argparse
from pathlib import Path

from shared import ROOT, read_json, write_part

from distill_kit import plotting
from distill_kit.colours import BLUE

LOOPS = {"article_loop_with_validation": "the article's loop, with validation: the teacher answers\n"
                                         "every batch, images are transformed one by one",
         "article_loop": "the article's loop without validation",
         "article_loop_with_validation_shipped_teacher": "the article's loop, with validation,\n"
                                                         "and the smaller teacher that ships",
         "tutorial_loop": "PyTorch's tutorial, its own smaller pair",
         "loop_with_validation": "the kit's loop, with validation", "loop": "the kit's loop",
         "bare_step": "the student's bare step, one batch again and again"}


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    report = read_json("speed.json")
    draw(report, ROOT / "docs" / "speed.png")
    write_part(ROOT / "README.md", "speed", table(report))


def draw(report: dict, path: Path) -> None:
    """Draw the speed of every loop, and how an epoch grows with its images."""
    figure, (left, right) = plotting.new_figure(2, width=11, height=3.8)
    speeds = [report["images_per_second"][name] for name in LOOPS]
    colours = ["#999999"] * 4 + [BLUE, BLUE, "#555555"]
    bars = left.barh(range(len(LOOPS)), speeds, color=colours)
    left.bar_label(bars, [f"{speed:,.0f}" for speed in speeds], padding=4)
    left.set(yticks=range(len(LOOPS)), yticklabels=LOOPS.values(), xlim=(0, 1.18 * max(speeds)), xticks=[],
             title="Images trained on in a second")
    left.invert_yaxis()
    left.grid(False)
    left.spines[["bottom", "top", "right"]].set_visible(False)
    seconds = {int(images): value for images, value in report["growth"]["epoch_seconds_by_images"].items()}
    right.loglog(list(seconds), list(seconds.values()), "o-", color=BLUE)
    for images, value in seconds.items():
        right.annotate(f"{value:.1f} s" if value >= 1 else f"{value:.2f} s", (images, value), (-4, 6),
                       textcoords="offset points", ha="right")
    least, most = min(seconds.values()), max(seconds.values())
    right.set(title="Seconds of an epoch, by training images", xticks=list(seconds), xlim=(150, 70_000),
              xticklabels=[f"{images:,}" for images in seconds], ylim=(least / 2, 3 * most))
    right.minorticks_off()
    right.set(yticks=[0.1, 1, 10], yticklabels=["0.1 s", "1 s", "10 s"])
    figure.savefig(path, dpi=110)


def table(report: dict) -> str:
    """Write what was measured, in Markdown."""
    machine, growth = report["machine"], report["growth"]
    by_processes = growth["seconds_a_student_by_processes"]
    rows = {
        "the kit's loop beside its student's bare step (forward, backward, update, and nothing else)":
            f"{report['ratio_to_bare_step']:.0%}",
        "an epoch with its validation (the article's: on 2,000 images) beside the article's, answers kept":
            f"{report['ratio_to_article_loop']:.1f} times as fast",
        "the same, where the article's loop has the shipped teacher and the kit's 1,250 validation images":
            f"{report['ratio_to_article_loop_shipped_teacher']:.1f} times",
        "a default run beside the article's, nothing kept yet":
            f"{report['ratio_to_article_loop_cold']:.1f} times as fast",
        f"default run, {report['seeds']} seeds": f"{report['default_run_seconds']:.1f} s, "
                                                 f"{report['default_run_test_accuracy']:.1%} of the test images",
        "quick run": f"{report['quick_run_seconds']:.1f} s, {report['quick_run_test_accuracy']:.1%}",
        "the teacher's answers to eight views of 5,000 images, once": f"{report['teacher_pass_seconds']:.0f} s",
        f"a quick run, where {max(by_processes, key=int)} students are trained at once":
            f"{min(by_processes.values()):.1f} s each",
        "memory of a fresh process": f"{report['peak_memory_bytes'] / 1e9:.2f} GB",
    }
    head = (f"Measured on {report['data']}, {machine['cores']} cores ({machine['processor']}, "
            f"{machine['instructions']}), {report['precision']}, torch {machine['torch'].partition('+')[0]}.\n"
            "`python -m distill_kit bench` measures your machine.\n\n")
    return head + "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


if __name__ == "__main__":
    main()
