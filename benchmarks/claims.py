"""Write docs/claims.md, and README.md's line about it: the article's claims, each with its test and its verdict.

All of it comes from what ships with the course.

    python benchmarks/claims.py
"""
import argparse
from collections import Counter

import torch
from shared import BENCHMARKS, ROOT, write_part

from distill_course import evidence
from distill_kit.data.imageset import ImageSet
from distill_kit.data.official import CLASSES
from distill_kit.models import STUDENTS, ConvNet

PAGE = ROOT / "docs" / "claims.md"
TEMPLATE = BENCHMARKS / "claims_page.md"


def weights_of(student: str) -> int:
    """Count the weights of a student for CIFAR-10."""
    images = ImageSet(torch.zeros(10, 3, 32, 32, dtype=torch.uint8), torch.arange(10), CLASSES, "")
    return sum(each.numel() for each in ConvNet(STUDENTS[student].fitted(images)).parameters())


def counted() -> Counter:
    """Count the verdicts, without their n."""
    return Counter(claim.verdict.partition(" at")[0] for claim in evidence.CLAIMS.values())


def line() -> str:
    """Write what README.md says of it."""
    verdicts, losses = counted(), [-each for each in evidence.CLAIMS["patience"].differences]
    early = [loss for loss in losses if loss > 1]  # the others went on to the end, or nearly
    pairs = sorted(len(claim.differences) for claim in evidence.CLAIMS.values())
    return (
        f"What is the usual advice worth? {len(evidence.CLAIMS)} tests of what the article says that the course began "
        f"with: {verdicts[evidence.HOLDS]} times it holds,\n{verdicts[evidence.FAILS]} times it does not, and "
        f"{verdicts['not decided']} times {pairs[0]} to {pairs[-1]} pairs of runs cannot tell. Early stopping, to name "
        f"one, came too early in {len(early)} of {len(losses)} runs,\nand cost them {min(early):.0f} to "
        f"{max(early):.0f} points. [All of them, each with its test](docs/claims.md).")


def text() -> str:
    """Write the page."""
    verdicts = counted()
    return TEMPLATE.read_text(encoding="utf-8").format(
        origin=evidence.measured(evidence.settings_of({"data": evidence.DATA, "epochs": 8})).origin,
        weights=" or ".join(f"{count:,}" for count in map(weights_of, ("small", "default", "wide"))),
        count=len(evidence.CLAIMS), verdicts=", ".join(f"{verdict} {count}" for verdict, count in verdicts.items()),
        luck=evidence.by_luck(), table=evidence.table(),
        untested="\n".join(f"- {sentence}" for sentence in evidence.NOT_TESTED))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    PAGE.write_text(text(), encoding="utf-8")
    write_part(ROOT / "README.md", "claims", line())


if __name__ == "__main__":
    main()
