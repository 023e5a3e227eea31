"""What is wrong with a run: `diagnose` says it from the rows, `probe` asks the run itself, `faults` are there to meet.

finding.py has the words of each finding. identities.py and deficits.py look at rows, probes.py asks a run, diagnose.py
has the last word. faults.py is the table of faults, wrong_losses.py the losses with a mistake.
"""
from .diagnose import diagnose
from .faults import FAULTS, STRENGTHS, fault_of, faulty
from .finding import Evidence, Finding, Reference, reference_for
from .probes import probe

__all__ = ["FAULTS", "STRENGTHS", "Evidence", "Finding", "Reference", "diagnose", "fault_of", "faulty", "probe",
           "reference_for"]
