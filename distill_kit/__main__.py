"""The command line: python -m distill_kit doctor | data | teacher | distill | diagnose | faults | bench.

The commands stand in distill_course, which comes with the kit. This is the only module of the kit that imports it.
"""
import sys

from distill_course.commands import main

if __name__ == "__main__":
    sys.exit(main())
