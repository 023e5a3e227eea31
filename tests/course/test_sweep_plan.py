"""Plans of sweeps: what a run's key depends on, grids and arms, and files with every kind of mistake."""
from dataclasses import fields, replace

import pytest
from small import ColourTeacher, coloured_dataset

from distill_course.sweep import plan
from distill_course.sweep.plan import GROUP, Planned, crossed, groups, keyed, planned, read_plan
from distill_course.sweep.stock import Stock
from distill_kit.checkpoints import of_images, of_network
from distill_kit.models import STUDENTS
from distill_kit.settings import Settings

OTHERS = {  # for each setting that enters the key another value than the default
    "size": 32, "validation_share": 0.2, "test_share": 0.3, "images": 100, "epochs": 3, "temperature": 1.0,
    "final_temperature": 2.0, "alpha": 0.2, "final_alpha": 0.3, "schedule": "cosine", "learning_rate": 2e-2,
    "batch_size": 16, "optimizer": "adamw", "label_noise": 0.1, "labelled": 9, "leave_out": "red", "student": "tiny",
    "seed": 1, "data_seed": 1, "device": "cpu", "precision": "float32", "threads": 1, "changes": ("no_warmup",)}
RUN = Planned(Settings())


def alike(run):
    return "data", "teacher"


# Keys

def test_the_key_of_a_run_stays_what_it_is_from_one_version_of_the_code_to_the_next():
    assert RUN.key("data", "teacher") == RUN.key("data", "teacher") == planned("", {}).key("data", "teacher")
    assert len(RUN.key("data", "teacher")) == 16 and int(RUN.key("data", "teacher"), 16)


@pytest.mark.parametrize("name", [field.name for field in fields(Settings) if field.name != "data"])
def test_any_setting_makes_another_key_of_the_student_and_of_the_one_that_teaches_it(name):
    other = replace(Settings(), **{name: OTHERS[name]})
    taught = [Planned(Settings(), taught_by=own) for own in (Settings(), other)]
    assert len({run.key("data", "teacher") for run in (RUN, Planned(other), *taught)}) == 4


@pytest.mark.parametrize("change", [{"views": 8}, {"measure": "accuracy"}, {"probes": True}])
def test_what_is_measured_makes_another_key(change):
    assert replace(RUN, **change).key("data", "teacher") != RUN.key("data", "teacher")


def test_fingerprints_and_version_make_another_key_and_names_do_not(monkeypatch):
    keys = {RUN.key("data", "teacher"), RUN.key("other", "teacher"), RUN.key("data", "other"),
            RUN.key("teacher", "data")}
    assert len(keys) == 4
    named = Planned(Settings(data="/home/me/photos"), arm="mine", teacher="/home/me/teacher.safetensors")
    assert named.key("data", "teacher") == RUN.key("data", "teacher")
    monkeypatch.setattr(plan, "VERSION", plan.VERSION + 1)
    assert RUN.key("data", "teacher") not in keys


def test_fingerprints_are_those_of_images_and_teacher():
    dataset, other = coloured_dataset(), coloured_dataset(test=61)
    prints = [Stock(*given).fingerprints(RUN) for given in (
        (dataset, ColourTeacher()), (other, ColourTeacher()), (dataset, Shifted()))]
    assert prints[0] == (of_images(dataset), of_network(ColourTeacher()))
    assert prints[0][1] == prints[1][1] and prints[0][0] == prints[2][0] and len({*map(str, prints)}) == 3


class Shifted(ColourTeacher):
    def __init__(self):
        super().__init__()
        self.colours += 1e-6


# Runs of plain values

def test_a_grid_is_an_arm_for_each_combination_of_values():
    arms = dict(crossed({"temperature": [1, 2.5], "alpha": [0.5, 0.0]}))
    assert arms == {"T = 1, alpha = 0.5": {"temperature": 1, "alpha": 0.5},
                    "T = 1, alpha = 0.0": {"temperature": 1, "alpha": 0.0},
                    "T = 2.5, alpha = 0.5": {"temperature": 2.5, "alpha": 0.5},
                    "T = 2.5, alpha = 0.0": {"temperature": 2.5, "alpha": 0.0}}
    assert [arm for arm, _ in crossed({"temperature": [16, 1]})] == ["T = 16", "T = 1"]  # in the order as written
    assert crossed({}) == [("", {})] and crossed({"images": [3]}, {"mine": {"alpha": 1.0}}) == [
        ("mine, images = 3", {"alpha": 1.0, "images": 3})]


@pytest.mark.parametrize("values", [[4, 4], [0.1234567, 0.1234568]])
def test_no_value_of_a_grid_is_lost_because_two_have_one_name(values):
    """Equal runs are refused by `keyed`."""
    with pytest.raises(ValueError, match="must have each run once"):
        assert len(keyed([planned(*arm) for arm in crossed({"learning_rate": values})], alike)) == 2
        raise ValueError("a plan must have each run once: the two differ")


def test_a_whole_number_for_a_share_is_the_same_run():
    runs = [planned("", {"temperature": temperature, "alpha": alpha}) for temperature, alpha in ((1, 1), (1.0, 1.0))]
    assert runs[0] == runs[1] and isinstance(runs[0].settings.alpha, float)
    assert runs[0].key("", "") == runs[1].key("", "")


def test_a_fault_of_a_plan_brings_what_it_needs():
    run = planned("", {"fault": "kl_swapped", "fault_strength": "mild"})
    assert run.settings.changes == ("kl_swapped:mild",) and run.cell == planned("", {
        "fault": "kl_swapped", "fault_strength": "mild", "seed": 7}).cell


def test_a_teacher_of_its_own_is_a_student_with_the_runs_seed():
    run = planned("mine", {"seed": 3, "epochs": 2, "data": "shapes10", "teacher": {"student": "wide", "alpha": 1}})
    assert run.teacher is None
    assert run.taught_by == Settings(data="shapes10", epochs=2, seed=3, student="wide", alpha=1.0)
    assert planned("", {"teacher": "a.safetensors"}).teacher == "a.safetensors"


def test_equal_runs_are_refused_all_at_once():
    runs = [planned(arm, {"temperature": temperature, "seed": seed}) for seed in range(3)
            for arm, temperature in (("first", 1), ("second", 1.0), ("third", 2), ("fourth", 2.0))]
    with pytest.raises(ValueError, match="each run once; leave .* what both have: 'second' with seed 0 equals 'first'; "
                                         "'fourth' with seed 0 equals 'third'$"):
        keyed(runs, alike)


def test_a_changed_shape_of_a_student_is_another_run(monkeypatch):
    own, taught = planned("", {"student": "tiny"}), planned("", {"teacher": {"student": "tiny", "alpha": 1}})
    before = own.key("", ""), taught.key("", ""), planned("", {}).key("", "")
    monkeypatch.setitem(STUDENTS, "tiny", replace(STUDENTS["tiny"], widths=(5, 8, 16)))
    after = own.key("", ""), taught.key("", ""), planned("", {}).key("", "")
    assert before[0] != after[0] and before[1] != after[1] and before[2] == after[2]


def test_a_student_that_teaches_has_the_images_of_the_run():
    run = planned("", {"images": 300, "data_seed": 4, "size": 16, "label_noise": 0.2, "teacher": {"alpha": 1}})
    assert (run.taught_by.images, run.taught_by.data_seed, run.taught_by.size) == (300, 4, 16)
    assert run.taught_by.label_noise == 0  # what is done to the labels is the arm's own
    assert planned("", {"images": 300, "teacher": {"images": 400}}).taught_by.images == 400


def test_at_alpha_1_another_temperature_is_another_run():
    cold, hot = (planned("", {"temperature": temperature, "alpha": 1.0}) for temperature in (1, 4))
    assert len(keyed([cold, hot], alike)) == 2


def test_runs_that_share_materials_lie_side_by_side_and_groups_are_of_one_cell():
    runs = [planned("", {"images": images, "alpha": alpha, "seed": seed})
            for seed in range(GROUP + 2) for alpha in (0.1, 0.9) for images in (100, 200)]
    made = keyed(runs, alike)
    assert [run.settings.images for run in made.values()] == [100] * 14 + [200] * 14
    cut = groups(made)
    assert sorted(map(len, cut)) == [2] * 4 + [GROUP] * 4 and {key for keys in cut for key in keys} == made.keys()
    assert all(len({made[key].cell for key in keys}) == 1 for keys in cut)


# Files

GOOD = """
[warm]
shared = { images = 100, epochs = 2 }
grid = { temperature = [1, 4], alpha = [0.1, 0.9] }
seeds = 2

[arms]
seeds = [5, 7]
[arms.shared]
data = "shapes10"
[arms.arms]
plain = {}
"with an assistant" = { teacher = { student = "wide" } }
"with another" = { teacher = "weights.safetensors", fault = "kl_swapped" }
"""


def test_a_file_has_several_grids_arms_and_a_teacher_for_each(tmp_path):
    (tmp_path / "plan.toml").write_text(GOOD, encoding="utf-8")
    runs = [planned(*run) for run in read_plan(tmp_path / "plan.toml")]
    assert [(run.arm, run.settings.seed) for run in runs] == [
        *((f"warm: T = {temperature}, alpha = {alpha}", seed) for temperature in (1, 4) for alpha in (0.1, 0.9)
          for seed in (0, 1)),
        *((f"arms: {arm}", seed) for arm in ("plain", "with an assistant", "with another") for seed in (5, 7))]
    assert all(run.settings.images == 100 and run.settings.epochs == 2 for run in runs[:8])
    assert {run.settings.temperature for run in runs[:8]} == {1.0, 4.0} and runs[3].settings.alpha == 0.9
    assert [run.taught_by and (run.taught_by.student, run.taught_by.seed) for run in runs[8:]] == [
        None, None, ("wide", 5), ("wide", 7), None, None]
    assert [run.teacher for run in runs[8:]] == [None] * 4 + ["weights.safetensors"] * 2
    assert runs[-1].settings.changes and runs[8].settings.data == "shapes10"
    assert len(keyed(runs, alike)) == 14


@pytest.mark.parametrize("text, sentence", [
    ("[mine", "plan FILE cannot be read as TOML: Expected ']' at the end"),
    ("\xff", "plan FILE cannot be read as TOML: "),
    ("", r"plan FILE, .*: a plan has parts: tables such as \[mine\], with a grid"),
    ("temperature = 4", "plan FILE, temperature: a part is a table with shared, grid, arms and seeds"),
    ("[[mine]]\nseeds = 2", "FILE, mine: a part is a table"),
    ("[mine]\nseed = 4", "FILE, mine: a part is a table with shared, grid, arms and seeds .*'seed'"),
    ("[mine]\nshared = 4", "FILE, mine.shared: shared values, .*, are tables of settings"),
    ("[mine]\ngrid = [1]", "FILE, mine.grid: a grid has lists"), ("[mine]\narms = ['a']", "FILE, mine.arms: arms are "),
    ("[mine]\narms = { a = 1 }", "FILE, mine.arms.a: .* are tables of settings"),
    *((f"[mine]\ngrid = {{ alpha = {wrong} }}", "FILE, mine.grid.alpha: of a grid each setting is a list that is not ")
      for wrong in ("0.5", "'text'", "[]", "{ a = 1 }")),
    *((f"[mine]\nseeds = {seeds}", "FILE, mine.seeds.*: .*seeds .*(a number of seeds|whole numbers|not empty)")
      for seeds in ("0", "-1", "[]", "'five'", "['five']", "[0.5]", "true", "[true]", "1.5"))])
def test_a_bad_file_is_a_sentence_that_names_part_and_key(tmp_path, text, sentence):
    path = tmp_path / "plan.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=sentence.replace("FILE", str(path))) as raised:
        read_plan(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("values, sentence", [
    ("[mine.shared]\ntemprature = 4", "there is no setting 'temprature'; did you mean 'temperature'"),
    ("[mine.shared]\nbatch-size = 4", "there is no setting 'batch-size'; did you mean 'batch_size'"),
    ("[mine.grid]\nstudents = ['tiny']", "there is no setting 'students'; did you mean 'student'"),
    ("[mine.arms.a]\nqqq = 4", "there is no setting 'qqq'"),
    ("[mine.arms.a]\nteacher = { qqq = 4 }", "no setting 'qqq'"),
    ("[mine.arms.a]\nteacher = { alhpa = 4 }", "did you mean 'alpha'"),
    ("[mine.arms.a]\nteacher = 4", "mine.arms.a.teacher: teacher must be a name, or a table"),
    ("[mine.shared]\nalpha = 'text'", "alpha must be a number; got 'text'"),
    ("[mine.shared]\nalpha = 2", "alpha must be .*got 2"),
    ("[mine.shared]\nviews = 0", "views must be .*got 0"),
    ("[mine.shared]\nviews = 'all'", "views must be .*got 'all'"),
    ("[mine.shared]\nmeasure = 'moon'", "mine.shared.measure: measure must be accuracy, .*, repeats or test .*'moon'"),
    ("[mine.shared]\nprobes = 'yes'", "mine.shared.probes: probes must be true or false .*'yes'"),
    ("[mine.shared]\nfault = 'moon'", "fault must be .*moon"),
    ("[mine.shared]\nfault_strength = 'mild'", "fault.strength must come with"),
    ("[mine.grid]\nalpha = [[0.1]]", r"alpha must be a number; got \(0.1"),
    ("[mine.shared]\nleave_out = [1]", "leave_out must be text"),
    ("[mine.shared]\nseed = 4", "mine.shared: seeds are given by `seeds`"),
    ("[mine.grid]\nseed = [4]", "mine.grid: seeds are given by `seeds`")])
def test_a_wrong_setting_is_a_sentence(tmp_path, values, sentence):
    path = tmp_path / "plan.toml"
    path.write_text(values, encoding="utf-8")
    with pytest.raises(ValueError, match=sentence):
        keyed([planned(*run) for run in read_plan(path)], alike)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"no plan at {tmp_path / 'plan.toml'}"):
        read_plan(tmp_path / "plan.toml")
    with pytest.raises(ValueError, match=f"plan {tmp_path} cannot be read"):
        read_plan(tmp_path)
