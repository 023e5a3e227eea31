"""Settings: the defaults, and what is refused before anything is made."""
import inspect
import math
from pathlib import Path

import pytest
from small_runs import settings_of

from distill_kit import distillation_loss, train_student_with_distillation
from distill_kit.settings import Settings


def test_defaults_are_those_of_the_default_run():
    settings = Settings()
    assert (settings.images, settings.epochs, settings.temperature, settings.alpha) == (5000, 14, 4.0, 0.1)
    assert (settings.batch_size, settings.learning_rate, settings.schedule, settings.seed) == (256, 1e-2, "linear", 0)


@pytest.mark.parametrize("name, value, message", [
    ("temperature", 0, "temperature must be 0.001 to 1,000,000; got 0"),
    ("final_temperature", math.nan, "final_temperature must be .*; got nan"),
    ("alpha", 2, "alpha must be between .*; got 2"),
    ("final_alpha", -1, "final_alpha must be between .*; got -1"),
    ("images", 0, "images must be 1 or more; got 0"),
    ("epochs", -1, "epochs must be 1 or more; got -1"),
    ("batch_size", 0, "batch_size must be 1 or more; got 0"),
    ("epochs", 1.5, "epochs must be 1 or more; got 1.5. It is a whole number"),
    ("images", 100.0, "images must be 1 or more; got 100.0. It is a whole number"),
    ("batch_size", "16", "batch_size must be 1 or more; got '16'. It is a whole number"),
    ("seed", 10**20, "seed must be 0 or more; got 100000000000000000000. It is a whole number below"),
    ("data_seed", -1, "data_seed must be 0 or more; got -1"),
    ("seed", True, "seed must be 0 or more; got True. It is a whole number"),
    ("threads", 1.0, "threads must be a whole number or None; got 1.0"),
    ("changes", "no_warmup", "changes must be a tuple of names; got 'no_warmup'"),
    ("changes", ["no_warmup"], r"changes must be a tuple of names; got \['no_warmup'\]"),
    ("learning_rate", math.inf, "learning_rate must be a finite number above 0; got inf"),
    ("size", 7, "size must be 8 to 96 pixels, a whole number; got 7"),
    ("validation_share", 1, "validation_share must be above 0 and below 1; got 1"),
    ("test_share", math.nan, "test_share must be above 0 and below 1; got nan"),
    ("label_noise", 1.5, "label_noise must be 0 to 1; got 1.5"),
    ("student", "huge", "student must be one of small, default, wide, wider, tiny, tiniest, layer_norm; got 'huge'"),
    ("optimizer", "adam", "optimizer must be one of muon, adamw, sgd; got 'adam'"),
    ("schedule", "square", "schedule must be one of linear, cosine; got 'square'")])
def test_bad_settings_are_refused(name, value, message):
    with pytest.raises(ValueError, match=message):
        settings_of(**{name: value})


@pytest.mark.parametrize("alpha, final, without", [(1, None, True), (1, 1, True), (1, 0.5, False), (0.9, 1, False)])
def test_the_teacher_is_left_out_only_where_it_never_has_a_say(alpha, final, without):
    assert settings_of(alpha=alpha, final_alpha=final).labels_only is without


README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("text", [train_student_with_distillation.__doc__, README.read_text("utf-8")],
                         ids=["docstring", "README"])
def test_case_28_that_there_are_two_defaults_of_alpha_is_said_with_the_reason(text):
    defaults = {inspect.signature(function).parameters["alpha"].default
                for function in (train_student_with_distillation, distillation_loss)}
    assert defaults == {0.7} and Settings().alpha == 0.1
    words = " ".join(text.split())
    assert all(part in words for part in ("0.7", "`Settings`", "asks less of the teacher", "0.1, which was better"))
