from small_commands import answer, little_machine  # noqa: F401 (fixtures of the tests of commands)
from small_sweeps import grid, little_sweeps, sweeps, trained  # noqa: F401 (of those of `sweep`)
from sweeping import database, server, sweep  # noqa: F401 (fixtures of the tests of sweeps)
