#!/usr/bin/env python3
"""Makes one folder contain the same files as another, and writes only files that differ.

    synchronise.py FROM TO

Cargo rebuilds files that are newer than its last build. A file that is the same therefore keeps its modification time.
A file that differs gets the current time instead of the time of its source, which may be older than the last build.
"""

import filecmp
import pathlib
import shutil
import sys


def is_same(source, target):
    if source.is_dir() or target.is_dir():
        return source.is_dir() and target.is_dir()
    return target.is_file() and filecmp.cmp(source, target, shallow=False)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def main():
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    for old in sorted(target.rglob("*"), reverse=True):
        if not (source / old.relative_to(target)).exists():
            remove(old)
    for new in sorted(source.rglob("*")):
        copy = target / new.relative_to(source)
        if is_same(new, copy):
            continue
        if copy.exists():
            remove(copy)
        if new.is_dir():
            copy.mkdir()
        else:
            # Does not copy the modification time.
            shutil.copy(new, copy)


main()
