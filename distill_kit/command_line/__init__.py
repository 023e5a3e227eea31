"""The command line in parts: its options, and what each command does. __main__.py is where it begins."""
