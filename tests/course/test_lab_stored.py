"""Results that ship with the lab, and what is said of them; what follows a slider without training."""
import math
import re

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.lab_run import LabRun
from distill_course.lab.measures import teachers_share
from distill_course.lab.picture import draw, draw_stored
from distill_course.lab.session import Session
from distill_course.lab.share import read_code
from distill_course.lab.stored_runs import Stored, alike, stored_for
from distill_course.lab.svg import Chart, spread
from distill_course.lab.words import alike_sentence, softness, stored_sentences
from distill_course.shipped import read_stored
from distill_kit.losses import distillation_loss
from distill_kit.metrics import entropy_bits, soft_targets

ALPHA = EXPERIMENTS["alpha"]


def stored_of(best: dict) -> Stored:
    """Runs over alpha alone; seeds spread by half a point, so two points are luck: t(4) = 2.776 times 0.5 root 2."""
    return Stored("tiny", "tiny", "2026-01-01", {"n": 5, "mean": 0.6, "sd": 0.005},
                  {f"alpha/alpha={alpha}/label_noise=0.4/seed=0": {"shares": [0.4, share], "best": share}
                   for alpha, share in best.items()})


def test_stops_are_alike_as_far_as_they_lie_within_luck_of_this_one():
    stored = stored_of({0.1: 0.60, 0.15: 0.605, 0.2: 0.61, 0.25: 0.629, 0.3: 0.60})
    control = ALPHA.controls[0]
    assert stored.luck() == pytest.approx(2.776 * 0.5 * 2**0.5, abs=1e-3)
    beside = Stored(noise={"sd": 0.003, "baseline sd": 0.004, "n": 5})
    assert beside.luck("baseline sd") == pytest.approx(2.776 * 0.5, abs=1e-3)
    assert beside.luck() == pytest.approx(2.776 * 0.3 * 2**0.5, abs=1e-3) and Stored().luck() == 0
    assert alike(stored, ALPHA, {**ALPHA.first_values, "alpha": 0.15}, control) == [0.1, 0.15, 0.2]  # 0.3 lies behind
    assert alike(stored, ALPHA, {**ALPHA.first_values, "alpha": 0.25}, control) == [0.2, 0.25]
    assert alike(stored, ALPHA, {**ALPHA.first_values, "alpha": 0.9}, control) == [0.9]
    assert alike(stored, ALPHA, {**ALPHA.first_values, "label_noise": 0.1}, control) == [0.1]


def test_what_is_stored_is_a_line_beside_the_live_one_and_sentences_without_widgets(tmp_path):
    session = Session(ALPHA, coloured_dataset(), ColourTeacher(), device="cpu", folder=tmp_path)
    stored = stored_of({0.1: 0.60, 0.15: 0.605, 1.0: 0.5})
    assert "stored 60.0 %" in draw(session, stored) and "tiny, 2026-01-01" in draw(session, stored)
    sentence = alike_sentence(session, stored, ALPHA.controls[0])
    assert sentence.startswith("alpha: 0.1 to 0.15 cannot be told apart from 0.1")
    session.seed = 3
    assert "stored" not in draw(session, stored)
    assert draw_stored(ALPHA, stored).count("<polyline") == 2 and draw_stored(ALPHA, Stored()).count("<polyline") == 0
    assert [line.partition(":")[0] for line in stored_sentences(ALPHA, stored)] == ["Believe the teacher",
                                                                                    "Believe the labels"]


@pytest.mark.parametrize("name", read_stored("lab-stored")["cifar10"]["experiments"])
def test_what_ships_can_be_read_and_belongs_to_the_experiment(name):
    stored = stored_for("cifar10", name)
    assert stored.noise["n"] >= 5 and 0 < stored.noise["sd"] < 0.1 and stored.source.startswith("CIFAR-10")
    for code, run in stored.runs.items():
        experiment, values, seed, _ = read_code(code)
        assert experiment.name == name and seed == 0 and values.keys() == experiment.first_values.keys()
        assert 0 <= run["best"] <= 1 and len(run["shares"]) == 8
    assert len(stored_sentences(EXPERIMENTS[name], stored)) >= 2  # a good preset and a bad one
    assert stored_for("another", name) == Stored() and set(read_stored("lab-stored")) >= {"cifar10"}


def test_entropy_of_soft_targets():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    assert soft_targets(logits, 2.0).tolist() == (logits / 2).softmax(0).tolist()
    assert entropy_bits(torch.full((8,), 1 / 8)) == pytest.approx(3) and entropy_bits(torch.tensor([1.0, 0.0])) == 0
    assert entropy_bits(torch.tensor([0.5, 0.25, 0.25])) == pytest.approx(1.5)


@pytest.mark.parametrize("temperature, alpha", [(1.0, 0.5), (4.0, 0.1), (8.0, 0.7)])
def test_the_teachers_share_is_that_of_the_losss_gradients(temperature, alpha):
    generator = torch.Generator().manual_seed(0)
    teacher, labels = torch.randn(20, 5, generator=generator), torch.randint(5, (20,), generator=generator)
    lengths = []
    for weight, part in ((alpha, 1.0), (1 - alpha, 0.0)):  # the hard term alone, the soft term alone
        student = torch.zeros(20, 5, requires_grad=True)
        loss = distillation_loss(student, teacher, labels, temperature, part)
        gradient, = torch.autograd.grad(weight * loss * 20, student)  # the loss is a mean over the images
        lengths.append(gradient.norm(dim=1).mean().item())
    assert teachers_share(teacher, labels, temperature, alpha) == pytest.approx(lengths[1] / sum(lengths), rel=1e-4)
    assert teachers_share(teacher, labels, temperature, 1.0) == 0 and teachers_share(teacher, labels, 2.0, 0.0) == 1


def test_a_line_below_the_axis_leaves_the_picture_and_is_not_bent_along_it():
    chart = Chart(0, 0, 100, 100, 3, 0.3, 0.8)
    assert chart.at(1, 0.1)[1] == pytest.approx(140) and chart.at(3, 0.8) == (100, 0)
    drawn = chart.line([0.1, 0.2, 0.55], "now", "#000")
    assert "clip-path='url(#inside)'" in drawn and "0.0,140.0" in drawn and "id='inside'" in chart.frame("accuracy")
    chart.line([0.1], "low", "#000")
    assert all(float(y) <= 105 for y in re.findall(r"<text x='[\d.]+' y='([\d.]+)'", chart.names()))


def test_names_stand_in_the_order_of_their_lines_and_inside():
    assert spread([10, 50, 52], 16, 0, 100) == [10, 50, 66] and spread([90, 95, 99], 16, 0, 100) == [68, 84, 100]
    chart = Chart(0, 0, 100, 100, 3, 0.0, 1.0)
    for share, name in ((0.02, "low"), (0.0, "lowest"), (0.9, "high"), (0.03, "third")):
        chart.line([share] * 3, name, "#000")
    drawn = re.findall(r"y='([\d.]+)'[^>]*>(\w+)<", chart.names())
    assert [name for _, name in drawn] == ["high", "third", "low", "lowest"]
    heights = [float(y) - 5 for y, _ in drawn]
    assert heights[-1] <= 100 and all(below - above >= 16 for above, below in zip(heights, heights[1:]))


def test_softness_in_words_follows_the_sliders(tmp_path):
    session = Session(EXPERIMENTS["plain"], coloured_dataset(), ColourTeacher(), device="cpu", folder=tmp_path)
    words = softness(session)
    assert "At T = 4" in words and f"of {math.log2(4):.1f} bits" in words and "At alpha = 0.1" in words
    session.values["temperature"] = 20.0
    assert "At T = 20" in softness(session) != words


def test_the_teachers_share_of_the_first_step_is_that_on_all_images_and_not_on_the_few_that_are_shown(tmp_path):
    dataset, teacher = coloured_dataset(), ColourTeacher()
    session = Session(EXPERIMENTS["plain"], dataset, teacher, device="cpu", folder=tmp_path)
    session.values.update(temperature=4.0, alpha=0.5)
    seen = dataset.validation
    logits = torch.randn(len(seen), 4, generator=torch.Generator().manual_seed(0)) * 3
    logits[torch.tensor(session.chosen)] = 0  # the images that are shown have an undecided teacher
    session.seen_logits = logits
    norms = []
    for alpha in (1.0, 0.0):  # one image at a time: the gradient of each term at a student that knows nothing
        lengths = []
        for row, label in zip(logits, seen.labels):
            student = torch.zeros(1, 4, requires_grad=True)
            distillation_loss(student, row[None], label[None], 4.0, alpha).backward()
            lengths.append(student.grad.norm().item())
        norms.append(sum(lengths) / len(lengths))
    share = 0.5 * norms[1] / (0.5 * norms[0] + 0.5 * norms[1])
    assert f"the teacher makes {share:.0%} of a new student's first step" in softness(session)


def test_the_students_bars_are_its_softened_logits_however_sure_it_is(tmp_path):
    session = Session(EXPERIMENTS["plain"], coloured_dataset(), ColourTeacher(), device="cpu", folder=tmp_path)
    session.values["temperature"] = 8.0
    logits = torch.tensor([40.0, 10.0, 0.0, -10.0])
    session.live = LabRun(session.settings(session.values), dict(session.values), logits=[logits.expand(8, 4)])
    expected = (logits / 8).softmax(0)                                                  # 97 %, 2 %, 1 %, 0 %
    with pytest.MonkeyPatch.context() as patch:
        drawn = []
        patch.setattr("distill_course.lab.picture.svg.paired_bars", lambda *given: drawn.append(given[5]) or "")
        draw(session)
    assert drawn[0] == pytest.approx(expected.tolist(), rel=1e-5)
