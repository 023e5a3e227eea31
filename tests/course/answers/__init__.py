"""Answers to the exercises, one file a notebook: RIGHT and WRONG map an exercise's name to pieces of code.

A wrong answer comes with words of the property that must be named when it is refused.
"""
