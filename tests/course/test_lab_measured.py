"""What follows a slider without training: what the atlas has measured, soft targets, shares of the first step."""
import math
import re

import pytest
import torch
from scipy import stats
from small import ColourTeacher, coloured_dataset
from small_lab import cell_of, session_of, with_cells

from distill_course.atlas import Cell
from distill_course.lab.experiments import EXPERIMENTS
from distill_course.lab.lab_run import LabRun
from distill_course.lab.measures import teachers_share
from distill_course.lab.picture import draw, draw_presets
from distill_course.lab.session import Session
from distill_course.lab.svg import Chart, spread
from distill_course.lab.words import measured_sentence, preset_sentences, softness
from distill_kit.losses import distillation_loss
from distill_kit.metrics import entropy_bits, soft_targets

ALPHA = EXPERIMENTS["alpha"]


def test_stops_are_the_same_as_far_as_no_difference_is_sure(tmp_path):
    shuffled = (1, -2, 2, 0, -1)  # against the order of the others, so that pairs differ from seed to seed
    session = with_cells(session_of(tmp_path), {0.0: cell_of(0.6), 0.1: cell_of(0.601, order=shuffled),
                                                0.3: cell_of(0.599), 0.5: cell_of(0.63), 0.7: cell_of(0.6)})
    control = ALPHA.controls[0]
    assert "alpha from 0.0 to 0.3 cannot be told apart" in measured_sentence(session, control)  # 0.7 lies behind 0.5
    session.values["alpha"] = 0.5
    assert "told apart" not in measured_sentence(session, control)
    session.values["alpha"] = 0.9
    assert measured_sentence(session, control) == "no band: the atlas has no runs of these values"
    session.values["alpha"] = 0.1
    assert "told apart" not in measured_sentence(session, None)


def test_the_band_is_the_interval_of_the_mean_of_each_epoch(tmp_path):
    cell = cell_of(0.6)
    low, mean, high = cell.band[1]
    expected = stats.t.interval(0.95, 4, 0.6, 0.005 / 5**0.5)
    assert (low, high) == pytest.approx(expected) and mean == pytest.approx(0.6) and len(cell.band) == 2
    assert cell.best == [curve[1] for curve in cell.curves] and Cell().band == []
    chart = Chart(0, 0, 100, 100, 2, 0.0, 1.0)
    assert chart.band([0.2, 0.4], [0.3, 0.6], "#000").count(",") == 4
    assert "0.0,80.0 100.0,60.0 100.0,40.0 0.0,70.0" in chart.band([0.2, 0.4], [0.3, 0.6], "#000")


def test_presets_that_were_measured_are_drawn_and_told_where_there_are_no_widgets(tmp_path):
    session = with_cells(session_of(tmp_path), {0.1: cell_of(0.6), 1.0: cell_of(0.5)})
    assert draw_presets(session).count("<polyline") == 2 and "tiny, 2026-01-01" in draw_presets(session)
    assert [line.partition(":")[0] for line in preset_sentences(session)] == ["Believe the teacher",
                                                                              "Believe the labels"]
    assert preset_sentences(session)[0].startswith("Believe the teacher: 60.0 % of the validation images right. ")
    session.measured = lambda settings: Cell()
    assert draw_presets(session).count("<polyline") == 0 and preset_sentences(session) == []


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
