"""The kit's readers of histories and settings under input that nobody should write."""
import json
import math

import pytest
from hostile import inputs, odd_texts, plain_values, read_or_refused
from hypothesis import given, reject
from hypothesis import strategies as st

from distill_kit.history import Row, load_history
from distill_kit.losses import check_temperature
from distill_kit.settings import Settings

histories = st.lists(st.dictionaries(st.one_of(st.sampled_from(sorted(Row.__annotations__)), odd_texts), plain_values,
                                     max_size=8), max_size=6)


def same(one, other):
    """Equal, where NaN equals NaN."""
    return repr(one) == repr(other)


@inputs(15)
@given(histories, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]), st.booleans(), st.sampled_from(
    ["\n", "\r\n", "\n\n \n"]),
    st.sampled_from(["", "", "", "[" * 900 + "]" * 900, '{"a":' * 3_000 + "}" * 3_000, "x"]))
def test_h5_a_history_is_read_as_it_was_written_or_refused(tmp_path_factory, rows, encoding, is_ascii, end, last):
    path = tmp_path_factory.mktemp("history") / "mine.jsonl"
    text = end.join([json.dumps(row, ensure_ascii=is_ascii) for row in rows] + [last])
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    path.write_bytes(content)
    read = read_or_refused("histories", lambda: load_history(path), "mine.jsonl")
    try:
        is_text = content.decode("utf-8-sig") == text or reject()  # else it is another text in UTF-8 by chance
    except UnicodeDecodeError:
        is_text = False
    assert bool(read) is (is_text and not last and encoding != "utf-16")
    for settings, others in read:
        about = rows[0] if rows and rows[0].get("kind") == "settings" else {}
        assert same(others, rows[bool(about):])
        assert same(settings, {name: value for name, value in about.items() if name != "kind"})


FIELDS = {"data": str, "images": int, "epochs": int, "temperature": float, "final_temperature": float, "alpha": float,
          "final_alpha": float, "schedule": str, "learning_rate": float, "batch_size": int, "optimizer": str,
          "label_noise": float, "labelled": int, "leave_out": str, "student": str, "seed": int, "data_seed": int,
          "device": str, "precision": str, "threads": int, "changes": tuple}
OPTIONAL = ("final_temperature", "final_alpha", "labelled", "leave_out", "device", "threads")
LIMITS = {"images": (1, 2**63 - 1), "epochs": (1, 100_000), "temperature": (1e-3, 1e6),
          "final_temperature": (1e-3, 1e6), "alpha": (0, 1), "final_alpha": (0, 1), "batch_size": (1, 2**63 - 1),
          "label_noise": (0, 1), "seed": (0, 2**63 - 1), "data_seed": (0, 2**63 - 1)}


sane_settings = st.fixed_dictionaries({}, optional={
    name: st.integers(*limits) if FIELDS[name] is int else st.floats(*limits) for name, limits in LIMITS.items()} | {
    "learning_rate": st.floats(1e-300, 1e300), "optimizer": st.sampled_from(["muon", "adamw", "sgd"]),
    "student": st.sampled_from(["tiny", "wide"]), "threads": st.none(), "final_alpha": st.sampled_from([None, 1])})


@inputs(20)
@given(st.one_of(st.tuples(sane_settings, st.just(True)), st.tuples(
    st.dictionaries(st.sampled_from(sorted(FIELDS)), plain_values, min_size=1, max_size=3), st.just(False))))
def test_settings_from_plain_data_are_of_their_types_and_within_their_limits_or_refused(drawn):
    fields, is_sane = drawn
    read = read_or_refused("settings", lambda: Settings(**fields), *fields)
    assert read or not is_sane
    for settings in read:
        for name, value in fields.items():
            assert getattr(settings, name) is value
            if value is None:
                assert name in OPTIONAL
                continue
            assert isinstance(value, (int, float) if FIELDS[name] is float else FIELDS[name])
            assert not isinstance(value, bool)
            low, high = LIMITS.get(name, (None, None))
            assert low is None or low <= value <= high
        assert 0 < settings.learning_rate < math.inf
        json.loads(json.dumps(fields), parse_constant=pytest.fail)


@pytest.mark.parametrize("temperature", [1e-6, 1e300, 1e-300, 10**400])
def test_a_temperature_beyond_what_softmax_can_say_is_refused_with_the_reason(temperature):
    with pytest.raises(ValueError, match=r"warm must be 0.001 to 1,000,000; got 1.*Colder"):
        check_temperature(temperature, "warm")


def test_h5_a_file_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "mine.jsonl").write_bytes('{"epoch": 1, "note": "für"}'.encode("latin-1"))
    with pytest.raises(ValueError, match="mine.jsonl is not text in UTF-8 .byte 23."):
        load_history(tmp_path / "mine.jsonl")


def test_a_text_that_holds_another_end_of_line_is_one_line(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"epoch": 1, "note": "a\u2028b\x85c"}\n{"epoch": 2}', encoding="utf-8")
    assert load_history(tmp_path / "mine.jsonl") == ({}, [{"epoch": 1, "note": "a\u2028b\x85c"}, {"epoch": 2}])
