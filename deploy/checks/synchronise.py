#!/usr/bin/env python3
"""Makes a folder hold the same files as another, and touches only what differs.

    synchronise.py FROM TO

Cargo builds anew what is younger than its last build. So what is the same keeps its time, and what differs gets the time
of now, whatever it had where it came from: a context of another day or branch may differ and be older all the same.
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
            # Without its time.
            shutil.copy(new, copy)


main()
