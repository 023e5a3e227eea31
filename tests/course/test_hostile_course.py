"""The course's readers under input that nobody should write: histories to be diagnosed, codes of the lab."""
import json
import math
from functools import partial

from hostile import ODD_NUMBERS, answered_or_refused, inputs, odd_texts, plain_values, read_or_refused
from hypothesis import given
from hypothesis import strategies as st
from small_lab import session_of

from distill_course.diagnosis.diagnose import USED
from distill_course.diagnosis.faults import FAULTS
from distill_course.lab.experiments import CONTROLS, EXPERIMENTS
from distill_course.lab.lab_run import LabRun
from distill_course.lab.share import read_code
from distill_kit.history import Row

COLUMNS = sorted({*Row.__annotations__, *USED})
SHARES = [name for name in COLUMNS if name.endswith(("accuracy", "agreement", "alpha"))] + ["clipped", "dead_units"]
values = st.one_of(plain_values, st.floats(0, 1), st.floats(0.1, 30), st.integers(0, 12))
histories = st.lists(st.dictionaries(st.one_of(st.sampled_from(COLUMNS), odd_texts), values, max_size=8), max_size=6)
sane = st.fixed_dictionaries({}, optional={name: st.floats(0.01, 1) for name in COLUMNS} | {
    "epoch": st.integers(0, 30), "classes": st.integers(2, 100), "temperature": st.floats(0.001, 1e6),
    "first_temperature": st.floats(0.001, 1e6), "kind": st.just("epoch"), "train_loss": st.one_of(
        st.none(), st.floats(-1e30, 1e38)), "first_soft": st.one_of(st.none(), st.floats(-1e38, 1e38)),
    "stopped": odd_texts, "best": st.booleans()})


def is_sane(name, value):
    """May a known column of a history hold this?"""
    if value is None or name in ("best", "stopped", "kind"):
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if name in SHARES:
        return 0 <= value <= 1
    if isinstance(value, float) and not math.isfinite(value):
        return True
    if name.endswith("temperature"):
        return 1e-3 <= value <= 1e6
    return {"classes": 2, "epoch": 0, "steps": 0}.get(name, -1e39) <= value <= {
        "classes": 1e6, "epoch": 1e15, "steps": 1e15}.get(name, 1e39)


@inputs(25)
@given(st.one_of(histories, st.lists(sane, max_size=8)), st.sampled_from([(), ("--data", "cifar10"), ("--data", "")]))
def test_h5_diagnose_answers_for_what_can_be_and_refuses_the_rest(tmp_path_factory, rows, more):
    path = tmp_path_factory.mktemp("history") / "mine.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    answers = answered_or_refused("diagnose", "diagnose", str(path), "--json", *more)
    given_rows = rows[1:] if rows and rows[0].get("kind") == "settings" else rows
    looked_at = [row for row in given_rows if row.get("kind", "epoch") == "epoch"]
    right = more[1:] != ("",) and looked_at and {name for row in looked_at for name in row} & set(USED) and all(
        is_sane(name, value) for row in looked_at for name, value in row.items() if name in COLUMNS)
    assert bool(answers) is bool(right)
    for answer in answers:
        assert set(answer["columns"]) == {name for row in looked_at for name in row} & set(USED)


# The lab's codes

SESSIONS = {}


def session_with(name, tmp_path_factory):
    """A session that trains nothing: what is asked of its worker is let go."""
    if name not in SESSIONS:
        SESSIONS[name] = session_of(tmp_path_factory.mktemp("runs"), name, images=500)
        SESSIONS[name].worker.ask = lambda order: None
    return SESSIONS[name]


texts = st.one_of(st.sampled_from([*ODD_NUMBERS, "0.5", "alpha", "alpha,alpha", "cosine", "gross", *FAULTS]), odd_texts)
parts = st.builds("{}={}".format, st.sampled_from([*CONTROLS, "seed", "hide", "lock", "", "epochs"]), texts)


def is_of(stops, value):
    """Is it a stop itself, or a number of the stops' kind between two of them?"""
    return any(value is stop for stop in stops) or (
        type(value) is type(stops[0]) in (int, float) and min(stops) < value < max(stops))


def codes_of(name):
    """Codes of an experiment, two parts of three as they should be."""
    controls = EXPERIMENTS[name].controls if name in EXPERIMENTS else ()
    right = [f"{one.name}={stop}" for one in controls for stop in one.stops] + ["seed=3", f"seed={2**63 - 1}"]
    part = st.one_of(parts, st.sampled_from(right), st.sampled_from(right))
    return st.lists(part, max_size=3).map(lambda some: "/".join([name, *some]))


@inputs(10)
@given(st.sampled_from([*EXPERIMENTS, "x"]).flatmap(codes_of))
def test_a_code_sets_stops_and_a_seed_or_is_refused_and_nothing_moves(tmp_path_factory, code):
    for experiment, values, seed, lesson in read_or_refused("codes", lambda: read_code(code)):
        assert experiment.name == code.strip().split("/")[0] and type(seed) is int and 0 <= seed < 2**63
        stops = {control.name: control.stops for control in experiment.controls}
        assert all(is_of(stops[name], value) for name, value in values.items())
        assert set(lesson["hide"]) | set(lesson["lock"]) <= set(stops)
        session = session_with(experiment.name, tmp_path_factory)
        before = dict(session.values), session.seed
        for _ in read_or_refused("moves", partial(session.move, seed, **values)):
            assert (session.values, session.seed) == ({**before[0], **values}, seed)
            assert read_code(session.code()) == (experiment, session.values, seed, {"hide": (), "lock": ()})
            session.restore(LabRun(session.settings(before[0], before[1]), before[0]))
        assert (session.values, session.seed) == before


@inputs(5)
@given(st.sampled_from(sorted(EXPERIMENTS)), st.dictionaries(
    st.sampled_from([*CONTROLS, "seed"]), st.one_of(plain_values, st.sampled_from(CONTROLS["alpha"].stops)), min_size=1,
    max_size=2))
def test_a_move_is_to_stops_or_refused_and_nothing_moves(tmp_path_factory, name, values):
    session = session_with(name, tmp_path_factory)
    before = dict(session.values), session.seed
    for _ in read_or_refused("moves", partial(session.move, **values)):
        seed = values.pop("seed", None)
        assert seed is None or type(seed) is int and session.seed == seed
        stops = {control.name: control.stops for control in session.experiment.controls}
        assert all(is_of(stops[key], session.values[key]) and type(value) is not bool for key, value in values.items())
        session.move(before[1], **before[0])
    assert (session.values, session.seed) == before
