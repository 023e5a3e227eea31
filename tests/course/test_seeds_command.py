"""python -m distill_kit distill --seeds N: pairs of students, their difference, and a study that goes on."""
import contextlib
import json
import re
import statistics
from dataclasses import replace

import pytest
import torch
from scipy import stats
from small import ColourTeacher, same_state
from small_commands import DATASET, QUICK, value_of

from distill_course.commands import distill as command
from distill_course.statistics import pairs_needed
from distill_kit.checkpoints import identity
from distill_kit.history import load_history
from distill_kit.run import Materials, Run
from distill_kit.settings import Settings
from distill_kit.weights import load_model

STUDY = ("distill", *QUICK, "--threads", "1")


@pytest.fixture
def study(answer, tmp_path):
    """Runs the command in one folder; gives status, report (or None) and standard error."""
    def run(*options, seeds=3):
        status, out, errors = answer(*STUDY, "--seeds", seeds, "--out", tmp_path / "study", "--json", *options)
        return status, value_of(out) if out else None, errors
    return run


@pytest.fixture
def trained(monkeypatch):
    """The arm and seed of each student whose training begins."""
    begun, real = [], Run.rows

    def rows(self, *args, **options):
        begun.append(("labels" if self.settings.labels_only else "teacher", self.settings.seed))
        return real(self, *args, **options)
    monkeypatch.setattr(Run, "rows", rows)
    return begun


def test_case_29_each_seed_has_a_student_with_the_teacher_and_one_by_labels_only(study, trained):
    status, report, errors = study("--seed", 4)
    assert status == 0 and trained == [(arm, seed) for seed in (4, 5, 6) for arm in ("teacher", "labels")]
    assert report["seeds"] == [4, 5, 6] and set(report["arms"]) == {"teacher", "labels"}
    assert [(run["arm"], run["seed"]) for run in report["runs"]] == trained
    assert {run["settings"]["alpha"] for run in report["runs"]} == {0.1, 1.0}
    assert errors.count("Coloured noise.") == 1 and "goes on" in errors


def test_case_29_the_interval_is_that_of_the_paired_t_test(study):
    _, report, _ = study()
    taught, untaught = (report["arms"][arm] for arm in ("teacher", "labels"))
    low, high = stats.ttest_rel(taught, untaught).confidence_interval(0.95)
    assert report["interval"] == pytest.approx([low, high])
    assert report["difference"] == pytest.approx(statistics.mean(taught) - statistics.mean(untaught))


def test_a_student_of_a_study_is_the_one_that_distill_trains_with_that_seed(study, answer):
    _, report, _ = study(seeds=2)
    for run in report["runs"]:
        single = value_of(answer(*STUDY, "--seed", run["seed"], "--alpha", run["settings"]["alpha"], "--json")[1])
        assert single["test_accuracy"] == run["test_accuracy"] and single["settings"] == run["settings"]
        (mine, _), (other, _) = (load_model(path.replace("history.jsonl", "student.safetensors"))
                                 for path in (run["history"], single["history"]))
        assert same_state(mine.state_dict(), other.state_dict())


def test_a_study_that_was_interrupted_goes_on_and_keeps_what_is_finished(study, trained, monkeypatch, tmp_path):
    @contextlib.contextmanager
    def pressed(steps, what):
        def follow(row, more=""):
            if "student 4" in more and row["kind"] == "epoch":
                raise KeyboardInterrupt
        yield follow
    with monkeypatch.context() as patch:
        patch.setattr("distill_course.commands.distill.training_bar", pressed)
        status, report, errors = study()
    assert status == 130 and report is None and "What was finished is kept" in errors
    assert len(load_history(tmp_path / "study" / "labels-1")[1]) == 1  # of the student that was interrupted
    before = {path: path.read_bytes() for path in (tmp_path / "study").glob("*/report.json")}
    assert len(before) == 3
    trained.clear()
    status, report, _ = study()
    assert status == 0 and trained == [("labels", 1), ("teacher", 2), ("labels", 2)] and len(report["runs"]) == 6
    assert all(path.read_bytes() == content for path, content in before.items())
    again = study()[1]
    assert again == report and len(trained) == 3
    assert study(seeds=4)[1]["seeds"] == [0, 1, 2, 3] and trained[3:] == [("teacher", 3), ("labels", 3)]


def test_a_study_that_was_moved_names_its_students_where_they_are_now(study, answer, tmp_path):
    study(seeds=2)
    (tmp_path / "study").rename(tmp_path / "moved")
    report = value_of(answer(*STUDY, "--seeds", 2, "--out", tmp_path / "moved", "--json")[1])
    assert {report["best"], *(run["folder"] for run in report["runs"])} <= set(map(str, (tmp_path / "moved").iterdir()))


def test_one_bar_counts_the_steps_of_all_students(study, monkeypatch):
    seen = []

    @contextlib.contextmanager
    def bar(steps, what):
        seen.append(steps)
        yield lambda row, more="": seen.append(row["steps"])
    monkeypatch.setattr("distill_course.commands.distill.training_bar", bar)
    study(seeds=2)
    assert seen[0] == seen[-1] == 4 * 12 and seen[1:] == sorted(seen[1:])


def test_a_student_of_another_study_is_seen_before_anything_is_trained(study, trained, tmp_path):
    study(seeds=2)
    (tmp_path / "study" / "teacher-0" / "report.json").unlink()
    trained.clear()
    assert study("--temperature", 3, seeds=2)[0] == 2 and trained == []
    status, _, errors = study("--precision", "bfloat16", seeds=2)  # its figures would be others than those beside it
    assert status == 2 and trained == [] and "precision was 'float32' and is 'bfloat16'" in errors
    assert study(seeds=2)[0] == 0 and trained == [("teacher", 0)]


@pytest.mark.parametrize("where, altered", [
    (("teacher-1", "teacher-0"), {}), (("labels-0", "teacher-0"), {}), (None, {"test_accuracy": 5}),
    (None, {"test_accuracy": float("nan")}), (None, {"findings": [1]}), (None, {"seed": 7})])
def test_a_report_that_was_swapped_or_edited_is_refused(study, trained, tmp_path, where, altered):
    study(seeds=2)
    source, target = (tmp_path / "study" / name / "report.json" for name in where or ("teacher-0", "teacher-0"))
    target.write_text(json.dumps({**json.loads(source.read_text()), **altered}))
    trained.clear()
    status, report, errors = study(seeds=2)
    assert status == 2 and report is None and trained == [] and str(target) in errors.splitlines()[-1]


def changed_images():
    pool = DATASET.pool
    images = pool.images.clone()
    images[:, 0, 0, 0] ^= 1  # the lowest bit of a pixel
    return replace(DATASET, pool=replace(pool, images=images))


def changed_labels():
    test = DATASET.test
    return replace(DATASET, test=replace(test, labels=test.labels.roll(1)))


@pytest.mark.parametrize("dataset", [changed_images, changed_labels])
def test_students_of_other_images_are_never_mixed(study, monkeypatch, tmp_path, dataset, trained):
    study(seeds=2)
    trained.clear()
    monkeypatch.setattr("distill_kit.data.load_dataset", lambda name, **options: dataset())
    status, report, errors = study(seeds=3)
    assert status == 2 and report is None
    assert "of another study, for which the images are others. Nothing is mixed" in errors.splitlines()[-1]
    assert trained == [] and len(list((tmp_path / "study").iterdir())) == 4


def test_students_of_another_teacher_or_of_other_settings_are_never_mixed(study, monkeypatch):
    study(seeds=2)
    for option, sentence in (("--temperature", "temperature was 4.0 and is 3.0"),
                             ("--epochs", "epochs was 2 and is 3")):
        status, _, errors = study(option, 3, seeds=2)
        assert status == 2 and sentence in errors.splitlines()[-1]
    monkeypatch.setattr("distill_kit.teachers.load_teacher", lambda dataset, path=None: (Shifted(), {}))
    assert "for which the teacher is another one (--teacher names it" in study(seeds=2)[2].splitlines()[-1]


class Shifted(ColourTeacher):
    def __init__(self):
        super().__init__()
        self.colours += 1e-6


def test_the_identity_of_a_student_takes_a_teacher_of_any_number_type():
    settings = Settings(images=96, batch_size=16, device="cpu")
    in_bfloat16 = ColourTeacher().to(torch.bfloat16)
    assert (identity(Run(settings, Materials.of(settings, DATASET, in_bfloat16)))["the teacher"]
            != identity(Run(settings, Materials.of(settings, DATASET, ColourTeacher())))["the teacher"])


@pytest.mark.parametrize("content", ["", "[1]", "{}", "\xff", '{"seed": 0',
                                     '{"arm": "labels", "seed": 0, "val_accuracy": 1, "test_accuracy": "0.5", '
                                     '"findings": [], "study": {}}',
                                     '{"arm": "labels", "seed": 0, "val_accuracy": 1, "test_accuracy": 0.5, '
                                     '"findings": [], "study": {}}'])
@pytest.mark.parametrize("file", ["labels-1/report.json", "teacher-0/report.json"])
def test_a_file_of_a_study_that_was_altered_is_named(study, tmp_path, file, content):
    study(seeds=2)
    (tmp_path / "study" / file).write_bytes(content.encode("latin-1"))
    status, report, errors = study(seeds=2)
    assert status == 2 and report is None and f"{file} is cut, altered" in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize("options, sentence", [
    (["--seeds", "0"], "seeds must be 1 or more; got 0"), (["--seeds", "-3"], "seeds must be 1 or more; got -3"),
    (["--seeds", "1001"], "seeds must be 1 or more; got 1001. It is a whole number up to 1,000"),
    (["--seeds", "2", "--alpha", "1"], "alpha must be below 1 with --seeds"),
    (["--seeds", "2", "--fault", "dead_units"], "fault must come without --seeds"),
    (["--seeds", "2", "--labelled", "0"], "labelled must be 1 or more"),
    (["--seeds", "2", "--seed", str(2**63 - 1)], "seed must be 0 or more"),
    (["--seeds", "2", "--images", "5000"], "images must be ")])
def test_what_makes_no_sense_with_seeds_leaves_no_folder_behind(answer, tmp_path, options, sentence):
    status, out, errors = answer(*STUDY, *options)
    assert status == 2 and out == "" and sentence in errors.splitlines()[-1] and not (tmp_path / "runs").exists()


def test_a_single_seed_is_the_plain_command(answer):
    report = value_of(answer(*STUDY, "--seeds", 1, "--json")[1])
    assert "arms" not in report and report["settings"]["seed"] == 0


def test_for_people_it_says_pairs_difference_and_luck(answer, tmp_path):
    status, out, _ = answer(*STUDY, "--seeds", 2)
    assert status == 0 and re.search(r"measured on +60 test images, 1\.7 points each", out)
    assert re.search(r"seed 1 +[\d.]+% with the teacher, [\d.]+% by labels only\n", out)
    assert re.search(r"difference +[+-][\d.]+ points, 95 % interval .* \(2 seeds\)", out)
    folder, = (tmp_path / "runs").iterdir()
    assert re.search(rf"students +{folder}\n", out) and re.search(rf"the best taught +{folder}/teacher-\d", out)


def run_of(arm, seed, accuracy, **more):
    return {"arm": arm, "seed": seed, "test_accuracy": accuracy, "val_accuracy": accuracy, "folder": f"{arm}-{seed}",
            **more}


def test_pairs_of_students_that_diverged_are_left_out():
    runs = [run_of(arm, seed, accuracy + seed / 100) for seed in range(3) for arm, accuracy in
            (("teacher", 0.7), ("labels", 0.6))]
    runs[2] |= {"test_accuracy": None, "stopped": "The loss is no longer a finite number."}
    made = command.outcome(runs)
    assert made["seeds"] == [0, 2] and made["difference"] == pytest.approx(0.1) and made["best"] == "teacher-2"
    nothing = command.outcome(runs[2:4])
    assert nothing["seeds"] == [] and nothing["difference"] is nothing["best"] is nothing["luck"] is None


def test_students_that_diverge_are_exit_status_1_with_their_figures(study):
    status, report, errors = study("--learning-rate", "1e30", seeds=2)
    assert status == 1 and report["difference"] is None and "of 4 students were not finished" in errors.splitlines()[-1]
    assert "no longer a finite number" in errors.splitlines()[-1] and json.dumps(report)


def test_pairs_needed_is_the_rule_of_the_course():
    assert pairs_needed([0.0, 1.0, 2.0], 1.0) == 8 and pairs_needed([0.0, 1.0, 2.0], 0.5) == 32
    assert pairs_needed([1.0, 1.0], 1.0) == 2 and pairs_needed([1.0, -1.0], 0.0) is None
