"""Whole runs on little images: what is trained on, and what is reported."""
import pytest
import torch
from small import CLASSES, ColourTeacher, PixelTeacher, coloured_images, same_state, state_of
from small_runs import DATASET, finished, run_of, settings_of

from distill_kit.data.imageset import Dataset, split
from distill_kit.metrics import balanced_accuracy, classification_figures, share_in_top
from distill_kit.models import make_model, whitening_stem
from distill_kit.run import Materials, Run, prepared_labels

pytestmark = pytest.mark.usefixtures("global_random_state_untouched")


@pytest.mark.parametrize("changes, message", [
    ({"images": 1000}, "images must be .*180.*; got 1,000"),
    ({"labelled": 97}, "labelled must be 0 or more; got 97. .* up to 96"),
    ({"labelled": -1}, "labelled must be 0 or more; got -1. .* up to 96"),
    ({"labelled": 0, "alpha": 1}, "labelled must be 1 or more where alpha is 1"),
    ({"leave_out": "gren"}, "no class named 'gren'; did you mean 'green'?"),
    ({"device": "tpu"}, "device must be .*; got 'tpu'"),
    ({"precision": "int4"}, "precision must be .*; got 'int4'")])
def test_settings_that_do_not_fit_the_images_or_the_machine_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        run_of(**changes)


def test_settings_that_ask_for_other_images_than_the_materials_are_refused():
    materials = Materials.of(settings_of(), DATASET, ColourTeacher())
    for changes in ({"images": 95}, {"data_seed": 1}, {"leave_out": CLASSES[0]}):
        with pytest.raises(ValueError, match="settings must ask for the images of the materials"):
            Run(settings_of(**changes), materials)


def test_leaving_out_the_only_image_is_refused():
    only = CLASSES[int(Materials.of(settings_of(images=1), DATASET, ColourTeacher()).training.labels)]
    with pytest.raises(ValueError, match=f"leaving out '{only}' leaves none of 1 images"):
        run_of(images=1, leave_out=only)


def test_an_epoch_is_images_over_batch_size_steps():
    assert [row["steps"] for row in finished(images=90).history] == [5, 10]
    assert [row["steps"] for row in finished(images=5, labelled=2).history] == [1, 2]


def test_a_student_learns_from_its_teacher():
    report = finished(epochs=8, labelled=0, alpha=0).report()
    assert report["test_accuracy"] > 0.8


def test_labelled_with_alpha_1_trains_on_those_alone_for_as_many_steps():
    alone, all_of_them = run_of(alpha=1, labelled=20), run_of(labelled=20)
    assert len(alone.batches) == len(all_of_them.batches) == 6
    assert alone.batches.rows.tolist() == (alone.training.labels >= 0).nonzero().squeeze(1).tolist()
    assert len(alone.batches.rows) == 20 and len(all_of_them.batches.rows) == 96
    assert all((batch.labels >= 0).all() for batch in alone.batches)
    labels = torch.cat([batch.labels for batch in all_of_them.batches])
    assert (labels >= 0).sum() == 20 and len(labels) == 96
    assert [row["steps"] for row in finished(alpha=1, labelled=20).history] == [6, 12]


def test_the_teacher_is_not_asked_about_training_images_where_alpha_is_1():
    run = finished(alpha=1)
    assert run.materials.logits.seconds == 0 and run.history[-1]["train_soft"] is None
    assert run.history[-1]["val_agreement"] is not None


def test_with_and_without_teacher_the_same_images_in_the_same_views():
    taught, alone = run_of(seed=3), run_of(seed=3, alpha=1)
    assert same_state(state_of(taught.student), state_of(alone.student))
    for distilled, plain in zip(taught.batches, alone.batches):
        assert torch.equal(distilled.images, plain.images) and torch.equal(distilled.labels, plain.labels)


def test_seed_moves_weights_order_and_noise_and_data_seed_the_images():
    first, seed, data_seed = (run_of(label_noise=0.5, **changes) for changes in ({}, {"seed": 1}, {"data_seed": 1}))
    assert torch.equal(first.training.images, seed.training.images)
    assert not torch.equal(first.training.labels, seed.training.labels)
    assert not same_state(state_of(first.student), state_of(seed.student))
    assert not torch.equal(first.training.images, data_seed.training.images)
    assert torch.equal(first.student.head.weight, data_seed.student.head.weight)


def test_label_noise_is_in_the_labels_that_the_student_sees():
    clean, noisy = run_of(), run_of(label_noise=1.0)
    assert 0.5 < (clean.training.labels != noisy.training.labels).float().mean() < 0.95  # one in four stays right
    seen = torch.cat([batch.labels for batch in noisy.batches])
    assert torch.equal(seen.sort().values, noisy.training.labels.sort().values)
    assert torch.equal(DATASET.validation.labels, noisy.materials.validation.labels)


def test_logits_stay_with_their_images_through_subset_noise_and_few_labels():
    run = run_of(PixelTeacher(), label_noise=0.3, labelled=50, leave_out="red", data_seed=4)
    for _ in range(3):
        for images, _, logits in run.batches:
            assert torch.equal(logits, PixelTeacher()(images).half())


def test_left_out_class_is_never_seen_and_not_refilled():
    run = run_of(leave_out="blue")
    whole = run_of()
    assert CLASSES.index("blue") not in run.training.labels
    assert len(run.training) == int((whole.training.labels != CLASSES.index("blue")).sum()) < 96
    assert run.student.head.out_features == len(CLASSES)


def test_rank2_left_out_is_the_share_of_its_test_images_ranked_first_or_second():
    run = finished(leave_out="blue", alpha=0)
    images = DATASET.test.images[DATASET.test.labels == 2].float() / 255
    top = run.student.eval()(images).half().topk(2).indices
    assert run.report()["rank2_left_out"] == pytest.approx((top == 2).any(1).float().mean().item())


def test_share_in_top():
    logits = torch.tensor([[3.0, 2, 1], [1, 2, 3], [0, 9, 1]])
    assert share_in_top(logits, torch.tensor([1, 1, 0]), 1, 2) == 1.0
    assert share_in_top(logits, torch.tensor([0, 0, 0]), 0, 2) == pytest.approx(1 / 3)


def test_report_has_its_figures():
    run = finished()
    report = run.report()
    assert set(report) == {"val_accuracy", "test_accuracy", "val_balanced_accuracy", "test_balanced_accuracy",
                           "seconds", "teacher_seconds", "images_per_second", "precision", "best_epoch", "epochs_done"}
    student = run.student.eval()
    for part in ("validation", "test"):
        images = getattr(DATASET, part)
        answers = student(images.images.float() / 255).argmax(1)
        assert report[f"{part[:3] if part == 'validation' else 'test'}_accuracy"] == pytest.approx(
            (answers == images.labels).float().mean().item(), abs=1 / len(images))
    assert report["images_per_second"] == pytest.approx(12 * 16 / report["seconds"])
    assert report["teacher_seconds"] > 0 and report["seconds"] > 0 and report["precision"] == "float32"


def test_a_run_knows_whether_its_training_has_begun():
    run = run_of(threads=1)
    assert not run.began and run.room.cores == ()
    rows = run.rows()
    assert not run.began  # nothing is done before the first row is asked for
    next(rows)
    assert run.began and run.threads == 1


def test_a_run_trains_once():
    run = finished()
    rows = list(run.history)
    with pytest.raises(RuntimeError, match="this run has been trained; make another Run"):
        next(run.rows())
    assert run.history == rows


def test_a_folder_may_be_given_as_text(tmp_path):
    list(run_of().rows(folder=str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} == {"history.jsonl", "student.safetensors"}


def test_the_loop_is_given_the_runs_parts():
    run = run_of()
    parts, before = run.parts, state_of(run.student)
    assert parts.student is run.student and parts.batches is run.batches and parts.watched is run.materials.watched
    assert (parts.steps, len(parts.batches), parts.peak) == (12, 6, run.settings.learning_rate)
    rows = list(run.rows())
    assert run.parts is parts and not same_state(before, state_of(parts.student))
    for column, schedule in (("learning_rate", parts.learning_rate), ("alpha", parts.alpha),
                             ("temperature", parts.temperature)):
        assert [row[column] for row in rows] == [schedule(5), schedule(11)]


def test_report_before_the_first_epoch_says_so():
    with pytest.raises(RuntimeError, match="no epoch is finished"):
        run_of().report()


def test_the_test_images_are_not_read_before_the_report():
    unreadable = split(DATASET.name, coloured_images(200), coloured_images(60, seed=1), "")
    unreadable.test.images.zero_()
    usual, blind = finished(), finished(dataset=unreadable)
    assert same_state(state_of(usual.student), state_of(blind.student))


def test_seconds_leave_the_teachers_time_out(monkeypatch):
    now = [0.0]

    class Slow(ColourTeacher):
        def forward(self, images):
            now[0] += 1000
            return super().forward(images)
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    run = finished(teacher=Slow())
    assert run.history[-1]["seconds"] == 0 and run.teacher_seconds >= 3000


def test_a_second_run_on_the_same_materials_asks_the_teacher_only_for_new_views():
    settings = settings_of(epochs=4)
    materials = Materials.of(settings, DATASET, ColourTeacher())
    first, second = Run(settings, materials), Run(settings, materials)
    list(first.rows())
    assert materials.logits._known.all()  # four epochs show all four views
    list(second.rows())
    assert second.teacher_seconds == 0 and first.teacher_seconds > 0
    assert same_state(state_of(first.student), state_of(second.student))


def test_the_stem_is_made_once_for_all_students_of_the_same_images(monkeypatch):
    made = []
    monkeypatch.setattr("distill_kit.run.whitening_stem",
                        lambda images: made.append(whitening_stem(images)) or made[-1])
    many, few = settings_of(), settings_of(images=48)
    shared, fewer = (Materials.of(settings, DATASET, ColourTeacher()) for settings in (many, few))
    runs = [Run(many, shared), Run(settings_of(seed=1), shared), Run(few, fewer)]
    assert len(made) == 2
    for run in runs:
        alone = make_model(run.student.architecture, run.training.images, run.settings.seed)
        assert same_state(state_of(run.student), state_of(alone))


def test_same_settings_same_run_bit_for_bit():
    first, again = finished(seed=2, label_noise=0.2), finished(seed=2, label_noise=0.2)
    assert same_state(state_of(first.student), state_of(again.student))
    clocks = {"seconds": 0}
    assert [row | clocks for row in first.history] == [row | clocks for row in again.history]
    assert not same_state(state_of(first.student), state_of(finished(seed=3, label_noise=0.2).student))


def test_final_values_are_reached_at_the_end():
    rows = finished(epochs=3, temperature=8, final_temperature=2, alpha=0.9, final_alpha=0.1, schedule="cosine").history
    assert (rows[-1]["temperature"], rows[-1]["alpha"]) == pytest.approx((2, 0.1))
    assert rows[0]["temperature"] > 6 and rows[0]["alpha"] > 0.7


@pytest.mark.parametrize("validation, watched", [(40, 40), (1999, 1999), (2502, 1250), (5000, 1250)])
def test_case_2_all_validation_images_are_watched_where_they_are_few(validation, watched):
    images = coloured_images(validation, size=8)
    dataset = Dataset("coloured", coloured_images(20, size=8), images, images[:10], "")
    materials = Materials(dataset, ColourTeacher(), images=20, device="cpu")
    assert len(materials.watched.labels) == watched and len(materials.validation) == validation


def test_case_13_balanced_accuracy_stands_beside_accuracy():
    pool = coloured_images(400)
    keep = (pool.labels != 0) | (torch.arange(400) < 60)
    dataset = split("coloured", pool[keep], coloured_images(90, seed=1)[20:], "")
    run = run_of(dataset=dataset)
    list(run.rows())
    report, student = run.report(), run.student.eval()
    for part, images in (("val", dataset.validation), ("test", dataset.test)):
        predicted = student(images.images.float() / 255).argmax(1)
        recall = [(predicted[images.labels == number] == number).double().mean().item() for number in range(4)]
        assert report[f"{part}_balanced_accuracy"] == pytest.approx(sum(recall) / 4, abs=0.02)


def test_case_13_balanced_accuracy_is_the_mean_recall_of_the_classes_that_are_there():
    logits = torch.tensor([[3.0, 2, 1, 0], [3, 2, 1, 0], [3, 2, 1, 0], [1, 2, 0, 0]])
    labels = torch.tensor([0, 0, 1, 1])  # two of two, one of two; no image of the others
    assert balanced_accuracy(logits, labels) == pytest.approx(0.75)
    assert classification_figures(logits, labels)["balanced_accuracy"] == pytest.approx(0.75)
    uneven = torch.tensor([0, 0, 0, 1])
    assert balanced_accuracy(logits[[0, 1, 2, 0]], uneven) == pytest.approx(0.5)  # accuracy: 0.75


def test_preparing_labels_leaves_the_images_alone():
    before = DATASET.pool.labels.clone()
    prepared = prepared_labels(DATASET.pool, settings_of(label_noise=1.0, labelled=10))
    assert torch.equal(DATASET.pool.labels, before) and (prepared.labels >= 0).sum() == 10
