"""Keras as programs import it, in a module for `methods.jobs.fork_server` to import."""

from .backend import load_backend, spare_imports

spare_imports()
load_backend()
