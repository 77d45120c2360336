"""Command lines: parsers, options of methods, printed tables, small commands."""
