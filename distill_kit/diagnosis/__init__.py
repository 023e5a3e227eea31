"""What is wrong with a run: faults to meet, probes to ask, findings with their evidence."""
