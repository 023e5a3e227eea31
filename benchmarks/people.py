"""How near the teacher comes to what people say: distill_kit/assets/people.json, which the first notebook shows.

    python benchmarks/people.py       needs CIFAR-10 and CIFAR-10H (data/README.md says where they lie)
"""
import datetime
import json
from pathlib import Path

import distill_kit
from distill_kit.data import load_dataset
from distill_kit.data.human import human_votes
from distill_kit.people import beside_people
from distill_kit.teachers import load_teacher

human_votes(fetch=True)
dataset = load_dataset("cifar10")
report = beside_people(dataset, load_teacher(dataset)[0])
report["origin"] = f"Stored: 10,000 test images, {dataset.pool.source}, {datetime.date.today().isoformat()}."
path = Path(distill_kit.__file__).parent / "assets" / "people.json"
path.write_text(json.dumps({name: [round(x, 4) for x in value] if isinstance(value, list) else value
                            for name, value in report.items()}, indent=1) + "\n")
print(path.read_text())
