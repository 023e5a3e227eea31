"""Numbers that others have published, beside ours: the pair of PyTorch's tutorial, and ResNet-20 to ResNet-8 over T.

    python benchmarks/known.py [--images 10000 5000] [--epochs 10 8] [--seeds 3] [--device cuda]

Both are written anew from their descriptions. With `--images 45000 45000 --epochs 10 40` they are what was published,
but for 5,000 validation images; the defaults are a shortened version for two cores. Every run is kept as soon as it is
over, in distill_course/assets/known.json, and the same command goes on where it was interrupted.
"""
import argparse
import datetime
import json
import statistics
from collections.abc import Callable

import torch
import torch.nn.functional as F
from safetensors.torch import load_model, save_model
from shared import ROOT
from torch import Tensor, nn

from distill_course.machine import machine_in_words
from distill_course.run_folders import runs_folder
from distill_kit import Materials, distillation_loss, load_dataset
from distill_kit.batches import ViewBatches
from distill_kit.data.imageset import Dataset, subset
from distill_kit.metrics import accuracy, answers
from distill_kit.optimizers import sgd
from distill_kit.schedules import constant, warmup_cosine
from distill_kit.training import keep_best, train

FILE = ROOT / "distill_course" / "assets" / "known.json"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as the tutorial has them
PUBLISHED = {  # accuracy in per cent on the official test images
    "tutorial": {"teacher": 75.10, "cross-entropy": 69.86, "distillation": 70.80, "cosine": 71.50, "hint": 70.82},
    "ResNet-20 to ResNet-8": {"teacher": 90.12, "cross-entropy": 84.37, "T = 1": 85.12, "T = 2": 86.24, "T = 4": 86.47,
                              "T = 8": 85.95}}
SOURCES = {"tutorial": "PyTorch's tutorial on knowledge distillation: a single run, 50,000 images, 10 epochs",
           "ResNet-20 to ResNet-8": "CoursIA, lesson 3.9: 50,000 images, 40 epochs; over T a single run"}


class Pair(nn.Module):
    """A network of the tutorial: convolutions, then two linear layers with dropout between."""

    def __init__(self, widths: tuple[int, ...], pooled: tuple[int, ...], hidden: int):
        super().__init__()
        layers: list[nn.Module] = []
        for place, (inputs, outputs) in enumerate(zip((3, *widths), widths)):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if place in pooled else []
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(widths[-1] * 64, hidden), nn.ReLU(), nn.Dropout(0.1),
                                        nn.Linear(hidden, 10))

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, 32, 32], floats from 0 to 1, to logits [N, 10]."""
        return self.both(images)[0]

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [N, 10], and what the last convolution made of the images [N, width, 8, 8]."""
        mean, std = (torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (MEAN, STD))
        maps = self.features((images - mean) / std)
        return self.classifier(maps.flatten(1)), maps


def big() -> Pair:
    """Make the tutorial's teacher: 1,186,986 parameters."""
    return Pair((128, 64, 64, 32), (1, 3), 512)


def little() -> Pair:
    """Make its student: 267,738 parameters."""
    return Pair((16, 16), (0, 1), 256)


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is passed (He et al., 2016)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.main = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
                                  nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.around = nn.Identity() if stride == 1 else nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False),
                                                                      nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, inputs, h, w] to [N, outputs, h, w], or half that height and width."""
        return F.relu(self.main(x) + self.around(x))


def resnet(blocks: int) -> nn.Sequential:
    """Make a ResNet for images of 32 pixels: 3 blocks a stage are ResNet-20, a single one ResNet-8."""
    widths = [16] * (blocks + 1) + [32] * blocks + [64] * blocks
    stages = [Residual(inputs, outputs) for inputs, outputs in zip(widths, widths[1:])]
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *stages,
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).to(memory_format=torch.channels_last)


# What a student of the tutorial is taught: loss of student logits and maps, teacher logits and maps, labels

def taught(kind: str, regressor: nn.Module) -> Callable[..., Tensor]:
    """Return the loss of a way of teaching, by its name in PUBLISHED."""
    def loss(logits, maps, teacher_logits, teacher_maps, labels):
        hard = F.cross_entropy(logits, labels)
        if kind == "distillation":
            return distillation_loss(logits, teacher_logits, labels, temperature=2.0, alpha=0.75)
        if kind == "cosine":
            pooled = F.avg_pool1d(teacher_maps.flatten(1).unsqueeze(1), 2).squeeze(1)            # (N, 1024)
            return 0.75 * hard + 0.25 * (1 - F.cosine_similarity(maps.flatten(1), pooled)).mean()
        if kind == "hint":
            return 0.5 * hard + 0.5 * F.mse_loss(regressor(maps), teacher_maps)
        return hard
    return loss


def trained_pair(network: Pair, images: Tensor, labels: Tensor, epochs: int, kind: str = "cross-entropy",
                 teacher: Pair | None = None) -> Pair:
    """Train a network of the tutorial as it does: Adam, batches of 128, nothing drawn or mirrored."""
    regressor = nn.Conv2d(16, 32, 3, padding=1).to(images.device)
    loss = taught(kind, regressor)
    optimizer = torch.optim.Adam([*network.parameters(), *(regressor.parameters() if kind == "hint" else [])], 1e-3)
    answers = None if teacher is None or kind == "cross-entropy" else answers_of(teacher, images)
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(images)).split(128):
            batch = images[rows].float() / 255
            says = (None, None) if answers is None else [each[rows] for each in answers]
            optimizer.zero_grad()
            loss(*network.both(batch), *says, labels[rows]).backward()
            optimizer.step()
    return network.eval()


@torch.no_grad()
def answers_of(teacher: Pair, images: Tensor) -> list[Tensor]:
    """Ask a teacher once: an image looks the same in every epoch. Logits [N, 10] and maps [N, width, 8, 8]."""
    batches = [teacher.eval().both(batch.float() / 255) for batch in images.split(512)]
    return [torch.cat(parts) for parts in zip(*batches)]


class Known:
    """The runs so far, in known.json; `run` trains what is not there yet."""

    def __init__(self, dataset: Dataset, options: argparse.Namespace):
        self.dataset, self.device = dataset, torch.device(options.device)
        self.setting = {study: {"images": images, "epochs": epochs}
                        for study, images, epochs in zip(PUBLISHED, options.images, options.epochs)}
        before = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
        self.runs = {study: arms for study, arms in before.get("runs", {}).items()
                     if before["setting"].get(study) == self.setting[study]}

    def run(self, study: str, arm: str, seed: int, work: Callable[[], nn.Module]) -> None:
        """Train an arm with a seed unless that was done, and keep its accuracy on the test images."""
        done = self.runs.setdefault(study, {}).setdefault(arm, {})
        if str(seed) in done:
            return
        torch.manual_seed(seed)
        network = work()
        test = self.dataset.test
        done[str(seed)] = round(100 * accuracy(answers(network, test, self.device, "float32"), test.labels), 2)
        print(study, arm, seed, done[str(seed)], flush=True)
        FILE.write_text(json.dumps({
            "setting": self.setting, "source": test.source, "machine": machine_in_words(),
            "date": datetime.date.today().isoformat(), "published": PUBLISHED, "sources": SOURCES,
            "runs": self.runs}, indent=1) + "\n", encoding="utf-8")

    def teacher(self, study: str, network: nn.Module, work: Callable[[], nn.Module]) -> nn.Module:
        """Train a teacher in place, or load it where that was done."""
        path = runs_folder() / "known" / f"{study}-{'-'.join(map(str, self.setting[study].values()))}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and "teacher" in self.runs.get(study, {}):
            load_model(network, path)
        else:
            self.runs.get(study, {}).pop("teacher", None)
        self.run(study, "teacher", 0, work)
        save_model(network, path)
        return network.eval()

    def tutorial(self, seeds: int) -> None:
        """Train the tutorial's pair: a teacher, then each way of teaching with every seed."""
        images, epochs = self.setting["tutorial"].values()
        pool = subset(self.dataset.pool, images, 0)
        images, labels = pool.images.to(self.device), pool.labels.to(self.device)
        torch.manual_seed(0)
        network = big().to(self.device)
        teacher = self.teacher("tutorial", network, lambda: trained_pair(network, images, labels, epochs))
        for kind in ("cross-entropy", "distillation", "cosine", "hint"):
            for seed in range(seeds):
                self.run("tutorial", kind, seed, lambda kind=kind: trained_pair(
                    little().to(self.device), images, labels, epochs, kind, teacher))

    def resnets(self, seeds: int) -> None:
        """Train ResNet-20, and ResNet-8 from it: with cross-entropy, and at each temperature."""
        study = "ResNet-20 to ResNet-8"
        images, epochs = self.setting[study].values()

        def trained(network: nn.Module, materials: Materials, seed: int, temperature: float, alpha: float) -> nn.Module:
            batches = ViewBatches(materials.bank, materials.training.labels, 128, seed,
                                  logits=None if alpha == 1 else materials.logits)
            rows = train(network, batches, materials.watched, epochs=epochs, optimizer=sgd(network),
                         learning_rate=warmup_cosine(0.1, len(batches), epochs * len(batches)),
                         temperature=constant(temperature), alpha=constant(alpha), precision="float32",
                         recorded=True)
            for _ in keep_best(network, rows):
                pass
            return network.eval()

        torch.manual_seed(0)
        network = resnet(3).to(self.device)
        untaught = Materials(self.dataset, network, images=images, device=str(self.device))
        teacher = self.teacher(study, network, lambda: trained(network, untaught, 0, 1.0, 1.0))
        materials = Materials(self.dataset, teacher, images=images, device=str(self.device))
        arms = {"cross-entropy": (1.0, 1.0), **{f"T = {t}": (float(t), 0.3) for t in (1, 2, 4, 8)}}
        for arm, numbers in arms.items():
            for seed in range(seeds):
                self.run(study, arm, seed, lambda seed=seed, numbers=numbers: trained(
                    resnet(1).to(self.device), materials, seed, *numbers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs=2, default=(10_000, 5_000), help="of the tutorial, of the ResNets")
    parser.add_argument("--epochs", type=int, nargs=2, default=(10, 8))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    known = Known(load_dataset("cifar10"), options)
    known.tutorial(options.seeds)
    known.resnets(options.seeds)
    for study, arms in known.runs.items():
        print(json.dumps({arm: round(statistics.fmean(done.values()), 2) for arm, done in arms.items()}), study)


if __name__ == "__main__":
    main()
