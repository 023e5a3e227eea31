"""Teacher beside people: the distance against scipy's, the published file and no other."""
import hashlib
import io

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import entropy as scipy_entropy
from small import ColourTeacher, coloured_dataset

from distill_kit import people
from distill_kit.data import human


def test_distance_and_entropy_are_scipys():
    true, said = (torch.rand(6, 4, dtype=torch.float64) + 0.01 for _ in range(2))
    true[0, 0] = 0
    true, said = true / true.sum(1, keepdim=True), said / said.sum(1, keepdim=True)
    assert people.distance(true, said) == pytest.approx(rel_entr(true.numpy(), said.numpy()).sum(1).mean() / np.log(2))
    assert people.entropy_of(true) == pytest.approx(scipy_entropy(true.numpy(), base=2, axis=1).mean())


def test_without_votes_what_was_measured_is_shown_and_said(monkeypatch, tmp_path):
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path))
    report = people.beside_people(coloured_dataset(), ColourTeacher())
    assert report["origin"].startswith("Stored: ") and len(report["distance"]) == len(report["temperatures"])
    assert min(report["distance"]) > 0 and report["teacher"] == sorted(report["teacher"])
    assert human.human_votes() is None


def test_votes_are_read_fetched_and_refused_if_they_are_others(monkeypatch, tmp_path):
    content = io.BytesIO()
    np.save(content, np.full((10, 10), 0.1))
    monkeypatch.setenv("DISTILL_KIT_DATA", str(tmp_path))
    monkeypatch.setattr(human, "SHA256", hashlib.sha256(content.getvalue()).hexdigest())
    source = tmp_path / "published.npy"
    source.write_bytes(content.getvalue())
    monkeypatch.setattr(human, "URL", source.as_uri())
    votes = human.human_votes(fetch=True)
    assert votes.shape == (10, 10) and votes.dtype == torch.float32
    assert torch.equal(human.human_votes(), votes)
    (tmp_path / human.NAME).write_bytes(b"something else")
    with pytest.raises(ValueError, match="is not the published file"):
        human.human_votes()
    (tmp_path / human.NAME).unlink()
    monkeypatch.setattr(human, "URL", (tmp_path / "nothing").as_uri())
    with pytest.raises(ConnectionError, match="could not be fetched"):
        human.human_votes(fetch=True)
