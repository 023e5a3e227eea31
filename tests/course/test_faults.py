"""Faults: each does what its sentence says, and a probe of the run that has it says so."""
from dataclasses import replace

import pytest
import torch
from small import ColourTeacher, coloured_dataset

from distill_course.diagnosis import diagnose
from distill_course.diagnosis.faults import FAULTS, STRENGTHS, fault_of, faulty
from distill_course.diagnosis.probes import probe
from distill_course.diagnosis.wrong_losses import WRONG_LOSSES
from distill_kit.losses import distillation_terms
from distill_kit.metrics import entropy
from distill_kit.models import Architecture, make_model
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings

DATASET = coloured_dataset(count=300)
TEACHER = make_model(Architecture(widths=(8, 8), num_classes=4, image_size=16), DATASET.pool.images, seed=5).eval()
with torch.no_grad():
    TEACHER.head.weight.mul_(8)  # answers that differ from image to image
SMALL = {"images": 128, "batch_size": 32, "epochs": 2, "device": "cpu", "precision": "float32", "student": "small"}
MATERIALS = Materials.of(Settings(**SMALL), DATASET, TEACHER)


def run_with(name, strength="gross", **more):
    """A run with a fault, at a size that a test can pay."""
    values = {**SMALL, **more}
    if name == "student_too_small":
        values.pop("student")
    return Run(replace(faulty(Settings(), name, strength), **values), MATERIALS)


def trained(name, strength="gross", **more):
    run = run_with(name, strength, **more)
    rows = list(run.rows())
    return run, rows, probe(run)


def logits(count=6, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(count, classes, generator=generator), 3 * torch.randn(count, classes, generator=generator),
            torch.arange(count) % classes)


def test_there_are_more_than_sixteen_and_their_own_finding_comes_first():
    assert len(FAULTS) > 16 and all(fault.findings[0] == name for name, fault in FAULTS.items())
    assert sum(not fault.harmless for fault in FAULTS.values()) >= 16
    for name, fault in FAULTS.items():
        assert fault.name == name and len(fault.levels) == len(STRENGTHS) and fault.sentence.endswith(".")
        assert all(len(value) == len(STRENGTHS) for value in fault.settings.values() if isinstance(value, list))
        assert set(fault.itself) <= set(fault.settings)


def test_a_fault_asked_for_is_a_change_and_brings_what_it_needs():
    plain = Settings(epochs=8, seed=3)
    assert faulty(plain, "t_squared_missing") == replace(plain, changes=("t_squared_missing:gross",), temperature=8.0,
                                                         alpha=0.5)
    assert faulty(plain, "false_labels", "mild") == replace(plain, changes=("false_labels:mild",), label_noise=0.2,
                                                            alpha=0.9)
    habits = replace(plain, changes=("no_clipping",))
    assert faulty(habits, "dead_units", "clear").changes == ("no_clipping", "dead_units:clear")  # what was asked before
    assert plain == Settings(epochs=8, seed=3)


def test_what_is_no_fault_and_no_strength_is_refused():
    with pytest.raises(ValueError, match="fault must be one of t_squared_missing, .*; got 'bad_luck'.$"):
        faulty(Settings(), "bad_luck")
    with pytest.raises(ValueError, match="got 'dead_unit'. Did you mean 'dead_units'?"):
        faulty(Settings(), "dead_unit")
    with pytest.raises(ValueError, match="fault_strength must be mild, clear, gross; got 'huge'"):
        faulty(Settings(), "dead_units", "huge")


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("name", FAULTS)
def test_which_fault_it_is_can_be_read_from_the_settings(name, strength):
    assert fault_of(faulty(Settings(), name, strength)) == (FAULTS[name], strength)
    assert fault_of(faulty(Settings(changes=("no_clipping",)), name, strength)) == (FAULTS[name], strength)


def test_settings_without_a_fault_have_none():
    assert fault_of(Settings()) is None and fault_of(Settings(changes=("no_clipping", "no_warmup"))) is None


@pytest.mark.parametrize("name", sorted(FAULTS))
@pytest.mark.parametrize("strength", STRENGTHS)
def test_a_run_with_a_fault_can_be_trained_to_its_end(name, strength):
    run = run_with(name, strength, epochs=1)
    rows = list(run.rows())
    assert len(rows) == 1 and rows[0]["steps"] == 4


def test_the_loss_variants_are_what_they_say():
    student, teacher, labels = logits()
    right = distillation_terms(student, teacher, labels, 3.0, 0.25)
    made = {name: loss(student, teacher, labels, 3.0, 0.25) for name, loss in WRONG_LOSSES.items()}
    assert set(made) >= {"t_squared_missing", "element_mean", "softmax_for_log_softmax", "kl_swapped",
                         "student_not_softened", "alpha_inverted"} and set(made) <= set(FAULTS)
    assert made["t_squared_missing"].soft * 9 == pytest.approx(right.soft.item())
    assert made["element_mean"].soft * 5 == pytest.approx(right.soft.item())
    assert made["softmax_for_log_softmax"].soft < 0 < right.soft
    p, q = torch.softmax(teacher / 3, 1), torch.softmax(student / 3, 1)
    assert made["kl_swapped"].soft.item() == pytest.approx(9 * (q * (q / p).log()).sum(1).mean().item(), rel=1e-4)
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
    _, _, probes = trained(name, temperature=3.0, alpha=0.3)
    assert probes["loss"] == name and probes["teacher"] == "same"


@pytest.mark.parametrize("name, rows", (
    ("teacher_rows_shuffled", "shuffled"), ("classes_permuted", "permuted"), ("softmax_twice", "probabilities"),
    ("teacher_in_train_mode", "train_mode"), ("weak_teacher", "other")))
def test_a_probe_says_what_the_teachers_rows_are(name, rows):
    _, _, probes = trained(name)
    assert probes["teacher"] == rows and probes["teacher_match"] < 0.9 and probes["loss"] == "right"


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
    run.student.train()
    before = {name: value.clone() for name, value in run.student.state_dict().items()}
    modes, state = [module.training for module in run.student.modules()], torch.get_rng_state()
    teacher = {name: value.clone() for name, value in TEACHER.state_dict().items()}
    probes = probe(run)
    assert probes["loss"] == "right" and probes["loss_ratio"] == pytest.approx(1, rel=1e-4)
    assert probes["teacher"] == "same" and probes["teacher_match"] == 1
    assert probes["not_training"] == 0 and probes["frozen"] == 0
    assert all(torch.equal(value, run.student.state_dict()[name]) for name, value in before.items())
    assert all(torch.equal(value, TEACHER.state_dict()[name]) for name, value in teacher.items())
    assert modes == [module.training for module in run.student.modules()] and torch.equal(state, torch.get_rng_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_probe_asks_where_the_run_was_trained_wherever_its_networks_are_now():
    settings = Settings(**SMALL | {"device": "cuda"})
    run = Run(settings, Materials.of(settings, DATASET, TEACHER))
    list(run.rows())
    run.student.cpu(), TEACHER.cpu()
    probes = probe(run)
    assert probes["loss"] == "right" and probes["teacher"] == "same" and probes["frozen"] == 0
    TEACHER.cpu()


def test_a_probe_without_a_teacher_asks_it_nothing():
    run = Run(Settings(**SMALL, alpha=1.0), MATERIALS)
    list(run.rows())
    probes = probe(run)
    assert probes["loss"] is None and probes["teacher"] is None and probes["frozen"] == 0


def test_rows_carry_the_faults_signals():
    assert trained("teacher_rows_shuffled")[1][0]["train_teacher_accuracy"] is not None
    assert trained("batches_in_class_order")[1][0]["label_mix"] < 0.6 < trained("dead_units")[1][0]["label_mix"]
    dead = [trained("dead_units", strength)[1][0]["dead_units"] for strength in STRENGTHS]
    assert dead == sorted(dead) and dead[-1] > 0.6
    soft = trained("softmax_twice")[1][0]["train_teacher_entropy"]
    assert soft == pytest.approx(torch.log(torch.tensor(4.0)).item(), abs=0.05)


def test_a_clipped_gradient_and_another_view():
    assert trained("clipping_too_tight")[1][0]["clip_norm"] == 0.002
    run = run_with("teacher_sees_other_view", "mild")
    batch = next(iter(run.parts.batches))
    again = run.materials.logits.teacher(batch.images)
    assert not torch.allclose(batch.teacher_logits.float(), again.float(), atol=0.05)


def test_entropy_of_permuted_rows_is_the_same_entropy():
    runs = run_with("classes_permuted"), Run(Settings(**SMALL), MATERIALS)
    permuted, plain = (next(iter(run.parts.batches)).teacher_logits.float() for run in runs)
    assert not torch.equal(permuted, plain)
    assert entropy(permuted).mean().item() == pytest.approx(entropy(plain).mean().item(), rel=1e-3)


NEEDS_A_TEACHER = {"t_squared_missing", "element_mean", "softmax_for_log_softmax", "kl_swapped", "student_not_softened",
                   "alpha_inverted", "softmax_twice", "weak_teacher", "classes_permuted", "teacher_rows_shuffled",
                   "teacher_sees_other_view", "teacher_in_train_mode", "temperature_too_high"}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_soft_term_is_refused_where_there_is_none_and_every_other_fault_trains(name):
    if name in NEEDS_A_TEACHER:
        with pytest.raises(ValueError, match=f"{name} is a fault in the soft term, which alpha = 1 leaves out"):
            run_with(name, alpha=1.0, final_alpha=None)
        assert run_with(name, alpha=1.0, final_alpha=0.5).parts.alpha(10**6) == 0.5
    else:
        assert len(list(run_with(name, alpha=1.0, epochs=1).rows())) == 1


@pytest.mark.parametrize("changes, words", [
    (("kl_swapped:gross", "element_mean:gross"), "must not alter the loss twice"),
    (("classes_permuted:gross", "teacher_in_train_mode"), "must not alter the batches twice"),
    (("teacher_sees_other_view:gross", "teacher_in_train_mode"), "must not alter what the teacher says twice")])
def test_a_change_that_would_undo_another_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        Run(Settings(**SMALL, changes=changes), MATERIALS)


def test_an_order_of_images_goes_with_a_teacher_in_train_mode():
    run = Run(Settings(**SMALL, changes=("easy_first", "teacher_in_train_mode")), MATERIALS)
    assert len(list(run.rows())) == 2 and probe(run)["teacher"] == "train_mode"


def test_case_1_a_student_that_is_right_only_in_train_mode_is_named_and_not_its_dead_units():
    """By statistics of its norms that never come near its activations, as of other people's loops."""
    settings = Settings(images=100, epochs=5, batch_size=10, optimizer="adamw", device="cpu", precision="float32")
    run = Run(settings, Materials.of(settings, coloured_dataset(), ColourTeacher()))
    for norm in (module for module in run.student.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        norm.momentum = 0.0
        norm.running_mean.fill_(5.0)
    rows = list(run.rows())
    assert rows[-1]["train_accuracy"] > 0.9 and rows[-1]["val_accuracy"] <= 0.3 and rows[-1]["dead_units"] > 0.9
    probes = probe(run)
    assert 0.9 < probes["train_mode_gain"] + rows[-1]["val_accuracy"] <= 1
    for asked in (None, probes):
        finding, = diagnose(rows, asked)
        assert finding.name == "right_only_in_train_mode" and finding.severity == "severe"
        assert "update_bn" in finding.remedy
    assert "train_mode_gain" in {evidence.column for evidence in finding.evidence}


def test_case_1_a_student_without_norms_or_with_a_single_validation_image_is_not_asked():
    settings = Settings(**SMALL | {"student": "layer_norm"})
    run = Run(settings, Materials.of(settings, DATASET, TEACHER))
    list(run.rows())
    assert probe(run)["train_mode_gain"] is None
    single = replace(DATASET, validation=DATASET.validation[:1])
    run = Run(Settings(**SMALL), Materials.of(Settings(**SMALL), single, TEACHER))
    list(run.rows())
    assert probe(run)["train_mode_gain"] is None


def test_case_1_a_healthy_student_is_as_good_by_its_running_statistics():
    run = Run(Settings(**SMALL), MATERIALS)
    rows = list(run.rows())
    probes = probe(run)
    assert probes["train_mode_gain"] == 0
    assert "right_only_in_train_mode" not in {finding.name for finding in diagnose(rows, probes)}
