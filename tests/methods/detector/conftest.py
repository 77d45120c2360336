"""An autoencoder of few layers, as it does not matter which one it is."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def small(few_layers):
    """Let all networks be small."""
