import argparse
from contextlib import nullcontext

import pytest

import methods
from methods import backbones
from methods.cae.cae import CAE
from methods.cli import method_checks
from methods.cli.method_options import add_method_options, given
from methods.components.feature_method import FeatureMethod
from methods.components.reconstruction_method import ReconstructionMethod
from methods.diffusion.diffusion_method import Diffusion
from methods.fewshot.few_shot_method import ShotMethod
from methods.pipeline.training import configure
from processing.errors import UserError
from tests.records import training_record

KINDS = {name: methods.get(name) for name in methods.METHODS}


def parsed(words):
    parser = argparse.ArgumentParser()
    add_method_options(parser)
    return given(parser.parse_args(words.split()))


def of_class(kind):
    return {name for name in KINDS if issubclass(KINDS[name], kind)}


def test_what_is_typed_is_that_of_the_classes():
    shared = {x for x in KINDS if getattr(KINDS[x], "clustered", False)}
    assert {*method_checks.CLUSTERED} == shared
    assert {*method_checks.UPDATABLE} == {x for x in KINDS if KINDS[x].updatable}
    assert {*method_checks.SHOTS} == of_class(ShotMethod)
    assert {
        name: KINDS[name].strides for name in of_class(FeatureMethod)
    } == method_checks.STRIDES
    assert {
        name: KINDS[name].horizon for name in of_class(Diffusion)
    } == method_checks.HORIZONS


@pytest.mark.parametrize("segment", [False, True])
def test_kinds_of_maps_are_those_of_the_methods(segment):
    for name, kind in KINDS.items():
        config = {"segment": True} if segment and issubclass(kind, CAE) else {}
        known = method_checks.map_kinds(training_record(name, config=config))
        method = kind(name=name, **config)
        assert sorted(known) == sorted(method.map_kinds)
        if segment:
            assert known[0] == method.default_kind


@pytest.mark.parametrize(
    "words",
    [
        *(f"{name} --size 100" for name in KINDS if name != "CNN"),
        "paperCAE --size 152",
        "mvtecCAE --size 160 -l mssim",
        "mvtecCAE --size 64 --latent 6",
        "baselineCAE --size 64x128 --latent 3",
        "inceptionCAE --size 128 --latent 5",
        "resnetCAE --size 64 --latent 3",
        "AE --size 64 --batch 4 --features 3",
        "AE --size 32x16 --corrupt 0.5",
        "AE --size 32x16 --segment",
        "CNN --segment",
        "CNN --size 20",
        "CNN --synthetic --size 64 --tile 24",
        "AnoGAN --size 64x32",
        "AnoGAN --size 512",
        "PaDiM --levels stride4,layer9",
        "PaDiM --levels layer1",
        "AE --size 64 --runtime onnx",
        "contrastive --runtime onnx",
        "ensemble -k resnet18,resnet18",
        "ensemble -k resnet18,resnet50 --weights imagenet,random,random",
        "ensemble --features 1000",
        "PaDiM -k swin_mini --size 32 --levels stage1 --features 1000",
        "PaDiM -k dinov2_small --size 256",
        "PaDiM -k swin_mini --size 32 --levels stage1",
        "PaDiM -k swin_mini --size 32 --levels stage1 --weights random",
        "PaDiM --size 32 --weights no.pth",
        "PaDiM --size 48",
        "PaDiM --preset tiny",
        "DDAD --preset paper",
        "PaDiM --preset paper --features 200",
        "PaDiM --size 32 --weights README.md",
        "unified --levels x",
        "contrastive -k swin_mini --size 32 --levels stage1",
        "DDAD --steps 30 --start 20",
        "AnoDDPM --start 801",
        "AnoDDPM --steps 0",
        "DDAD --preset ddad --size 52",
        "DDAD --preset tiny --size 30",
        "PaDiM --size 64 --crop 65",
        "PaDiM --size 64 --tile 65",
        "PaDiM --size 64 --stride 8",
        "PaDiM --blank",
    ],
)
def test_refused_in_the_words_of_the_method(words):
    name, _, options = words.partition(" ")
    with pytest.raises(UserError) as early:
        method_checks.check_options(name, parsed(options))
    with pytest.raises(UserError) as late:
        configure(name, parsed(options)).method.check()
    assert str(early.value) == str(late.value)
    assert type(early.value) is type(late.value)


def test_several_backbones_are_for_an_ensemble():
    with pytest.raises(UserError, match=r"^PaDiM takes one backbone. Received: .*18$"):
        method_checks.check_options("PaDiM", parsed("-k swin_mini,resnet18"))


@pytest.mark.parametrize(
    "words",
    [
        *KINDS,
        "paperCAE --size 144x160 --latent 7",
        "mvtecCAE --size 64 --latent 8",
        "AE --size 16",
        "AE --size 32 --corrupt 0.5 --corrupt-with both",
        "skipCAE --size 256 --latent 5",
        "skipCAE --corrupt-with blocks",
        "resnetCAE --size 64 --corrupt-with blocks",
        "CNN --size 26",
        "PaDiM --size 256x512 -k dinov2_small --size 224 --weights random",
        "contrastive -k swin_mini --weights random",
        "DDAD --preset tiny --size 32 --steps 1 --start 1",
        "PatchCore --tile 64 --stride 32 --coreset 1",
        "PaDiM --preset paper --size 48",
        "fewshot --rotations 8 --size 64x128",
    ],
)
def test_what_methods_take(words):
    name, _, options = words.partition(" ")
    method_checks.check_options(name, parsed(options))


@pytest.mark.parametrize("words", ["AE", "skipCAE --corrupt 0"])
def test_a_kind_of_corruption_without_a_share(words):
    name, _, options = words.partition(" ")
    with pytest.raises(UserError, match="--corrupt-with needs --corrupt SHARE"):
        method_checks.check_options(name, parsed(f"{options} --corrupt-with blocks"))


def test_a_package_of_weights_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("methods.backbones.pretrained._in_package", lambda name: None)
    package = backbones.spec("efficientnet_lite0").package
    with pytest.raises(UserError, match=f"weights of eff.* missing: pip .* {package}"):
        method_checks.check_options("PaDiM", {})


def test_own_methods_have_to_be_there():
    with pytest.raises(UserError, match="cannot import the method lost:Own: no module"):
        method_checks.check_options("lost:Own", parsed("--size 100"))


def test_methods_without_a_graph_are_known():
    plain = ReconstructionMethod.graph
    many = {x.__name__ for x in KINDS.values() if getattr(x, "graph", None) is plain}
    assert {*method_checks.GRAPHLESS} == many | {"Contrastive"}
    for name, kind in KINDS.items():
        if kind.__name__ not in {*method_checks.GRAPHLESS, "AnoGAN"}:
            method_checks.check_graph(training_record(name), None)


@pytest.mark.parametrize(
    "config", [{}, {"encoder": True}, {"encoder": True, "steps": 5}]
)
def test_a_gan_with_a_search_has_no_graph(config):
    record = training_record("AnoGAN", config=config)
    searches = KINDS["AnoGAN"](name="AnoGAN", **config).iterative
    with pytest.raises(UserError, match="its l1") if searches else nullcontext():
        method_checks.check_graph(record, None)


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(method_checks, "find_spec", lambda name: None)
    method_checks.check_ray(None)
    with pytest.raises(UserError, match="--ray needs the package ray: pip install"):
        method_checks.check_cluster("PaDiM", "local")
