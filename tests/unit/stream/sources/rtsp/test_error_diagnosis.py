"""Tests of the errors of RTSP cameras."""

from __future__ import annotations

from stream.settings.engine import CameraConfig
from stream.sources.rtsp.error_diagnosis import RtspErrorDiagnosis
from stream.sources.rtsp.protocol.errors import AccessDeniedError
from telemetry.redaction import redact


def test_the_remedy_for_a_wrong_password_is_not_redacted_in_the_log() -> None:
    camera = CameraConfig.model_validate({"id": "door", "source": "rtsp://user:wrong@10.0.0.7/stream"})
    error = RtspErrorDiagnosis(camera).native_opening_failed(AccessDeniedError(), connected=True, answered=True)
    assert "user and password" in error.remedy
    assert redact(error.remedy) == error.remedy
