"""Lets a frozen program read Keras files, for which sqznet starts a second process.

There is no interpreter that could run `sqznet/weights/keras/child.py`, so the program starts itself
with an argument that ends it here, before its own code. `sys.sqznet_child` tells the package so.
"""


def _pyi_rthook() -> None:
    import sys

    argument = "--sqznet-read-hdf5"
    if sys.argv[1:2] == [argument]:
        from sqznet.weights.keras.child import main

        main(*sys.argv[2:])
        sys.exit()
    sys.sqznet_child = (sys.executable, argument)  # type: ignore[attr-defined]


_pyi_rthook()
del _pyi_rthook
