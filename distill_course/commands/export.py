"""`export`: a trained student as a file for other programs, checked before it takes its place."""
import io
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from distill_kit.data.folder import in_few_words
from distill_kit.files import replacing
from distill_kit.models import ConvNet
from distill_kit.weights import load_model, packed

from .commands import WORDS, answer, rows_of

IMAGES = 256       # that a file is asked about
TOLERANCE = 1e-3   # relative to the largest logit: float32 in another order of sums differs by a hundredth of it


def graph_of(model: ConvNet) -> torch.export.ExportedProgram:
    """Trace a network for any number of images."""
    size = model.architecture.image_size
    return torch.export.export(model.to(memory_format=torch.contiguous_format), (torch.zeros(2, 3, size, size),),
                               dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}})


def write_torch(model: ConvNet, card: dict, file: io.BufferedWriter) -> None:
    """Write a torch.export file, with the card as card.json."""
    torch.export.save(graph_of(model), file, extra_files={"card.json": json.dumps(card)})


def write_onnx(model: ConvNet, card: dict, file: io.BufferedWriter) -> None:
    """Write an ONNX file, with the card in its metadata. Raises ValueError where packages are missing."""
    if missing := [package for package in ("onnx", "onnxscript") if find_spec(package) is None]:
        raise ValueError(f"format onnx needs the package {missing[0]}: pip install onnx onnxscript")
    program = torch.onnx.export(graph_of(model), dynamo=True, input_names=["images"], output_names=["logits"],
                                verbose=False)
    program.model.metadata_props["card"] = json.dumps(card)
    file.write(program.model_proto.SerializeToString())


def read_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    """Load an ONNX file in onnxruntime, or in ONNX's own slow evaluator where that is not installed."""
    try:
        from onnxruntime import InferenceSession as Session
    except ModuleNotFoundError:
        from onnx.reference import ReferenceEvaluator as Session
    session = Session(str(path))
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


# The ending of a file; how a network and its card are written into it; how a function of images is read from it.
FORMATS = {
    "torch": (".pt2", write_torch, lambda path: torch.export.load(io.BytesIO(path.read_bytes())).module()),
    "onnx": (".onnx", write_onnx, read_onnx),
    "safetensors": (".safetensors", lambda model, card, file: file.write(packed(model, card, half=False)),
                    lambda path: load_model(path)[0])}


@torch.no_grad()
def run_export(options) -> int:
    """Write a student in another format, and hold its answers against the student's own."""
    run, (ending, write, read) = Path(options.run), FORMATS[options.format]
    source = run / "student.safetensors" if run.is_dir() else run
    if not source.exists() and (students := sorted(path.parent.name for path in run.glob("*/student.safetensors"))):
        raise ValueError(f"{run} holds several students; export one of them: {in_few_words(students, most=20)}")
    model, card = load_model(source)
    out = Path(options.out) if options.out else source.with_name(f"exported{ending}")
    if out.exists():
        raise ValueError(f"out must be a new file, so that nothing is lost; {out} is there already")
    size, classes = model.architecture.image_size, card.get("classes", [])
    wants = {"images": f"float32 [N, 3, {size}, {size}], any N: red, green, blue, from 0 to 1", "classes": classes,
             "pictures": "on white, the middle square, scaled by Lanczos: data/README.md has it in Python"}
    images = torch.rand(IMAGES, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected = model(images)
    with replacing(out) as file:
        write(model, {**card, **wants}, file)
        file.flush()
        difference = (read(Path(file.name))(images) - expected).abs().max().item()
        if not difference <= TOLERANCE * max(1, expected.abs().max().item()):  # nor is it kept where that is no number
            raise RuntimeError(f"the file was not kept: its logits differ from the student's by up to {difference:.2g}")
    use = WORDS["use of a file"][options.format].format(path=str(out)).splitlines()
    report = {"file": str(out), "format": options.format, "bytes": out.stat().st_size, **wants, "use": use,
              "checked_on": f"{IMAGES} images of random pixels", "largest_difference": difference}
    rows = rows_of("export", **report, megabytes=report["bytes"] / 1e6, names=", ".join(classes))
    answer(options, report, [*rows, *zip(("in Python", "", ""), use)])
    return 0
