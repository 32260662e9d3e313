"""Hooks for PyInstaller, which finds them by the entry point `pyinstaller40`.

`hook-sqznet.py` runs when a program is built and says what it needs besides the modules that it
imports visibly. `rthooks/pyi_rth_sqznet.py` runs when the built program starts, before its own
code.
"""
