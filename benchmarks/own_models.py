"""Networks of other people as students and teachers: does the accuracy that comes back tell what the weights can do?

    pip install timm
    python benchmarks/own_models.py [--only squeezenet1_1] [--seeds 3]

Trains small networks of ten families of torchvision and of timm on 200 images of four classes, 64 x 64, for twelve
epochs of six steps: with labels only, as one would make a teacher, and with the kit's teacher. What
`train_student_with_distillation` returns is then held against the same weights with the statistics of its norms
measured anew on the training images: a student that was judged by statistics that had not settled loses there.
Writes benchmarks/own_models.json after every network, goes on from what is there, and makes the table in
docs/own_models.md.
"""
import argparse
import importlib
from functools import partial

import torch
import torch.nn.functional as F
from shared import BENCHMARKS, ROOT, read_json, write_json, write_part
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.data import DataLoader, TensorDataset

from distill_course.machine import machine
from distill_kit import evaluate, load_dataset, load_teacher, train_student_with_distillation
from distill_kit.norms import measure_anew

NAMES = {
    "torchvision": ("squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5",
                    "resnet18", "densenet121", "efficientnet_b0", "regnet_x_400mf", "googlenet"),
    "timm": ("mobilenetv3_small_050", "lcnet_035", "tinynet_e", "mnasnet_small", "edgenext_xx_small", "mobilevit_xxs",
             "regnetx_002", "ghostnet_050", "resnet10t", "convnext_atto")}
CLASSES, TRAINING, HELD_OUT, SIDE, EPOCHS = 4, 200, 400, 64, 12


class Fewer(nn.Module):
    """The kit's teacher, for its last classes, of images that were made larger."""

    def __init__(self, teacher):
        super().__init__()
        self.teacher = teacher

    def forward(self, images):
        """Map images [N, 3, 64, 64] to logits [N, 4]."""
        return self.teacher(F.avg_pool2d(images, 2))[:, -CLASSES:]


def loader_of(images, labels, **how):
    """A DataLoader of images made larger."""
    pixels = F.interpolate(images.float() / 255, scale_factor=2)                        # (N, 3, 64, 64)
    return DataLoader(TensorDataset(pixels, labels), 32, **how)


def network(library: str, name: str) -> nn.Module:
    """A fresh network with four classes."""
    if library == "timm":
        return importlib.import_module("timm").create_model(name, num_classes=CLASSES)
    return importlib.import_module("torchvision.models").get_model(name, weights=None, num_classes=CLASSES)


def figures(make, teacher, loaders, seed: int) -> dict:
    """Accuracy on held-out images, in per cent, of what comes back and of its weights with new statistics."""
    torch.manual_seed(seed)
    training, validation, held_out = loaders
    student, rows = make(), []
    train_student_with_distillation(student, teacher, training, validation, EPOCHS, 3e-3, history=rows, progress=False,
                                    alpha=1.0 if teacher is None else 0.1)
    returned = evaluate(student, held_out)["accuracy"]
    norms = [norm for norm in student.modules() if isinstance(norm, _NormBase) and norm.track_running_stats]
    measure_anew(student, norms, [images for images, _ in training])
    return {"returned": round(100 * returned, 1), "anew": round(100 * evaluate(student, held_out)["accuracy"], 1),
            "epochs": len(rows), "norms": len(norms)}


def data():
    """The kit's teacher for four classes, and loaders of training, validation and held-out images of them."""
    dataset = load_dataset("cifar10")
    teacher = Fewer(load_teacher(dataset)[0])
    images = dataset.validation[dataset.validation.labels >= len(dataset.pool.classes) - CLASSES]
    images = images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))]
    labels = images.labels - (len(dataset.pool.classes) - CLASSES)
    cuts = (TRAINING, TRAINING // 2, HELD_OUT)
    parts = zip(images.images[:sum(cuts)].split(cuts), labels[:sum(cuts)].split(cuts))
    (x, y), *others = parts
    return teacher, (loader_of(x, y, shuffle=True, drop_last=True), *(loader_of(*pair) for pair in others))


def row(library: str, name: str, results: dict) -> str:
    """A line of the table."""
    cells = []
    for arm in ("labels", "teacher"):
        mine = results[arm]
        cells += [*(" ".join(f"{each[what]:.0f}" for each in mine) for what in ("returned", "anew")),
                  f"{max(each['anew'] - each['returned'] for each in mine):+.1f}"]
    return f"| {library} | {name} | {results['labels'][0]['norms']} | " + " | ".join(cells) + " |"


def table(report: dict) -> str:
    """The table of the page, and what it comes to."""
    lines = ["| | network | norms with statistics | labels only | the same, anew | most lost | with the teacher | "
             "the same, anew | most lost |", "|---|---|---|---|---|---|---|---|---|"]
    lines += [row(library, name, report["networks"][name]) for library, names in NAMES.items() for name in names
              if name in report["networks"]]
    lost = [each["anew"] - each["returned"] for results in report["networks"].values() for arm in results.values()
            for each in arm]
    return "\n".join(lines) + (
        f"\n\n{len(report['networks'])} networks, {len(lost)} trainings. The most that any of them lost to its "
        f"statistics is {max(lost):.1f} points; "
        f"{sum(each >= 10 for each in lost)} lost 10 or more. Measured on {report['machine']['processor']}, "
        f"torch {report['machine']['torch']}.")


def main() -> None:
    """Train what is not there yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of networks; without a name nothing is trained")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    exists = (BENCHMARKS / "own_models.json").is_file()
    report = read_json("own_models.json") if exists else {"networks": {}}
    report["machine"] = machine(torch.device("cpu"))
    teacher, loaders = data()
    print(f"The teacher is right on {evaluate(teacher, loaders[2])['accuracy']:.1%} of the held-out images.")
    for library, names in NAMES.items():
        for name in names:
            if name in report["networks"] or (options.only is not None and name not in options.only):
                continue
            make = partial(network, library, name)
            report["networks"][name] = {arm: [figures(make, asked, loaders, seed) for seed in range(options.seeds)]
                                        for arm, asked in (("labels", None), ("teacher", teacher))}
            write_json("own_models.json", report)
            print(row(library, name, report["networks"][name]), flush=True)
    write_part(ROOT / "docs" / "own_models.md", "networks", table(report))


if __name__ == "__main__":
    main()
