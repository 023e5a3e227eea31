"""Faults: each does what its sentence says, and a probe of the run that has it says so."""
from dataclasses import replace

import pytest
import torch
from small import coloured_dataset

from distill_kit.diagnosis import loss_variants
from distill_kit.diagnosis.faults import FAULTS, STRENGTHS
from distill_kit.diagnosis.probes import probe
from distill_kit.losses import distillation_terms
from distill_kit.models import Architecture, make_model
from distill_kit.run import Materials, Run, Settings
from distill_kit.signals import entropy

DATASET = coloured_dataset(count=300)
TEACHER = make_model(Architecture(widths=(8, 8), num_classes=4, image_size=16), DATASET.pool.images, seed=5).eval()
with torch.no_grad():
    TEACHER.head.weight.mul_(8)  # answers that differ from image to image
SMALL = {"images": 128, "batch_size": 32, "epochs": 2, "device": "cpu", "precision": "float32", "student": "small"}
MATERIALS = Materials.of(Settings(**SMALL), DATASET, TEACHER)


def faulty(name, strength="gross", **more):
    """A run with a fault, at a size that a test can pay."""
    settings = Settings(fault=name, fault_strength=strength)
    for field, value in {**SMALL, **more}.items():
        if not (field == "student" and name == "student_too_small"):
            object.__setattr__(settings, field, value)
    return Run(settings, MATERIALS)


def trained(name, strength="gross", **more):
    run = faulty(name, strength, **more)
    rows = list(run.rows())
    return run, rows, probe(run)


def logits(count=6, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(count, classes, generator=generator), 3 * torch.randn(count, classes, generator=generator),
            torch.arange(count) % classes)


def test_there_are_more_than_sixteen_and_their_own_finding_comes_first():
    assert len(FAULTS) > 16 and all(fault.findings[0] == name for name, fault in FAULTS.items())
    assert sum(not fault.harmless for fault in FAULTS.values()) >= 16
    for fault in FAULTS.values():
        assert len(fault.levels) == len(fault.settings) == len(STRENGTHS) and fault.sentence.endswith(".")


def test_settings_bring_what_a_fault_needs_and_refuse_what_is_none():
    assert Settings(fault="t_squared_missing", fault_strength="gross").temperature == 8
    assert Settings(fault="false_labels", fault_strength="mild").label_noise == 0.2
    with pytest.raises(ValueError, match="fault must be one of t_squared_missing, .*got 'bad_luck'"):
        Settings(fault="bad_luck")
    with pytest.raises(ValueError, match="fault_strength must be mild, clear, gross; got 'huge'"):
        Settings(fault="dead_units", fault_strength="huge")


@pytest.mark.parametrize("name", sorted(FAULTS))
@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_run_with_a_fault_can_be_trained_to_its_end(name, strength):
    run = faulty(name, strength, epochs=1)
    rows = list(run.rows())
    assert len(rows) == 1 and rows[0]["steps"] == 4


def test_the_loss_variants_are_what_they_say():
    student, teacher, labels = logits()
    right = distillation_terms(student, teacher, labels, 3.0, 0.25)
    made = {name: getattr(loss_variants, name)(student, teacher, labels, 3.0, 0.25) for name in (
        "without_t_squared", "element_mean", "softmax_for_log_softmax", "swapped", "student_not_softened",
        "alpha_inverted")}
    assert made["without_t_squared"].soft * 9 == pytest.approx(right.soft.item())
    assert made["element_mean"].soft * 5 == pytest.approx(right.soft.item())
    assert made["softmax_for_log_softmax"].soft < 0 < right.soft
    p, q = torch.softmax(teacher / 3, 1), torch.softmax(student / 3, 1)
    assert made["swapped"].soft.item() == pytest.approx(9 * (q * (q / p).log()).sum(1).mean().item(), rel=1e-4)
    own = torch.softmax(student, 1)
    assert made["student_not_softened"].soft.item() == pytest.approx(9 * (p * (p / own).log()).sum(1).mean().item(),
                                                                     rel=1e-4)
    assert made["alpha_inverted"].total.item() == pytest.approx((0.75 * right.hard + 0.25 * right.soft).item())
    for name, terms in made.items():
        if name != "alpha_inverted":
            assert terms.total.item() == pytest.approx((0.25 * terms.hard + 0.75 * terms.soft).item(), rel=1e-5)


@pytest.mark.parametrize("name", ("t_squared_missing", "element_mean", "softmax_for_log_softmax", "kl_swapped",
                                  "student_not_softened", "alpha_inverted"))
def test_a_probe_names_the_wrong_loss(name):
    # T = 2 in a net of four classes would make T squared and the number of classes the same.
    run, _, found = trained(name, temperature=3.0, alpha=0.3)
    assert found["loss"] == name and found["teacher"] == "same"


@pytest.mark.parametrize("name, said", (
    ("teacher_rows_shuffled", "shuffled"), ("classes_permuted", "permuted"), ("softmax_twice", "probabilities"),
    ("teacher_in_train_mode", "train_mode"), ("weak_teacher", "other")))
def test_a_probe_says_what_the_teachers_rows_are(name, said):
    _, _, found = trained(name)
    assert found["teacher"] == said and found["teacher_match"] < 0.9 and found["loss"] == "right"


def test_a_weak_teacher_says_the_same_of_the_same_validation_images_in_each_epoch():
    rows = trained("weak_teacher", "clear", epochs=3)[1]
    assert len({row["val_teacher_accuracy"] for row in rows}) == 1 < len(rows)


def test_a_probe_sees_layers_that_do_not_train_or_stay_in_eval_mode():
    assert trained("layers_not_trained", "mild")[2]["frozen"] == pytest.approx(1 / 4)
    assert trained("layers_not_trained", "gross")[2]["frozen"] == pytest.approx(3 / 4)
    assert trained("student_in_eval_mode", "clear")[2]["not_training"] == pytest.approx(2 / 3)


def test_a_probe_finds_nothing_in_a_healthy_run_and_leaves_it_as_it_was():
    run = Run(Settings(**SMALL), MATERIALS)
    with pytest.raises(ValueError, match="must have been trained"):
        probe(run)
    list(run.rows())
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    modes, state = [module.training for module in run.student.modules()], torch.get_rng_state()
    teacher = {name: value.clone() for name, value in TEACHER.state_dict().items()}
    found = probe(run)
    assert found["loss"] == "right" and found["loss_ratio"] == pytest.approx(1, rel=1e-4)
    assert found["teacher"] == "same" and found["teacher_match"] == 1
    assert found["not_training"] == 0 and found["frozen"] == 0
    assert all(torch.equal(value, run.student.state_dict()[name]) for name, value in before.items())
    assert all(torch.equal(value, TEACHER.state_dict()[name]) for name, value in teacher.items())
    assert modes == [module.training for module in run.student.modules()] and torch.equal(state, torch.get_rng_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_probe_asks_where_the_run_was_trained_wherever_its_networks_are_now():
    settings = Settings(**SMALL | {"device": "cuda"})
    run = Run(settings, Materials.of(settings, DATASET, TEACHER))
    list(run.rows())
    run.student.cpu(), TEACHER.cpu()
    found = probe(run)
    assert found["loss"] == "right" and found["teacher"] == "same" and found["frozen"] == 0
    TEACHER.cpu()


def test_a_probe_without_a_teacher_asks_it_nothing():
    run = Run(Settings(**SMALL, alpha=1.0), MATERIALS)
    list(run.rows())
    found = probe(run)
    assert found["loss"] is None and found["teacher"] is None and found["frozen"] == 0


def test_rows_carry_the_faults_signals():
    assert trained("teacher_rows_shuffled")[1][0]["train_teacher_accuracy"] is not None
    assert trained("batches_in_class_order")[1][0]["label_mix"] < 0.6 < trained("dead_units")[1][0]["label_mix"]
    dead = [trained("dead_units", strength)[1][0]["dead_units"] for strength in STRENGTHS]
    assert dead == sorted(dead) and dead[-1] > 0.6
    soft = trained("softmax_twice")[1][0]["train_teacher_entropy"]
    assert soft == pytest.approx(torch.log(torch.tensor(4.0)).item(), abs=0.05)


def test_a_clipped_gradient_and_another_view():
    assert trained("clipping_too_tight")[1][0]["clip_norm"] == 0.002
    run = faulty("teacher_sees_other_view", "mild")
    parts = run.parts()
    batch = next(iter(parts.batches))
    again = run.materials.logits.teacher(batch.images)
    assert not torch.allclose(batch.teacher_logits.float(), again.float(), atol=0.05)


def test_entropy_of_permuted_rows_is_the_same_entropy():
    run = faulty("classes_permuted")
    plain = Run(replace(Settings(**SMALL)), MATERIALS)
    one, two = next(iter(run.parts().batches)), next(iter(plain.parts().batches))
    assert entropy(one.teacher_logits.float()).mean().item() == pytest.approx(
        entropy(two.teacher_logits.float()).mean().item(), rel=1e-3)
