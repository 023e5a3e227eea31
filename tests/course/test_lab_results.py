"""What a lab finds out beside the curve, and what it says of it."""
import csv
import io
import zipfile
from dataclasses import replace

import pytest
import torch
from small import same_state, state_of
from small_lab import DATASET, cell_of, session_of, with_cells

from distill_course.lab.export import runs_zip, table_csv
from distill_course.lab.measures import doubtful
from distill_course.lab.picture import CLASSES, draw
from distill_course.lab.session import REPEATS
from distill_course.lab.words import softness, state_sentence, trend, verdict
from distill_course.lab.worker import FINISHED, STOPPED
from distill_kit.history import EPOCH
from distill_kit.metrics import accuracy, answers
from distill_kit.run import Run
from distill_kit.weights import load_model


def test_a_difference_within_the_noise_is_called_luck(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    session.live.best, session.baseline.best = 0.618, 0.523
    with_cells(session, {0.1: cell_of(0.6, 0.003), 1.0: cell_of(0.5, 0.004)})
    assert "+9.5 points" in verdict(session) and "more than luck can do" in verdict(session)
    session.baseline.best = 0.614  # 2.776 * hypot(0.3, 0.4) = 1.4: t for five seeds
    assert "no more than luck can do" in verdict(session) and "by up to 1.4 points" in verdict(session)
    assert "measured with 5 seeds of each" in verdict(session)


def test_a_run_that_was_stopped_is_held_against_nothing(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    session.expected, session.live.state = "better", STOPPED
    words = verdict(with_cells(session, {0.1: cell_of(0.6), 1.0: cell_of(0.5)}))
    assert words.startswith(f"Stopped after {len(session.live.shares)} of ") and "compared with nothing" in words
    assert "You expected" not in words and "points" not in words


def test_the_axis_goes_down_to_0_where_a_line_does(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    session.dataset = replace(session.dataset, name="cifar10")  # whose accuracies are known to lie from 20 to 80 %
    session.live.shares[:] = [0.5] * len(session.live.shares)
    session.baseline.shares[:] = [0.4] * len(session.baseline.shares)
    assert ">20%<" in draw(session) and ">0%<" not in draw(session)
    session.baseline.shares[0] = 0.1
    assert ">0%<" in draw(session)


def test_case_2_what_was_expected_is_set_against_what_came(tmp_path):
    session = session_of(tmp_path)
    session.expected = "worse"
    session.train()
    session.join(60)
    session.live.best, session.baseline.best = 0.618, 0.523
    with_cells(session, {0.1: cell_of(0.6), 1.0: cell_of(0.5)})
    assert verdict(session).startswith("You expected worse; it came out better. 61.8 %")
    with_cells(session, {})
    # On 20 images: 1.96 sqrt(2 p (1 - p) / 20) with p = 12.41 / 22, of both runs.
    words = verdict(session)
    assert words.startswith("You expected worse; it came out about the same. 61.8 %")
    assert "On 20 images, one pair of runs of equally good settings may differ by up to 30.7 points." in words
    session.baseline.best = 0.0  # nothing right says next to nothing of luck: the other run counts as well
    assert "may differ by up to 29.1 points." in verdict(session)
    session.expected, session.baseline.best = "about the same", 0.614
    words = verdict(with_cells(session, {0.1: cell_of(0.6), 1.0: cell_of(0.5)}))
    assert words.startswith("You expected about the same; it came out about the same.")


def test_three_seeds_give_an_interval_and_what_is_there_is_not_trained_again(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    first = session.live
    session.repeat()
    session.join(60)
    assert [run.settings.seed for run in session.runs] == [0, 1, 2] and session.runs[0] is first
    assert {run.settings.alpha for run in session.runs} == {0.1} and len(session.baselines) == REPEATS
    assert session.seed == 0 and session.live is first and session.code().endswith("seed=0")
    for run, share, other in zip(session.runs, (0.62, 0.64, 0.63), (0.60, 0.61, 0.59)):
        run.best, session.baselines[session.experiment.baseline_of(run.settings)].best = share, other
    # gains of 2, 3 and 4 points: 3 +- 4.303 * 1 / sqrt(3), Student's t with two degrees of freedom
    assert "+3.0 points, 95 % interval +0.5 to +5.5 (3 seeds); zero lies outside." in \
        verdict(session)
    session.runs[0].best = 0.58
    assert "zero lies inside: it may be luck" in verdict(session)


def test_the_test_images_are_looked_at_when_asked_and_counted(tmp_path, monkeypatch):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    assert session.live.test is None and "Test images" not in verdict(session)
    session.open_test()
    session.join(60)
    report = Run(session.live.settings, session._materials_of(session.live.settings))
    list(report.rows())
    assert session.live.test == report.report()["test_accuracy"] and session.looks == 1
    session.open_test()
    session.join(60)
    assert "You have looked at them 2 times" in verdict(session)


def test_weights_that_are_gone_are_a_sentence_and_the_next_move_works(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    (session.live.folder / "student.safetensors").unlink()
    session.open_test()
    with pytest.raises(FileNotFoundError):
        session.join(60)
    assert state_sentence(session).startswith("That failed: no weights at")
    session.move(alpha=0.5)
    session.join(60)
    assert session.live.state == FINISHED and state_sentence(session) == "Done."


def test_swallowed_labels_are_false_ones_that_the_student_repeats(tmp_path, monkeypatch):
    """After many epochs on labels alone nearly all false labels are learnt; with the teacher, who saw none, few."""
    def last_is_best(student, rows, best):  # the best epoch of such images may be a first one, before that
        for row in rows:
            row["best"] = row["kind"] == EPOCH
            yield row
    monkeypatch.setattr("distill_kit.run.keep_best", last_is_best)
    session = session_of(tmp_path, epochs=40, label_noise=0.4)
    session.train()
    session.join(120)
    assert session.baseline.swallowed > 0.5 > 0.2 > session.live.swallowed
    assert f"has swallowed {session.live.swallowed:.0%}; alpha = 1, labels alone: {session.baseline.swallowed:.0%}" in \
        verdict(session)
    session.move(label_noise=0.0)
    session.join(120)
    assert session.live.swallowed is None and "swallowed" not in verdict(session)


def test_every_class_is_measured_when_a_run_is_over(tmp_path):
    session = session_of(tmp_path)
    session.train()
    session.join(60)
    labels = DATASET.validation.labels
    weights = [(labels == number).float().mean().item() for number in range(4)]
    share = sum(weight * right for weight, right in zip(weights, session.live.by_class))
    student, _ = load_model(session.live.folder / "student.safetensors")
    logits = answers(student, DATASET.validation)
    assert share == pytest.approx(accuracy(logits, labels), abs=1e-6)
    picture = draw(session, beside=CLASSES)
    assert "Right, of each class" in picture and "One validation image" not in picture


def test_the_controls_teacher_is_the_student_of_the_labels_only(tmp_path):
    session = session_of(tmp_path, "false_teacher")
    assert session.teacher_says is None and "yet to be trained" in softness(session) and draw(session)
    session.move(alpha=0.0)
    session.join(60)
    student, _ = load_model(session.baseline.folder / "student.safetensors")
    own = [made for key, made in session._materials.items() if key[-1] is not None]
    assert len(own) == 1 and same_state(state_of(own[0].logits.teacher.module), state_of(student))
    kept = own[0].logits.take(torch.arange(8), torch.zeros(8, dtype=torch.int64)).float()
    torch.testing.assert_close(kept, answers(student, own[0].training[:8]), atol=2e-2, rtol=0)
    torch.testing.assert_close(session.teacher_says, answers(student, session.seen), atol=2e-2, rtol=0)
    seed = session.baseline.settings.seed
    assert session.live.settings.label_noise == session.baseline.settings.label_noise == 0.4 and seed == 0


def test_the_images_to_choose_from_are_those_the_teacher_doubts_and_of_the_class_never_seen_first(tmp_path):
    logits = torch.tensor([[9.0, 0.0], [0.4, 0.0], [0.0, 0.4], [0.5, 0.0], [0.0, 0.4]])
    labels = torch.tensor([0, 0, 1, 0, 0])
    assert doubtful(logits, labels)[:3] == [1, 2, 3] and doubtful(logits, labels)[-1] == 4  # wrong there
    assert doubtful(logits, labels, first_of=1)[0] == 2
    session = session_of(tmp_path, "temperature")
    assert session.images.labels[0] == DATASET.validation.classes.index("red")


def test_runs_can_be_taken_away(tmp_path):
    session = session_of(tmp_path)
    for alpha in (0.5, 0.9):
        session.move(alpha=alpha)
        session.join(60)
    table = list(csv.DictReader(io.StringIO(table_csv(session))))
    assert [line["alpha"] for line in table] == ["0.5", "0.9"]
    assert float(table[0]["validation accuracy"]) == session.runs[0].best
    with zipfile.ZipFile(io.BytesIO(runs_zip(session))) as archive:
        names = archive.namelist()
        assert names == ["runs.csv", *(f"{run.folder.name}/history.jsonl" for run in session.runs)]
        assert archive.read(names[1]) == (session.runs[0].folder / "history.jsonl").read_bytes()


def test_the_trend_in_words():
    assert trend([0.5]) == "50.0 % after one epoch."
    assert trend([0.4, 0.5]) == "Began at 40.0 %, now 50.0 %, rising."
    assert trend([0.4, 0.5, 0.502]).endswith("hardly moving.") and trend([0.5, 0.4]).endswith("fell in the last epoch.")
