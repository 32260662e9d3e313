"""What a program that imports sqznet needs: all modules, many of which are imported by their names
when they are needed, the bundled weights and the class names."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

hiddenimports = collect_submodules(
    "sqznet", lambda name: not name.startswith("sqznet._pyinstaller")
)
datas = collect_data_files("sqznet", subdir="data")
