"""What a loader may give: read where it is plain what is meant, else refused in one sentence before the first step."""
import re

import pytest
import torch
from small import IMAGES, VALIDATION, LittleNet, distil, loader_of, same_state, state_of
from torch import nn

from distill_kit import evaluate, train_student_with_distillation
from distill_kit.history import EPOCH
from distill_kit.losses import distillation_terms

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")
PIXELS, LABELS = IMAGES.images.float() / 255, IMAGES.labels
PAIRS = list(loader_of(IMAGES, shuffle_seed=3))


def batches(change=lambda images, labels: (images, labels), pairs=PAIRS):
    return [change(*pair) for pair in pairs]


REFERENCE = state_of(distil(train_loader=PAIRS)[0])


# Cases 18 and 23: what comes in another wrapping

@pytest.mark.parametrize("change", [
    lambda images, labels: {"pixel_values": images, "labels": labels},
    lambda images, labels: {"image": images, "label": labels, "path": ["somewhere"] * len(images)},
    lambda images, labels: {"y": labels, "x": images},
    lambda images, labels: [images, labels],
    lambda images, labels: (images, labels, torch.arange(len(images))),
    lambda images, labels: (images, labels, ["meta"], 3, None)])
def test_case_18_and_23_dicts_and_longer_tuples_are_read(change):
    student, _ = distil(train_loader=batches(change), val_loader=batches(change, list(loader_of(VALIDATION))))
    assert same_state(REFERENCE, state_of(student))


WRONG = {
    "uint8": (lambda x, y: ((x * 255).byte(), y), r"torch.uint8 \[N, 3, 16, 16\]; the student cannot take them: .* "
              r"Most networks want float32, 0 to 1"),
    "float64": (lambda x, y: (x.double(), y), r"torch.float64 \[N, 3, 16, 16\]; .* want float32"),
    "half": (lambda x, y: (x.half(), y), r"torch.float16 \[N, 3, 16, 16\]; .* want float32"),
    "channels last": (lambda x, y: (x.permute(0, 2, 3, 1), y),
                      r"\[N, 16, 16, 3\]; the student .* channels first: images.permute\(0, 3, 1, 2\)"),
    "one channel": (lambda x, y: (x[:, :1], y), r"\[N, 1, 16, 16\]; the student cannot take them: .*channels"),
    "no channel": (lambda x, y: (x[:, 0], y), r"\[N, 16, 16\]; the student cannot take them"),
    "numpy": (lambda x, y: (x.numpy(), y), r"got a tuple of ndarray, Tensor"),
    "a list of labels": (lambda x, y: (x, y.tolist()), r"got a tuple of Tensor, list"),
    "one thing": (lambda x, y: (x,), r"must yield \(images, labels\), .*; got a tuple of Tensor"),
    "images only": (lambda x, y: x, "must yield .*; got a Tensor"),
    "odd keys": (lambda x, y: {"features": x, "label": y}, "keys image, .*; got a dict of features: Tensor, label"),
    "labels from 1": (lambda x, y: (x, y + 1), r"must be 0 to 3, .*; got 4. Do they count from 1\? Subtract 1"),
    "int32 labels": (lambda x, y: (x, y.int()), r"true_labels must be int64 \[16\].*got torch.int32"),
    "a column of labels": (lambda x, y: (x, y[:, None]), r"must be int64 \[16\].*got torch.int64 \[16, 1\]"),
    "no probabilities": (lambda x, y: (x, nn.functional.one_hot(y, 4) * 2.0), "with the sum 1 .* 0 to 2, and 2 as a"),
    "NaN": (lambda x, y: (x.where(x > 0.5, torch.nan), y), "the images of .*_loader, batch 1, must be finite"),
}


@pytest.mark.parametrize("loader", ["train_loader", "val_loader"])
@pytest.mark.parametrize("change, words", WRONG.values(), ids=WRONG)
def test_case_18_what_cannot_be_used_is_refused_before_the_first_step(loader, change, words):
    student, rows = LittleNet(), []
    before = state_of(student)
    with pytest.raises(ValueError, match=words) as refusal:
        distil(student, history=rows, **{loader: batches(change)})
    assert loader in str(refusal.value) and "\n" not in str(refusal.value)
    assert not rows and same_state(before, state_of(student))


def test_case_18_what_the_teacher_cannot_take_is_its_fault():
    teacher = LittleNet()
    teacher.convolution.weight = nn.Parameter(teacher.convolution.weight[:, :2])
    with pytest.raises(ValueError, match=r"yields images torch.float32 \[N, 3, 16, 16\]; the teacher cannot take them"):
        distil(teacher=teacher)


def test_a_student_that_takes_bytes_is_given_bytes():
    class OnBytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = LittleNet()

        def forward(self, images):
            return self.network(images.float() / 255)

    def as_bytes(images, labels):
        return (images * 255).round().byte(), labels
    student, _ = distil(OnBytes(), OnBytes(), train_loader=batches(as_bytes), val_loader=batches(as_bytes))
    assert not same_state(state_of(OnBytes()), state_of(student))


# Case 19: a last batch of a single image

class Flat(nn.Module):
    """BatchNorm over vectors: a batch of one has no spread."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            self.layers = nn.Sequential(nn.Flatten(), nn.Linear(768, 4), nn.BatchNorm1d(4))

    def forward(self, images):
        return self.layers(images)


def test_case_19_a_last_batch_of_one_image_is_refused_where_the_student_cannot_learn_from_it():
    loader, student = loader_of(IMAGES[:33]), Flat()
    before = state_of(student)
    with pytest.raises(ValueError, match=r"train_loader .* last batch has only one \(drop_last=True leaves it out\)"):
        distil(student, train_loader=loader)
    assert same_state(before, state_of(student)) and all(module.training for module in student.modules())
    distil(Flat(), train_loader=loader_of(IMAGES[:33], drop_last=True))
    distil(LittleNet(), train_loader=loader)  # over 16 x 16 places there is a spread
    distil(Flat(), val_loader=loader)         # eval mode needs none


# A length that is not true

class Claims(list):
    """Batches that claim to be another number."""

    def __init__(self, pairs, length):
        super().__init__(pairs)
        self.length = length

    def __len__(self):
        return self.length


@pytest.mark.parametrize("claimed", [2, 5, 9])
def test_a_length_that_is_not_true_is_put_right(claimed):
    _, rows = distil(train_loader=Claims(PAIRS, claimed), num_epochs=4, patience=None)
    _, right = distil(train_loader=PAIRS, num_epochs=4, patience=None)
    assert [row["steps"] for row in rows] == [5, 10, 15, 20]
    for row, other in list(zip(rows, right))[1:]:
        assert row["learning_rate"] == pytest.approx(other["learning_rate"])


def test_a_loader_that_gives_nothing_is_named():
    with pytest.raises(ValueError, match="train_loader is empty: it has a length of 5 and yields no batch"):
        distil(train_loader=Claims([], 5))


# Soft labels

def test_case_23_soft_labels_are_the_targets_of_the_hard_term():
    def softly(images, labels):
        return images, nn.functional.one_hot(labels, 4) * 0.6 + 0.1
    student, rows = distil(train_loader=batches(softly), num_epochs=1, learning_rate=1e-9)
    images, labels = PAIRS[0]
    logits = LittleNet()(images)
    expected = -(softly(images, labels)[1] * logits.log_softmax(1)).sum(1).mean()
    assert rows[0]["first_hard"] == pytest.approx(expected.item(), rel=1e-5)
    hard = distil(train_loader=PAIRS, num_epochs=1, learning_rate=1e-9)[1]
    assert rows[0]["train_accuracy"] == hard[0]["train_accuracy"] and rows[0]["label_mix"] == hard[0]["label_mix"]


def test_case_23_soft_labels_that_are_certain_are_hard_labels():
    student, _ = distil(train_loader=batches(lambda x, y: (x, nn.functional.one_hot(y, 4).float())))
    for name, value in state_of(student).items():
        torch.testing.assert_close(value, REFERENCE[name], rtol=1e-4, atol=1e-5)
    terms = [distillation_terms(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), None, labels, 2.0, 1.0)
             for labels in (torch.tensor([0, 3, 1]), torch.eye(4)[[0, 3, 1]])]
    assert terms[0].hard.item() == pytest.approx(terms[1].hard.item())


# Case 11: no labels at all

def unlabelled(images, labels):
    return images, torch.full_like(labels, -100)


def test_case_11_without_any_label_and_without_a_teacher_nothing_is_learnt():
    student = LittleNet()
    with pytest.raises(ValueError, match="train_loader must have labels where alpha is 1; all are -100"):
        train_student_with_distillation(student, None, batches(unlabelled), batches(), alpha=1.0, progress=False)
    _, rows = distil(train_loader=batches(unlabelled), alpha=0.3)  # the teacher speaks of them
    assert rows[-1]["train_hard"] is None


def test_case_11_without_labels_to_validate_by_it_is_said_what_that_means():
    with pytest.warns(RuntimeWarning, match="val_loader has no labels .*: no epoch is the best"):
        _, rows = distil(val_loader=batches(unlabelled), num_epochs=6)
    assert len(rows) == 6 and rows[0]["val_accuracy"] is None


# Looking changes nothing

def test_a_look_does_not_change_the_order_of_the_batches():
    shuffled, seen = loader_of(IMAGES, shuffle_seed=3), []

    class Noting(LittleNet):
        def forward(self, images):
            if self.training:
                seen.append(images)
            return super().forward(images)
    distil(Noting(), train_loader=shuffled, num_epochs=1)
    assert all(torch.equal(images, expected) for images, (expected, _) in zip(seen, PAIRS)) and len(seen) == 5


# evaluate, in public

def test_case_29_evaluate_measures_any_model_on_any_loader():
    model = LittleNet().train()
    logits = LittleNet().eval()(PIXELS)
    figures = evaluate(model, batches(lambda x, y: {"img": x, "target": y}, list(loader_of(IMAGES))), "cpu")
    assert figures["images"] == 80 and model.training
    assert figures["accuracy"] == pytest.approx((logits.argmax(1) == LABELS).float().mean().item())
    assert figures["cross_entropy"] == pytest.approx(nn.functional.cross_entropy(logits, LABELS).item(), rel=1e-5)
    some = LABELS.clone()
    some[10:] = -100
    assert evaluate(model, [(PIXELS, some)], "cpu")["images"] == 10
    with pytest.raises(ValueError, match="loader is empty"):
        evaluate(model, [])
    with pytest.raises(ValueError, match=re.escape("loader must yield (images, labels)")):
        evaluate(model, [PIXELS])


def test_evaluate_measures_an_exported_network_and_names_what_it_cannot_measure():
    model = LittleNet().eval()
    exported = torch.export.export(model, (PIXELS[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    pairs = list(loader_of(IMAGES))
    assert evaluate(exported, pairs, "cpu") == pytest.approx(evaluate(model, pairs, "cpu"), abs=1e-3)
    (images, labels), *_ = pairs
    for batch, words in (((images * torch.nan, labels), "images of loader, batch 1, must be finite"),
                         ((images, labels + 90), "true_labels must be 0 to"),
                         ((images, labels * 0 - 100), "all are -100")):
        with pytest.raises(ValueError, match=words):
            evaluate(model, [batch], "cpu")
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="teacher logits for loader, batch 1, must be finite"):
        evaluate(model, pairs, "cpu")


class Stream(torch.utils.data.IterableDataset):
    """Images without an end that is known."""

    def __iter__(self):
        yield from zip(PIXELS, IMAGES.labels)


def test_a_stream_without_a_length_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="train_loader must have a length .*; got a DataLoader"):
        train_student_with_distillation(LittleNet(), None, torch.utils.data.DataLoader(Stream(), 8), batches(), 1,
                                        alpha=1.0)


def test_logits_that_are_not_one_row_an_image_are_refused_in_a_sentence():
    with torch.random.fork_rng():
        model = nn.Sequential(nn.Flatten(), nn.Linear(PIXELS[0].numel(), 1), nn.Flatten(0))
    with pytest.raises(ValueError, match=r"train_loader: student_logits must be \[N, C\]"):
        train_student_with_distillation(model, None, batches(), batches(), 1, alpha=1.0)


def test_case_1_and_29_a_progress_line_follows_the_training_and_says_why_it_stopped(capsys, monkeypatch):
    monkeypatch.setattr("time.time", iter(range(10**6)).__next__)  # each look at the clock is a second later
    _, rows = distil(num_epochs=30, learning_rate=1e-9)
    words = capsys.readouterr().err
    assert "training the student" in words and "validation" in words and rows[-1]["stopped"] in words
    assert all(row["kind"] == EPOCH for row in rows)
    distil(num_epochs=30, learning_rate=1e-9, progress=False)
    assert capsys.readouterr().err == ""
