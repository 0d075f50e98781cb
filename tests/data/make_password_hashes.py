#!/usr/bin/env python3
"""Makes password_hashes.json anew: hashes by the libraries that other platforms have made theirs with.

In an environment of its own:

    pip install argon2-cffi==25.1.0 bcrypt==4.3.0 passlib==1.7.4 pynacl==1.6.2 werkzeug==3.1.9
    python make_password_hashes.py > password_hashes.json
"""

import importlib.metadata
import json
import sys
import unicodedata
import warnings

warnings.simplefilter("ignore")

import argon2
import bcrypt
import nacl.pwhash.scrypt
import passlib.hash
import werkzeug.security

PASSWORDS = [
    "correct horse battery staple",
    "a",
    " ",
    " two  spaces, leading and trailing ",
    "no\u00a0break\u3000space",
    unicodedata.normalize("NFC", "Crème brûlée à la Ångström"),
    unicodedata.normalize("NFD", "Crème brûlée à la Ångström"),
    "пароль и 密码",
    "🐎🔋📎✅",
    "👩\u200d🚀 with a joiner",
    "tab\there",
    "exactly seventy-two bytes long, so that bcrypt has no room for its NUL..",
    "longer than seventy-two bytes, of which bcrypt takes the first ones and no more: tail",
    "ü" * 40,
    "$2b$12$ & <script> \\ ' \" %00",
]
assert len(PASSWORDS[11].encode()) == 72

ENTRIES = []


def add(library, scheme, make, check, passwords):
    for password in passwords:
        made = make(password)
        made = made.decode() if isinstance(made, bytes) else made
        assert check(made, password), (library, scheme, password)
        ENTRIES.append(
            {
                "library": library,
                "version": importlib.metadata.version(library),
                "scheme": scheme,
                "password": password,
                "hash": made,
            }
        )


def add_argon2():
    for scheme, kind in [("argon2id", argon2.Type.ID), ("argon2i", argon2.Type.I), ("argon2d", argon2.Type.D)]:
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=512, parallelism=2, type=kind)
        verify = lambda made, password, hasher=hasher: hasher.verify(made, password)
        add("argon2-cffi", scheme, hasher.hash, verify, PASSWORDS)
    # The defaults of today, and those of the first releases: 16 bytes of hash, and version 1.0 without a name.
    today = argon2.PasswordHasher()
    add("argon2-cffi", "argon2id", today.hash, lambda made, password: today.verify(made, password), PASSWORDS[:1])
    low = argon2.low_level
    old = lambda password: low.hash_secret(password.encode(), b"0123456789abcdef", 2, 512, 2, 16, low.Type.I, 16)
    unnamed = lambda password: old(password).replace(b"$v=16", b"")
    check = lambda made, password: low.verify_secret(made.encode(), password.encode(), low.Type.I)
    add("argon2-cffi", "argon2i", old, check, PASSWORDS[:2])
    add("argon2-cffi", "argon2i", unnamed, check, PASSWORDS[:2])
    passlib.hash.argon2.set_backend("argon2_cffi")
    by_passlib = passlib.hash.argon2.using(rounds=2, memory_cost=512)
    add("passlib", "argon2id", by_passlib.hash, lambda made, password: by_passlib.verify(password, made), PASSWORDS[:3])


def add_bcrypt():
    for prefix in [b"2a", b"2b"]:
        make = lambda password: bcrypt.hashpw(password.encode(), bcrypt.gensalt(5, prefix))
        check = lambda made, password: bcrypt.checkpw(password.encode(), made.encode())
        add("bcrypt", "bcrypt", make, check, [*PASSWORDS, "NUL\0inside"])
    # As PHP writes it.
    of_php = lambda password: make(password).replace(b"$2b$", b"$2y$").replace(b"$2a$", b"$2y$")
    add("bcrypt", "bcrypt", of_php, check, PASSWORDS[:3])
    usual = lambda password: bcrypt.hashpw(password.encode(), bcrypt.gensalt())
    add("bcrypt", "bcrypt", usual, check, PASSWORDS[:1])
    for ident in ["2a", "2b", "2y"]:
        by_passlib = passlib.hash.bcrypt.using(rounds=5, ident=ident)
        check = lambda made, password: by_passlib.verify(password, made)
        add("passlib", "bcrypt", by_passlib.hash, check, PASSWORDS)


def add_scrypt():
    for ident in ["$scrypt$", "$7$"]:
        by_passlib = passlib.hash.scrypt.using(rounds=10, ident=ident)
        if ident == "$7$":
            # Its own random salts are no ASCII, which this form needs.
            by_passlib = by_passlib.using(salt=b"saltSALT./09saltSALT")
        check = lambda made, password: by_passlib.verify(password, made)
        add("passlib", "scrypt", by_passlib.hash, check, PASSWORDS)
    other = passlib.hash.scrypt.using(rounds=8, block_size=16, parallelism=3)
    add("passlib", "scrypt", other.hash, lambda made, password: other.verify(password, made), PASSWORDS[:3])
    default = passlib.hash.scrypt
    add("passlib", "scrypt", default.hash, lambda made, password: default.verify(password, made), PASSWORDS[:1])
    # libsodium's crypt form.
    sodium = lambda password: nacl.pwhash.scrypt.str(password.encode(), opslimit=32768, memlimit=16777216)
    check = lambda made, password: nacl.pwhash.scrypt.verify(made.encode(), password.encode())
    add("pynacl", "scrypt", sodium, check, PASSWORDS)


def add_pbkdf2():
    for scheme, hasher in [
        ("pbkdf2-sha256", passlib.hash.pbkdf2_sha256),
        ("pbkdf2-sha512", passlib.hash.pbkdf2_sha512),
    ]:
        check = lambda made, password: hasher.verify(password, made)
        add("passlib", scheme, hasher.using(rounds=1000).hash, check, PASSWORDS)
        add("passlib", scheme, hasher.hash, check, PASSWORDS[:1])
        # The names and the base 64 of the PHC form.
        phc = lambda password: to_phc(hasher.using(rounds=1200).hash(password))
        back = lambda made, password: hasher.verify(password, from_phc(made))
        add("passlib", scheme, phc, back, PASSWORDS[:3])


def to_phc(made):
    _, name, rounds, salt, output = made.split("$")
    length = {"pbkdf2-sha256": 32, "pbkdf2-sha512": 64}[name]
    return f"${name}$i={rounds},l={length}${salt}${output}".replace(".", "+")


def from_phc(made):
    _, name, parameters, salt, output = made.replace("+", ".").split("$")
    return f"${name}${parameters.split(',')[0][2:]}${salt}${output}"


def add_werkzeug():
    check = werkzeug.security.check_password_hash
    for scheme, method, passwords in [
        ("scrypt", "scrypt:1024:8:1", PASSWORDS),
        ("scrypt", "scrypt:256:16:2", PASSWORDS[:3]),
        ("scrypt", "scrypt", PASSWORDS[:2]),
        ("pbkdf2-sha256", "pbkdf2:sha256:1000", PASSWORDS),
        ("pbkdf2-sha512", "pbkdf2:sha512:1000", PASSWORDS),
        # The defaults of 2.3 and of 3.1.
        ("pbkdf2-sha256", "pbkdf2:sha256:600000", PASSWORDS[:1]),
        ("pbkdf2-sha256", "pbkdf2", PASSWORDS[:1]),
    ]:
        make = lambda password: werkzeug.security.generate_password_hash(password, method)
        add("werkzeug", scheme, make, check, passwords)
    short = lambda password: werkzeug.security.generate_password_hash(password, "pbkdf2:sha256:1000", salt_length=8)
    add("werkzeug", "pbkdf2-sha256", short, check, PASSWORDS[:1])


add_argon2()
add_bcrypt()
add_scrypt()
add_pbkdf2()
add_werkzeug()
json.dump(ENTRIES, sys.stdout, indent=1, ensure_ascii=True)
print()
