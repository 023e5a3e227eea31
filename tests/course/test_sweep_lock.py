"""A study in a SQLite file has a single writer, until that is done."""
import pytest

from distill_course.sweep.carry_out import carry_out
from distill_course.sweep.ledger import Ledger
from distill_course.sweep.stock import Stock


def test_a_sweep_that_is_over_lets_go_of_its_file_and_may_begin_again(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    first = Ledger("mine", url)
    with pytest.raises(RuntimeError, match="another sweep is at work with"):
        Ledger("another", url)
    carry_out({}, first, tmp_path, Stock(), 1)
    second = Ledger("another", url)
    carry_out({}, second, tmp_path, Stock(), 1)


def test_who_only_looks_at_a_study_makes_none(tmp_path, monkeypatch):
    """Where a file may only be read, there could be none made."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    carry_out({}, Ledger("mine", url), tmp_path, Stock(), 1)
    monkeypatch.setattr("optuna.create_study", lambda **_: pytest.fail("it makes a study"))
    assert Ledger("mine", url, write=False).results == {}
    with pytest.raises(FileNotFoundError, match="no study 'another' in sqlite:///"):
        Ledger("another", url, write=False)
