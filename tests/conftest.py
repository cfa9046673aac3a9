"""Settings of every tier: CI repeats the same examples, a developer's run looks for new ones."""

import os
import signal

from hypothesis import HealthCheck, settings

# An example takes as long as the machine lets it; what is slow by itself is measured elsewhere.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unhurried", unhurried)
settings.register_profile("ci", unhurried, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "unhurried")

# What a script runs in its background ignores this signal, and so would all that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every server that a test talks to is on this machine; no proxy of its user leads there.
for name in ("NO_PROXY", "no_proxy"):
    given = [os.environ[name]] if os.environ.get(name) else []
    os.environ[name] = ",".join([*given, "127.0.0.1", "localhost", ".localhost"])
