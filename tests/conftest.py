"""Shared by all tests: hypothesis keeps no example database beside the sources."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "qunguan",
    database=None,
    deadline=None,  # the machines that run the tests differ; no test asserts speed
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("qunguan")
