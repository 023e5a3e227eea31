"""How near the teacher comes to what people say: distill_course/assets/people.json, which notebook 01 shows.

    python benchmarks/stored/people.py       needs CIFAR-10 and CIFAR-10H (data/README.md says where they lie)
"""
import argparse
import datetime
import json

from asset import write_asset

from distill_course.people import beside_people, human_votes
from distill_kit import load_dataset, load_teacher


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    human_votes(fetch=True)
    dataset = load_dataset("cifar10")
    report = beside_people(dataset, load_teacher(dataset)[0])
    report["origin"] = f"Stored: 10,000 test images, {dataset.pool.source}, {datetime.date.today().isoformat()}."
    text = json.dumps({name: [round(x, 4) for x in value] if isinstance(value, list) else value
                       for name, value in report.items()}, indent=1)
    write_asset("people", text)
    print(text)


if __name__ == "__main__":
    main()
