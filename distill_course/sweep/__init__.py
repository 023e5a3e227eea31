"""Sweeps: many runs, on one machine or on many, of which none is lost.

plan.py says which runs; stock.py has what they need; crew.py trains them; ledger.py knows what is finished and who is
at work on what; carry_out.py is the loop between them.
"""
