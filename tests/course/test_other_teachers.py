"""Teachers by a name: a function of somebody's, a torch.export file, a model of timm; and what is no teacher."""
import sys
from types import SimpleNamespace

import pytest
import torch
from small import ColourTeacher, LittleNet, coloured_dataset, state_of
from torch import nn

from distill_course.other_teachers import PICKLES, named_teacher, other_teacher
from distill_kit.kept_logits import LogitStore
from distill_kit.metrics import accuracy
from distill_kit.models import Architecture, make_model
from distill_kit.teachers import Teacher
from distill_kit.views import PLAIN
from distill_kit.weights import save_model

DATASET = coloured_dataset()
MAKERS = """
from torch import nn
from small import ColourTeacher, LittleNet

def build(sharpness=100.0):
    return ColourTeacher(sharpness)

def for_classes(classes):
    return LittleNet(classes=len(classes))

def of_seven():
    return LittleNet(classes=7)

def nothing():
    return {}

def fails():
    raise KeyError("first line\\nsecond line")

def leaves():
    raise SystemExit(0)  # as a module does that reads its command line


def of_another_size():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder that holds the module `makers` and is not on Python's path."""
    (tmp_path / "makers.py").write_text(MAKERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "makers", raising=False)
    yield tmp_path
    sys.modules.pop("makers", None)


def test_case_22_a_function_of_the_current_folder_makes_a_teacher(here):
    path = list(sys.path)
    teacher, card = named_teacher(DATASET, "makers:build")
    assert isinstance(teacher, ColourTeacher)
    assert card == {"teacher": "makers:build", "classes": list(DATASET.pool.classes)}
    assert accuracy(Teacher(teacher).about(DATASET.test.images), DATASET.test.labels) > 0.9
    assert sys.path == path and LogitStore.of(Teacher(teacher), PLAIN) is None  # nobody knows what it computes


def test_a_function_that_needs_the_classes_is_given_them(here):
    assert named_teacher(DATASET, "makers:for_classes")[0].head.out_features == 4


BATCH = torch.export.Dim("batch")  # of any size


def exported(path, batch=BATCH):
    network = LittleNet().eval()
    program = torch.export.export(network, (torch.rand(3, 3, 16, 16),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return network


def test_case_22_an_exported_file_is_a_teacher_with_the_same_answers(tmp_path):
    network, images = exported(tmp_path / "net.pt2"), torch.rand(5, 3, 16, 16)
    teacher = other_teacher(str(tmp_path / "net.pt2"), DATASET.pool.classes)
    torch.testing.assert_close(teacher(images), network(images))


def test_case_22_an_exported_teacher_can_be_asked_like_any_other(tmp_path):
    network = exported(tmp_path / "net.pt2")
    teacher, _ = named_teacher(DATASET, tmp_path / "net.pt2")
    torch.testing.assert_close(Teacher(teacher).about(DATASET.test.images), Teacher(network).about(DATASET.test.images))


def test_an_exported_file_for_another_number_of_images_is_refused(tmp_path):
    exported(tmp_path / "net.pt2", batch=None)
    with pytest.raises(ValueError, match=r"net.pt2 cannot answer images \[64, 3, 16, 16\]") as caught:
        named_teacher(DATASET, tmp_path / "net.pt2")
    assert "\n" not in str(caught.value)


def test_case_22_a_model_of_timm_gets_images_as_it_was_trained_on(monkeypatch):
    asked, mean, std = [], (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)

    class OfTimm(LittleNet):
        pretrained_cfg = {"input_size": (3, 24, 24), "mean": mean, "std": std}

        def forward(self, images):
            asked.append(images)
            return super().forward(images)
    made = {}

    def create_model(name, **options):
        made[name] = options
        return OfTimm()
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model))
    named_teacher(DATASET, "timm:little")
    assert made == {"little": {"pretrained": True}} and asked[0].shape == (64, 3, 24, 24)
    shown = DATASET.validation.images[0].float() / 255
    expected = (shown.mean((1, 2)) - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(asked[0][0].mean((1, 2)), expected, atol=0.1, rtol=0)


@pytest.mark.parametrize("name, sentence", [
    ("makers:of_seven", r"makers:of_seven must answer an image with 4 logits, .* got \[7\]"),
    ("makers:nothing", "makers:nothing must be an nn.Module; got dict"),
    ("makers:fails", "makers:fails cannot be made: KeyError: .*first line.*second line"),
    ("makers:leaves", "makers:leaves cannot be made: SystemExit: 0"),
    ("makers:absent", "makers:absent cannot be made: AttributeError: .*absent"),
    ("nowhere_at_all:build", "nowhere_at_all:build cannot be made: ModuleNotFoundError: .*nowhere_at_all"),
    ("makers:of_another_size", r"makers:of_another_size cannot answer images \[64, 3, 16, 16\].*RuntimeError"),
    ("timm:little", "timm:little cannot be made: ModuleNotFoundError: .*timm"),
    ("absent.pt2", "absent.pt2 cannot be made: FileNotFoundError"),
    ("text.pt2", "text.pt2 cannot be made: BadZipFile"),
    ("saved.pt2", "saved.pt2 cannot be made: ValueError: it holds no graph of torch.export"),
    ("makers.py", "makers.py is Python: name a function in it that builds the teacher, makers:FUNCTION"),
    *((f"weights{ending}", f"weights{ending} is not loaded: a {ending} file is a pickle, .* module:function")
      for ending in PICKLES)])
def test_case_22_what_is_no_teacher_for_these_images_is_one_sentence(here, monkeypatch, capfd, name, sentence):
    monkeypatch.setitem(sys.modules, "timm", None)
    (here / "text.pt2").write_text("no archive")
    torch.save(LittleNet().state_dict(), here / "saved.pt2")
    with pytest.raises(ValueError, match=sentence) as caught:
        named_teacher(DATASET, name)
    assert "\n" not in str(caught.value) and capfd.readouterr() == ("", "")


def test_case_22_a_pickle_is_not_read(tmp_path, monkeypatch):
    torch.save(LittleNet().state_dict(), tmp_path / "net.pth")
    monkeypatch.setattr("builtins.open", pytest.fail)
    with pytest.raises(ValueError, match="net.pth is not loaded: a .pth file is a pickle"):
        named_teacher(DATASET, tmp_path / "net.pth")


def test_weights_of_the_kit_for_another_size_are_refused_before_they_teach(tmp_path):
    other = make_model(Architecture((8,), num_classes=4, image_size=32), coloured_dataset(size=32).pool.images)
    save_model(other, tmp_path / "other.safetensors", {"classes": list(DATASET.pool.classes)})
    with pytest.raises(ValueError, match="other.safetensors cannot answer images"):
        named_teacher(DATASET, tmp_path / "other.safetensors")


def test_case_22_other_peoples_safetensors_are_told_the_way(tmp_path):
    from safetensors.torch import save_file
    save_file(state_of(nn.Linear(2, 2)), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="no architecture of this kit.*module:function"):
        named_teacher(DATASET, tmp_path / "net.safetensors")
