"""The app package for Teams: what is in it, and that it can be made from the configuration alone."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
from typer.testing import CliRunner

from channels.teams_cloud import APP, TENANT
from toolguard_teams.cli import app
from toolguard_teams.manifest import app_package

CONFIG = f"""
[guard]
policy = "p.yaml"
[store]
url = "memory:"
[service]
url = "https://desk.example"
[channels.teams]
tenant = "general"
app_id = "{APP}"
app_tenant = "{TENANT}"
secret = "env:TEAMS_SECRET"
"""


def made(tmp_path, text=CONFIG):
    config, out = tmp_path / "toolguard.toml", tmp_path / "app.zip"
    config.write_text(text)
    return CliRunner().invoke(app, ["manifest", "--config", str(config), "--out", str(out)]), out


def test_the_package_holds_a_manifest_and_icons_of_the_right_size(tmp_path):
    result, out = made(tmp_path)
    assert result.exit_code == 0
    package = zipfile.ZipFile(out)
    assert package.namelist() == ["manifest.json", "color.png", "outline.png"]
    manifest = json.loads(package.read("manifest.json"))
    assert (manifest["id"], manifest["bots"][0]["botId"]) == (APP, APP)
    assert manifest["validDomains"] == ["desk.example"]
    for icon, size in (("color.png", 192), ("outline.png", 32)):
        data = package.read(icon)
        assert data.startswith(b"\x89PNG")
        assert int.from_bytes(data[16:20]) == int.from_bytes(data[20:24]) == size


def test_it_is_the_same_every_time():
    said = {"app_id": APP, "name": "n", "host": "h.example", "company": "c", "website": "https://h.example"}
    assert app_package(**said) == app_package(**said)
    assert zipfile.ZipFile(io.BytesIO(app_package(**said))).testzip() is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("[channels.teams]", "[channels.other]"), "no \\[channels.teams\\]"),
        (("https://", "http://"), "https pages only"),
    ],
)
def test_what_is_missing_is_said(tmp_path, change, says):
    result, out = made(tmp_path, CONFIG.replace(*change))
    assert result.exit_code != 0
    assert result.exception is not None

    assert re.search(says, str(result.exception))
    assert not out.exists()


def test_nothing_is_overwritten(tmp_path):
    made(tmp_path)
    result, _ = made(tmp_path)
    assert "left as it is" in str(result.exception)
