"""Whatever a state file holds, its cameras are read or the file is refused with one typed error."""

from __future__ import annotations

import json
import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from stream.cameras.state_file import CameraStateFile
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from support.damage import CHANCES, damaged
from support.examples import examples


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=CHANCES)
def test_a_damaged_state_file_is_read_or_refused(tmp_path: Path, chance: random.Random) -> None:
    path = tmp_path / "state.json"
    lobby, yard = (
        CameraConfig.model_validate({"id": name, "source": "pattern:?size=320x180"}) for name in ("lobby", "yard")
    )
    path.unlink(missing_ok=True)
    CameraStateFile(path, [lobby]).save([yard])
    content = json.loads(path.read_bytes())
    path.write_bytes(damaged(chance, content, lambda value: json.dumps(value).encode()))
    try:
        CameraStateFile(path, [lobby]).load()
    except ConfigError as error:
        assert str(path) in str(error) and len(str(error)) < 5000
