"""Folders, tables and archives of images as ordered, sized sets."""
