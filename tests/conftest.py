"""How the tests run; what they share is in tests/support, one plugin for each concern."""

import signal

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

pytest.register_assert_rewrite("tests.support")
pytest_plugins = [
    "tests.support.daemon_host",
    "tests.support.databases",
    "tests.support.engine",
    "tests.support.fresh_line",
    "tests.support.jobs_api",
    "tests.support.processes",
    "tests.support.publisher",
    "tests.support.read_api",
    "tests.support.recipes",
    "tests.support.servers",
    "tests.support.sessions_surface",
    "tests.support.small_disk",
    "tests.support.write_surface",
]

# A shell that runs us in the background has SIGINT ignored, which our children would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis_settings.register_profile(
    "shrink",
    deadline=None,  # real servers on shared machines
    suppress_health_check=[HealthCheck.too_slow],
)
# The same run for everybody, and none that shrinks for minutes: `--hypothesis-profile shrink` does that.
hypothesis_settings.register_profile(
    "foldline",
    hypothesis_settings.get_profile("shrink"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
# A tenth of the examples, for `make check`.
hypothesis_settings.register_profile("quick", hypothesis_settings.get_profile("foldline"), max_examples=10)
hypothesis_settings.load_profile("foldline")
