#!/usr/bin/env python3
"""Makes foreign_tokens.json: keys and tokens by another library than the service's, so that it does not vouch for itself.

    pip install 'pyjwt[crypto]==2.10.1' && python3 foreign_tokens.py > foreign_tokens.json

The private keys are made anew each time and kept nowhere.
"""

import base64
import hashlib
import hmac
import json

import cryptography
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

SUBJECT = "foreign-1"
CLAIMS = {"sub": SUBJECT, "iat": 1_700_000_000, "exp": 4_102_444_800, "type": "access"}
SECRET = b"a-shared-secret-that-somebody-has-published"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def hmac_token(secret, **header):
    """Signs by HMAC with any bytes, which PyJWT rightly refuses to do with a public key."""
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"} | header), json.dumps(CLAIMS)]
    message = ".".join(base64url(part.encode()) for part in parts)
    return f"{message}.{base64url(hmac.new(secret, message.encode(), hashlib.sha256).digest())}"


def published(algorithm, key, **members):
    jwk = json.loads(algorithm.to_jwk(key.public_key()))
    jwk.pop("key_ops", None)
    return jwk | members


def main():
    rsa_2048, rsa_4096, rsa_1024 = (rsa.generate_private_key(65537, bits) for bits in (2048, 4096, 1024))
    rsa_of_encryption, rsa_of_512, rsa_of_wrapping, rsa_private = (rsa.generate_private_key(65537, 2048) for _ in range(4))
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    ed, goldilocks = ed25519.Ed25519PrivateKey.generate(), ed448.Ed448PrivateKey.generate()
    keys = [
        published(RSAAlgorithm, rsa_2048, kid="rsa", use="sig", alg="RS256"),
        published(RSAAlgorithm, rsa_4096, kid="rsa-4096", key_ops=["verify"]),
        published(ECAlgorithm, p256, kid="p256", use="sig"),
        published(OKPAlgorithm, ed, kid="ed25519"),
        published(RSAAlgorithm, rsa_1024, kid="rsa-1024"),
        published(RSAAlgorithm, rsa_of_encryption, kid="of-encryption", use="enc"),
        published(RSAAlgorithm, rsa_of_512, kid="of-rs512", alg="RS512"),
        published(RSAAlgorithm, rsa_of_wrapping, kid="of-wrapping", key_ops=["wrapKey"]),
        json.loads(RSAAlgorithm.to_jwk(rsa_private)) | {"kid": "private", "key_ops": ["sign", "verify"]},
        published(ECAlgorithm, p384, kid="p384"),
        published(OKPAlgorithm, goldilocks, kid="ed448"),
        {"kty": "oct", "kid": "secret", "k": base64url(SECRET)},
        {"kty": "PQC", "kid": "of-the-future"},
    ]

    def token(key, alg, **header):
        return jwt.encode(CLAIMS, key, algorithm=alg, headers=header)

    public = rsa_2048.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    modulus = keys[0]["n"]
    confusions = {
        "PEM": pem,
        "PEM without its last line feed": pem.rstrip(),
        "PEM of PKCS 1": pkcs1,
        "DER": der,
        "modulus": base64.urlsafe_b64decode(modulus + "=="),
        "modulus as it is written": modulus.encode(),
        "JWK": json.dumps(keys[0]).encode(),
        "empty secret": b"",
    }
    good = {
        "RS256": token(rsa_2048, "RS256", kid="rsa"),
        "RS256 by 4096 bits": token(rsa_4096, "RS256", kid="rsa-4096"),
        "ES256": token(p256, "ES256", kid="p256"),
        "EdDSA": token(ed, "EdDSA", kid="ed25519"),
        "RS256 without kid": token(rsa_2048, "RS256"),
        "ES256 without kid": token(p256, "ES256"),
        "EdDSA without kid": token(ed, "EdDSA"),
    }
    bad = {
        "RS384": token(rsa_2048, "RS384", kid="rsa"),
        "RS512": token(rsa_2048, "RS512", kid="rsa"),
        "PS256": token(rsa_2048, "PS256", kid="rsa"),
        "RS512 of its own key": token(rsa_of_512, "RS512", kid="of-rs512"),
        "RS256 of a key for RS512": token(rsa_of_512, "RS256", kid="of-rs512"),
        "ES384": token(p384, "ES384", kid="p384"),
        "Ed448": token(goldilocks, "EdDSA", kid="ed448"),
        "Ed448 as Ed25519": token(goldilocks, "EdDSA", kid="ed25519"),
        "RS256 with the kid of another key": token(rsa_2048, "RS256", kid="rsa-4096"),
        "RS256 with the kid of a P-256 key": token(rsa_2048, "RS256", kid="p256"),
        "ES256 with the kid of an RSA key": token(p256, "ES256", kid="rsa"),
        "EdDSA with the kid of a P-256 key": token(ed, "EdDSA", kid="p256"),
        "a key that is too short": token(rsa_1024, "RS256", kid="rsa-1024"),
        "a key that is too short, without kid": token(rsa_1024, "RS256"),
        "a key for encryption": token(rsa_of_encryption, "RS256", kid="of-encryption"),
        "a key for encryption, without kid": token(rsa_of_encryption, "RS256"),
        "a key for wrapping": token(rsa_of_wrapping, "RS256", kid="of-wrapping"),
        "a private key": token(rsa_private, "RS256", kid="private"),
        "a published secret": jwt.encode(CLAIMS, SECRET, algorithm="HS256", headers={"kid": "secret"}),
        "a published secret, without kid": jwt.encode(CLAIMS, SECRET, algorithm="HS256"),
        "none": jwt.encode(CLAIMS, None, algorithm="none", headers={"kid": "rsa"}),
    }
    for name, secret in confusions.items():
        bad[f"HS256 by the RSA key's {name}"] = hmac_token(secret)
        bad[f"HS256 by the RSA key's {name}, with its kid"] = hmac_token(secret, kid="rsa")
    made_by = f"PyJWT {jwt.__version__}, cryptography {cryptography.__version__}"
    print(json.dumps({"made_by": made_by, "subject": SUBJECT, "jwks": {"keys": keys}, "good": good, "bad": bad}, indent=1))


main()
