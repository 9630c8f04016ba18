"""Environment variables that look like settings."""

from __future__ import annotations

import pytest

from stream.config import Config, load, warn_of_unknown_variables


@pytest.mark.parametrize(
    ("variable", "advice"),
    [
        ("PARTSTREAM_MODEL_PROFILE", "did you mean PARTSTREAM_MODEL__PROFILE?"),
        ("PARTSTREAM_HTPP__BIND", "did you mean PARTSTREAM_HTTP__BIND?"),
        ("partstream_camera", "did you mean PARTSTREAM_CAMERAS?"),
        ("PARTSTREAM_XYZ", "docs/configuration.md lists all settings"),
    ],
)
def test_a_variable_that_sets_nothing_is_a_warning_with_the_nearest_setting(
    variable: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_unknown_variables(Config, {variable: "s3cret"})
    assert caplog.messages == [f"the environment variable {variable} sets nothing; {advice}"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PARTSTREAM_HTTP__BIND", "127.0.0.1:9090"),
        ("partstream_once", "true"),
        ("PARTSTREAM_CACHE", "/var/cache/partstream"),
        ("PARTSTREAM_SERVER_KEY", "server.key"),
        ("PARTSTREAM_SERVICE_HOST", "10.0.0.1"),
        ("PARTSTREAM_SERVICE_PORT_HTTP", "9090"),
        ("PARTSTREAM_PORT", "tcp://10.0.0.1:9090"),
        ("PARTSTREAM_RESULTS_PORT_5555_TCP_ADDR", "10.0.0.1"),
        ("HOME", "/root"),
    ],
)
def test_settings_and_the_variables_of_other_programs_are_no_warnings(
    variable: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_unknown_variables(Config, {variable: value})
    assert caplog.messages == []


def test_loading_a_configuration_checks_the_environment(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PARTSTREAM_BATCH_MAX_FRAMES", "5")
    load()
    assert "PARTSTREAM_BATCH_MAX_FRAMES sets nothing; did you mean PARTSTREAM_BATCH__MAX_FRAMES?" in caplog.text
