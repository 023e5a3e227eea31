"""The ledger on PostgreSQL: claims of machines that died, results that come late, a database that is away."""
import os
import subprocess
import sys
import threading
import time

import pytest
from sweeping import TINY, results_in, trials_of, until

from distill_course.commands.sweep import agree
from distill_course.sweep import ledger as module
from distill_course.sweep.ledger import Ledger
from distill_course.sweep.plan import VERSION

ELSEWHERE = {"host": "another machine", "process": 1, "began": 0.0}


def result_of(key, accuracy=0.5, machine="one"):
    return {"arm": "", "machine": {"processor": machine}, "threads": 1, "settings": {"seed": 0}, "rows": [{}],
            "report": {"val_accuracy": accuracy, "seconds": time.time()}, "key": key}


@pytest.fixture
def here(database):
    """A ledger of this process, whose study has a plan."""
    made = Ledger("mine", database)
    made.study.set_user_attr("plan", {"version": VERSION, "keys": ["a", "b", "c"]})
    return made


@pytest.fixture
def machine(database, monkeypatch):
    """Makes ledgers of other machines: what they claim is owned by them."""
    def make(name):
        other, own = Ledger("mine", database), module._owner

        def claim(keys):
            with monkeypatch.context() as patch:
                patch.setattr(module, "_owner", lambda process: {**own(process), "host": name})
                return other.claim(keys, {})
        return other, claim
    return make


def number_of(ledger):
    number, = ledger.held
    return number


def states(url):
    return [trial["state"] for trial in trials_of(url)]


def seconds_pass(url, seconds):
    """Let all heartbeats be older."""
    import psycopg
    with psycopg.connect(url) as connection:
        connection.execute(f"update trial_heartbeats set heartbeat = heartbeat - interval '{seconds} seconds'")


def test_a_claim_of_another_machine_is_left_alone_while_it_beats(here, machine, database):
    _, claim = machine("another")
    assert claim(("a", "b"))
    assert not here.claim(("b", "c"), {}) and here.held == {}
    seconds_pass(database, module.STALE - 10)
    here.look()
    assert set(here.claimed) == {"a", "b"} and states(database) == ["RUNNING", "FAIL"]


def test_a_claim_whose_machine_beats_no_more_is_free_within_60_seconds(here, machine, database):
    _, claim = machine("another")
    claim(("a", "b"))
    assert module.BEAT + module.STALE < 60
    seconds_pass(database, module.STALE + 1)
    here.look()
    assert here.claimed == {} and here.claim(("a", "b"), {}) and states(database) == ["FAIL", "RUNNING"]


def test_a_claim_of_a_machine_that_died_before_its_first_beat_is_free_too(here, database):
    from optuna.trial import TrialState, create_trial
    here._storage.create_new_trial(here._study_id, create_trial(
        state=TrialState.RUNNING, user_attrs={"keys": ["a"], "owner": ELSEWHERE}))
    here.look()
    assert set(here.claimed) == {"a"}
    seconds_pass(database, module.STALE + 1)
    here.look()
    assert here.claimed == {} and here.claim(("a",), {})


def test_a_claim_of_a_process_of_this_machine_that_is_gone_is_free_at_once(here, database, monkeypatch):
    gone = subprocess.Popen(["true"])
    owner = {**module._owner(os.getpid()), "process": gone.pid, "began": time.time()}
    gone.wait()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_owner", lambda process: owner)
        assert Ledger("mine", database).claim(("a",), {})
    here.look()
    assert here.claimed == {} and here.claim(("a",), {})


def test_a_claim_of_a_living_process_of_this_machine_is_left_alone(here, database):
    other = Ledger("mine", database)
    assert other.claim(("a",), {})
    assert not here.claim(("a",), {}) and set(here.claimed) == {"a"}


def test_of_two_claims_of_the_same_runs_the_lower_number_holds(here, machine, monkeypatch, database):
    """Both write before either has read."""
    other, claim = machine("another")
    look, verdicts = here.look, []

    def later():
        verdicts.append(claim(("b", "c")))
        look()
    monkeypatch.setattr(here, "look", later)
    assert here.claim(("a", "b"), {}) and verdicts == [False]
    assert other.held == {} and states(database) == ["RUNNING", "FAIL"]


def test_a_late_result_of_a_claim_that_was_declared_dead_loses_nothing(here, machine, database):
    other, claim = machine("another")
    claim(("a", "b"))
    seconds_pass(database, module.STALE + 1)
    here.look()
    assert here.claim(("a",), {})
    here.enter(number_of(here), {"a": result_of("a")}, {})
    late = {key: result_of(key) for key in "ab"}
    other.enter(number_of(other), late, {})
    here.look()
    assert set(here.results) == {"a", "b"} and here.clashes == other.clashes == []
    assert here.results["b"] == late["b"] and other.results.keys() == here.results.keys()
    assert sorted(key for key, _ in results_in(database)).count("b") == 1 and "RUNNING" not in states(database)
    assert Ledger("mine", database, write=False).results == here.results


def test_what_was_finished_twice_is_counted_wherever_it_is_asked(here, machine, database):
    """Once while a claim of it was dead and once more when its owner came back: that is a repetition, and no clash."""
    other, claim = machine("another")
    claim(("a",))
    seconds_pass(database, module.STALE + 1)
    here.look()
    here.claim(("a",), {})
    other.enter(number_of(other), {"a": result_of("a")}, {})
    here.enter(number_of(here), {"a": result_of("a")}, {})
    reader = Ledger("mine", database, write=False)
    assert set(reader.results) == {"a"} and here.clashes == other.clashes == []
    assert here.repeated == reader.repeated == 1


def test_other_figures_from_an_equal_machine_are_a_clash_and_from_another_are_not(here, machine):
    other, claim = machine("another")
    here.claim(("a", "b"), {})
    here.enter(number_of(here), {key: result_of(key) for key in "ab"}, {})
    here.add("a", result_of("a", 0.25)), here.add("b", result_of("b", 0.25, machine="two"))
    assert len(here.clashes) == 1 and here.clashes[0].startswith("run a (") and "0.5" in here.clashes[0]
    assert here.results["a"]["report"]["val_accuracy"] == here.results["b"]["report"]["val_accuracy"] == 0.5


def test_a_failed_run_is_said_and_the_others_of_its_claim_are_kept(here, database):
    here.claim(("a", "b"), {})
    here.enter(number_of(here), {"a": result_of("a")}, {"b": "the sky fell"})
    reader = Ledger("mine", database, write=False)
    assert set(reader.results) == {"a"} and reader.errors == {"b": "the sky fell"} and reader.claimed == {}


def test_what_is_held_is_kept_alive_and_let_go_at_the_end(here, database, monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.05)
    with here.at_work():
        here.claim(("a",), {})
        seconds_pass(database, module.STALE + 100)
        until(lambda: beats_within(database, 5), "a beat")
    assert states(database) == ["FAIL"]


def beats_within(url, seconds):
    import psycopg
    with psycopg.connect(url) as connection:
        return connection.execute("select count(*) from trial_heartbeats where heartbeat > "
                                  f"localtimestamp - interval '{seconds} seconds'").fetchone()[0]


def test_a_database_that_is_away_for_a_while_is_asked_again(here, server, database):
    server.stop()
    back = threading.Timer(2, server.start)
    back.start()
    try:
        assert here.claim(("a",), {})
        here.enter(number_of(here), {"a": result_of("a")}, {})
    finally:
        back.join()
    assert [key for key, _ in results_in(database)] == ["a"] and "RUNNING" not in states(database)


def test_a_database_that_stays_away_is_a_sentence(here, server):
    here._patience = 1
    server.stop()
    with pytest.raises(RuntimeError, match=r"^the storage postgresql://.* cannot be reached .*same command"):
        here.claim(("a",), {})


# With the command

@pytest.fixture
def command(database, sweeps, monkeypatch):
    """Runs `sweep` on a database that it is not patient with."""
    monkeypatch.setattr(module, "PATIENCE", 1)
    return lambda *options: sweeps("--storage", database, "--temperature", "1,4", *options)


def test_what_is_finished_when_the_database_goes_away_is_entered_at_the_next_start(
        command, database, server, trained, monkeypatch, little_sweeps):
    from distill_course.sweep import carry_out
    real = carry_out.Crew.wait

    def wait(self, *arguments):
        came = real(self, *arguments)
        if came:
            server.stop()
        return came
    with monkeypatch.context() as patch:
        patch.setattr(carry_out.Crew, "wait", wait)
        status, report, errors = command()
    assert status == 1 and report is None and "cannot be reached or written (" in errors.splitlines()[-1]
    assert "What was finished is kept on the disk, and the same command goes on" in errors.splitlines()[-1]
    assert len(trained) == 1 == len(list((little_sweeps / "results").glob("*.json")))
    server.start()
    seconds_pass(database, module.STALE + 1)  # of the claim, for this process still lives
    status, report, errors = command()
    assert status == 0 and len(trained) == 2 and report["finished"] == 2 and report["repeated"] == 0, errors
    assert len(results_in(database)) == 2 and "RUNNING" not in states(database)


# Two machines

@pytest.fixture
def namespaces():
    """Prefixes of commands that make each run on a "machine" with a network, a name and processes of its own."""
    if subprocess.call(["unshare", "--net", "--uts", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL):
        pytest.skip("no network namespaces can be made here (unshare)")
    return [["unshare", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
             f'hostname {name}; exec "$@"', "sh"] for name in ("first", "second")]


def test_two_machines_share_a_study_and_each_does_some_of_it(namespaces, server, database, sweep, tmp_path):
    storage = server.by_socket(database)  # a file, which no namespace of networks hides
    options = ["--study", "mine", *TINY, "--temperature", "1,2,3,4", "--alpha", "0.1,0.9", "--workers", "1",
               "--storage", storage]
    folders = [tmp_path / name for name in ("first", "second")]
    cache = {"DISTILL_KIT_CACHE": str(tmp_path / "cache")}
    begun = [sweep(*options, folder=folder, before=before, environment=cache)
             for folder, before in zip(folders, namespaces)]
    for own in begun:
        status, report, errors = own.end()
        assert status == 0 and (report["finished"], report["failed"], report["repeated"]) == (8, 0, 0), errors
    assert all(own.finished for own in begun) and sum(own.finished for own in begun) == 8
    results, hosts = results_in(database), set()
    for trial in trials_of(database):
        if trial["state"] == "COMPLETE":
            hosts.add(trial["attributes"]["owner"]["host"].split()[0])
    assert len({key for key, _ in results}) == len(results) == 8 and hosts == {"first", "second"}
    assert "RUNNING" not in states(database)


def test_two_machines_that_begin_a_study_at_once_do_not_mix_their_plans(database, monkeypatch):
    first, second = Ledger("new", database), Ledger("new", database)
    real = Ledger.add_plan

    def late(self, plan):
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "add_plan", real)
            assert agree(first, ["a", "b"], extend=False) == ["a", "b"]  # after the second looked, before it wrote
        return real(self, plan)
    monkeypatch.setattr(Ledger, "add_plan", late)
    with pytest.raises(ValueError, match="'new' is of another plan: 1 of its 2 runs are among these 2"):
        agree(second, ["b", "c"], extend=False)
    assert first.plans == [{"version": VERSION, "keys": ["a", "b"]}]


def test_two_machines_may_extend_a_study_at_once(here, database):
    other = Ledger("mine", database)
    assert agree(here, ["d"], extend=True) == ["a", "b", "c", "d"]
    assert agree(other, ["e", "a"], extend=True) == ["a", "b", "c", "d", "e"] == here.keys


def test_any_number_of_the_settings_may_be_claimed(here, tmp_path):
    largest = {"learning_rate": sys.float_info.max, "seed": 2**63 - 1, "epochs": 100_000, "data_seed": 2**63 - 1}
    for ledger in (here, Ledger("mine", f"sqlite:///{tmp_path / 'study.db'}")):
        assert ledger.claim(("a",), largest)
        (trial,) = ledger.study.get_trials()
        assert trial.params["learning_rate"] == sys.float_info.max and "seed" not in trial.params
