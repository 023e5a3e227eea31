"""Sweeps: a plan of runs (plan.py), a ledger that knows what is finished and who works on what (ledger.py), processes
that train (crew.py), and the loop between them (carry_out.py)."""
