"""Panels that show the evidence, and a game that keeps the score."""
import math

import pytest
from test_diagnosis import SEEN_BY_PROBES, SICK, healthy

from distill_course.diagnosis import FAULTS, diagnose
from distill_course.gallery import Gallery
from distill_course.gallery.game import HEALTHY, Game, Patient, kit_score, stored_patients
from distill_course.gallery.panels import PANELS, four_panels


def patient(truth, strength="gross", **probes):
    rows = healthy(**SICK.get(truth, {}))
    return Patient(truth, strength, tuple(rows), {**SEEN_BY_PROBES, "loss": None, "teacher": None, **probes}, "")


PATIENTS = (patient("dead_units"), patient(HEALTHY, None), patient("batches_in_class_order"),
            patient("layers_not_trained", frozen=0.25), patient("dead_units", "clear"))


def labels(ax):
    return [line.get_label() for line in ax.lines]


def test_four_panels_show_every_line_that_there_is():
    figure = four_panels(healthy(), title="A run")
    assert figure.get_suptitle() == "A run" and [ax.get_title(loc="left") for ax in figure.axes] == list(PANELS)
    for ax, lines in zip(figure.axes, PANELS.values()):
        shown = set(labels(ax))
        assert shown <= {line[1] for line in lines} and len(shown) >= 2
    assert "teacher" in labels(figure.axes[1]) and figure.axes[2].get_yscale() == "log"
    three = [{"epoch": 1, "train_loss": 1.0, "val_loss": 1.1, "val_accuracy": 0.5}]
    assert [len(ax.lines) for ax in four_panels(three).axes] == [2, 1, 0, 0]


def test_evidence_is_ringed_where_it_stands():
    rows = healthy(**SICK["dead_units"])
    steps = four_panels(rows, diagnose(rows)).axes[2]
    ring = [line for line in steps.lines if line.get_label() == "evidence"]
    assert [line.get_xydata().tolist() for line in ring] == [[[8, 0.6]]]
    rows = healthy(**SICK["batches_in_class_order"])  # the mix of labels is not drawn
    assert not any(label == "evidence" for ax in four_panels(rows, diagnose(rows)).axes for label in labels(ax))
    well = four_panels(healthy(), diagnose(healthy()))
    assert not any(label == "evidence" for ax in well.axes for label in labels(ax))


def test_the_score_is_kept_for_learner_and_kit():
    game = Game(PATIENTS)
    assert game.say("dead_units").startswith("Right: dead units (gross)")
    game.next()
    assert game.say("dead_units").startswith("No: Nothing is wrong")
    game.next()
    assert game.say("learning_rate_too_high").startswith("Not quite: batches in class order")
    game.next()
    assert "The kit says: layers not trained." in game.say(HEALTHY)
    assert game.score() == {"dead_units": (1, 1, 1), HEALTHY: (1, 0, 1), "batches_in_class_order": (1, 0, 1),
                            "layers_not_trained": (1, 0, 1)}
    game.next()
    game.say("dead_units")
    assert game.score()["dead_units"] == (2, 2, 2)
    game.next()
    assert game.patient is None
    with pytest.raises(ValueError, match="begin anew"):
        game.say(HEALTHY)


def test_a_name_that_is_no_fault_is_refused():
    with pytest.raises(ValueError, match="name must be healthy or a fault"):
        Game(PATIENTS).say("bad luck")


def test_what_counts_as_right_is_written_down_with_the_fault():
    assert patient("weak_teacher").accepted == ("weak_teacher", "classes_permuted")
    assert Patient(HEALTHY, None, (), {}).accepted == (HEALTHY,)


def test_the_gallery_shows_a_run_without_its_name_and_tells_after_the_answer():
    gallery = Gallery(PATIENTS)
    first = gallery.picture.value
    assert first[:4] == b"\x89PNG" and "Run 1 of 5" in gallery.head.value
    shown = gallery.head.value + gallery.answered.value + gallery.score.value
    assert "dead" not in shown
    gallery.next.click()
    assert "Say something first" in gallery.answered.value and gallery.game.place == 0
    gallery.answer.click()
    assert "Choose from the list first" in gallery.answered.value and not gallery.game.answers
    gallery.choice.value = "learning rate"  # too high, or too low?
    gallery.answer.click()
    assert "Choose from the list first" in gallery.answered.value and not gallery.game.answers
    gallery.choice.value = "dead"
    assert FAULTS["dead_units"].sentence in gallery.meaning.value
    gallery.answer.click()
    answered = gallery.answered.value
    assert "Right: dead units" in answered and "answer to no image: 0.6 in epoch 8" in answered
    assert "To be sure: " in answered and " Then: " in answered
    assert gallery.picture.value != first and "1 of 1" in gallery.score.value and gallery.answer.disabled
    gallery.next.click()
    assert "Run 2 of 5" in gallery.head.value and gallery.answered.value == "" and gallery.choice.value == ""
    for _ in PATIENTS[1:]:
        gallery.choice.value = HEALTHY
        gallery.answer.click()
        gallery.next.click()
    assert "That was the last run" in gallery.head.value and gallery.answer.disabled
    assert "2 of 5" in gallery.score.value and "5 of 5" in gallery.score.value  # you, and the kit
    gallery.next.click()
    assert "Run 1 of 5" in gallery.head.value and not gallery.score.value and not gallery.choice.disabled
    assert len(gallery.game.patients) == len(PATIENTS) and all(patient in PATIENTS for patient in gallery.game.patients)


def test_the_figures_are_there_in_words_too():
    gallery = Gallery(PATIENTS)
    assert "T = 4, alpha = 0.1" in gallery.head.value
    table = gallery.figures.value
    assert table.count("<th>epoch ") == 8 and "<td style='text-align: left'>gradient norm</td><td>1.4</td>" in table
    assert f"<td>{1.9 / math.log(2):.3g}</td>" in table  # the teacher's entropy, in bits
    stored = stored_patients()[0]
    assert f"{stored.settings['epochs']} epochs of {stored.settings['images']:,} images" in stored.how


def test_an_answer_counts_once():
    gallery = Gallery(PATIENTS)
    gallery.choice.value = HEALTHY
    gallery.answer.click()
    gallery.answer.click()
    assert len(gallery.game.answers) == 1


def test_the_kits_score_falls_with_what_it_may_see():
    every = [patient("dead_units"), patient(HEALTHY, None), patient("layers_not_trained", frozen=0.25)]
    assert kit_score(every) == "2 of 2 faults named, 1 of 1 healthy runs left alone"
    columns = [patient.seen_in(patient.rows[0]) for patient in every]
    assert kit_score(columns) == "1 of 2 faults named, 1 of 1 healthy runs left alone"  # a frozen layer takes a probe
    accuracies = [patient.seen_in(("train_accuracy", "val_accuracy")) for patient in every]
    assert set(accuracies[0].rows[0]) == {"epoch", "train_accuracy", "val_accuracy"} and accuracies[0].probes == {}
    assert kit_score(accuracies).startswith("0 of 2 faults")


def test_the_stored_gallery_is_what_the_notebook_says_of_it():
    truths = [patient.truth for patient in stored_patients()]
    assert len(truths) == 16 and truths.count(HEALTHY) == 4 and len(set(truths)) == 13
    assert all(len(patient.rows) == patient.rows[-1]["epoch"] for patient in stored_patients())
