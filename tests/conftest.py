"""Seeds, tiny data sets and tiny trainings for every test."""

import contextlib
import gc
import importlib
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Networks of tests are small: JAX takes longer to compile them than to run them.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_multi_thread_eigen=false"
    " --xla_force_host_platform_device_count=2",
)
# Two processes with a thread each are faster than with two.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

gc.set_threshold(50_000, 20, 20)  # what traces networks makes objects by the million


BROWSER = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)


SMALL_NETWORKS = {  # what tests make smaller than anybody else wants it
    "autoencoder.architectures.mvtec.ENCODER": ((8, 4, 2),) * 5,
    "autoencoder.architectures.mvtec.DECODER": (  # of convolutions that are all fused
        *((2, 8, 3, 1), (4, 8, 4, 2), (2, 8, 8, 1), (2, 8, 3, 1)),
    ),
    "autoencoder.architectures.inception.WIDTHS": (4, 8),
    "autoencoder.architectures.residual.WIDTHS": (4, 8),
    "methods.cae.segmenter.WIDTHS": (4, 8),
}


class ByFixtures(LoadScopeScheduling):
    """Keeps in one process what shares fixtures: files, and methods of the contract."""

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if file.endswith("test_contract.py"):
            return file + re.search(r"\[(\w+)", test)[1]
        return file


def pytest_xdist_make_scheduler(config, log):
    return ByFixtures(config, log)


def pytest_collection_modifyitems(items):
    """Begin with the scripts, which take longest, for both processes to end at once."""
    items.sort(key=lambda item: item.path.parent != Path(__file__).parent)


def pytest_collection_finish():
    """Let no collection of garbage look at what is imported, a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    np.random.seed(0)  # noqa: NPY002 - libraries under test may use the global state


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Let nothing that is remembered on this machine change a test, nor be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_ANOMALY_WEIGHTS", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def unoptimised():
    """Let TensorFlow run graphs as they are: it would optimise longer than they run."""
    if "tensorflow" in sys.modules:
        options = {"disable_meta_optimizer": True}
        sys.modules["tensorflow"].config.optimizer.set_experimental_options(options)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """Return a folder with the category `washer`: 12 train, 4 good, 4x3 defective."""
    from processing.samples import write_samples

    root = tmp_path_factory.mktemp("data") / "samples"
    write_samples(root, train=12, good=4, defects=3, size=64, categories=("washer",))
    return root


@pytest.fixture
def short_epochs(monkeypatch):
    """Let an epoch have as few images as the set."""
    monkeypatch.setattr("methods.engine.batches.EPOCH_IMAGES", 1)


@contextlib.contextmanager
def untraced(models="keras.Model"):
    """Let Keras run what it would trace: a tiny network is traced longer than it runs.

    The tests of a trainer trace it once, as scripts that are processes do.

    Args:
        models: the class of all that are run.
    """
    always = property(lambda model: True, lambda model, value: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{models}.run_eagerly", always)
        yield


@pytest.fixture
def eager():
    """Run networks eagerly, in one test."""
    with untraced():
        yield


@pytest.fixture(scope="module")
def eager_file():
    """Run networks eagerly, in all tests and fixtures of a file."""
    with untraced():
        yield


@pytest.fixture(scope="module")
def few_layers():
    """Let autoencoders and segmenters have few layers and filters."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL_NETWORKS.items():
            patch.setattr(name, value)
        yield


@pytest.fixture(scope="module")
def few_blocks():
    """Let each stage of an EfficientNet-Lite, of random weights, have one block."""
    from methods.backbones import efficientnet_lite

    stages = tuple((1, *stage[1:]) for stage in efficientnet_lite.STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet_lite, "STAGES", stages)
        yield


def draw_nothing(patch):
    """Let the pictures of an inspection, which take long to draw, be empty files."""

    def inspection(path, *_):
        path.parent.mkdir(exist_ok=True)
        path.touch()

    patch.setattr("processing.report.plots.inspection", inspection)


@pytest.fixture
def undrawn(monkeypatch):
    """Draw no inspection, in one test."""
    draw_nothing(monkeypatch)


@pytest.fixture
def ran(monkeypatch):
    """Run children in this process; return the list of what ran."""
    from methods.jobs import child_process, posix

    done = []

    def run(arguments, show, keep):
        assert show
        assert keep
        name, *rest = arguments
        errors = io.StringIO()
        done.append((Path(name).name, rest))
        with contextlib.redirect_stderr(errors):
            code = importlib.import_module(Path(name).stem).main(rest)
        if code == 130:
            raise KeyboardInterrupt
        if code:
            raise child_process.ChildError("failed", errors.getvalue().strip())
        return child_process.Completed("", 0, 1.0)

    monkeypatch.setattr(posix, "can_fork", lambda: False)
    monkeypatch.setattr(child_process, "run", run)
    return done


@pytest.fixture(scope="module")
def cluster():
    """Return a cluster without nodes."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster()
        yield cluster
        cluster.shutdown()


@pytest.fixture
def nodes(cluster):
    """Return a cluster of three nodes with one core each, those that died replaced."""
    while len(cluster.list_all_nodes()) < 3:
        cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
    return cluster


@pytest.fixture(scope="session")
def browser():
    """Return a headless Chromium; tests are skipped where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromium-driver (Debian's packages) to look with")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*BROWSER, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        window = webdriver.Chrome(options, Service(driver))
        yield window
        window.quit()
