"""Distil a cheaper teacher of CIFAR-10 from a large one, as the course distils students: a teacher's own teacher.

    python benchmarks/teacher.py [--out FILE] [--epochs 90] [--views 24] [--learning-rate 0.01] [--threads 2]

Every learner's first run waits for the teacher's answers, so a teacher is to be cheap as well as good. The large one is
asked about all 45,000 images of the pool in so many views, some 15 minutes on two cores; then the small one is trained
on its answers by the kit's own loop and loss, an hour and more. Both are kept while they are made (the answers in the
cache, a checkpoint beside FILE): called again, it goes on. The weights are rounded to float16, and measured so, for
their card.
"""
import argparse
from dataclasses import asdict
from pathlib import Path

import torch
from shared import BENCHMARKS

from distill_course.teacher_training import ALL_VIEWS, card_of, keep_teacher
from distill_kit.checkpoints import CHECKPOINT, resumable
from distill_kit.data import load_dataset
from distill_kit.history import EPOCH
from distill_kit.models import STUDENTS, Architecture
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.teachers import shipped_path
from distill_kit.weights import load_model

ARCHITECTURE = Architecture(widths=(32, 128, 256), depth=2, stem_stride=1, head="max", kernels=(2, 2, 2),
                            stem_channels=16)
NAME = "teacher"  # among the students: a run knows its student by name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=shipped_path("cifar10"))
    parser.add_argument("--teacher", type=Path, default=BENCHMARKS / "large-teacher-cifar10.safetensors",
                        help="the large one's weights")
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("--views", type=int, default=24)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    STUDENTS[NAME] = ARCHITECTURE
    dataset = load_dataset("cifar10")
    large, card_of_large = load_model(options.teacher)
    settings = Settings(data="cifar10", images=len(dataset.pool), student=NAME, epochs=options.epochs, batch_size=500,
                        learning_rate=options.learning_rate, threads=options.threads)
    torch.set_num_threads(options.threads)
    materials = Materials(dataset, large, images=settings.images, views=ALL_VIEWS[:options.views])
    materials.complete(progress=True)
    run = Run(settings, materials)
    folder = options.out.with_suffix(".run")
    for row in resumable(run, folder):
        if row["kind"] == EPOCH:
            print(f"epoch {row['epoch']} of {settings.epochs}: validation {row['val_accuracy']:.2%}, "
                  f"{row['seconds']:,.0f} s", flush=True)
    model = run.student.eval()
    recipe = {**asdict(settings), "architecture": asdict(ARCHITECTURE), "views": options.views}
    card = card_of(model, dataset, recipe, run.history[-1]["seconds"], materials.precision)
    card["distilled_from"] = {name: card_of_large[name]
                              for name in ("parameters", "forward_flops", "validation", "test")}
    keep_teacher(model, options.out, card)
    (folder / CHECKPOINT).unlink()
    for name, each in ((options.out.name, card), ("the large one", card_of_large)):
        print(f"{name}: {each['test']['accuracy']:.2%} of the test images, {each['forward_flops'] / 1e6:.0f} MFLOP an "
              "image")


if __name__ == "__main__":
    main()
