from small_commands import answer, little_machine  # noqa: F401 (fixtures of the tests of commands)
from sweeping import database, server, sweep  # noqa: F401 (fixtures of the tests of sweeps)
