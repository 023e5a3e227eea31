"""What is wrong with a run: `diagnose` says it from the rows, `probe` asks the run itself, `faults` are there to meet.

faults.py changes a run's parts (loss_variants.py its loss). identities.py, harm.py and curves.py look at rows,
probed.py at what probes found; causes.py has the words, diagnose.py the last one.
"""
from .diagnose import diagnose, sure_from
from .faults import FAULTS, STRENGTHS
from .finding import Evidence, Finding, Reference
from .probes import probe
from .reference import reference_for

__all__ = ["FAULTS", "STRENGTHS", "Evidence", "Finding", "Reference", "diagnose", "probe", "reference_for", "sure_from"]
