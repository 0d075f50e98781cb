//! Rejects curve points that are no valid public key: a signature with them would prove nothing.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

/// The prime of Ed25519's field, 2^255 - 19, little-endian.
const FIELD: [u8; 32] = {
    let mut field = [0xff; 32];
    field[0] = 0xed;
    field[31] = 0x7f;
    field
};

/// The canonical y coordinates of the points of order 1, 2, 4 or 8, little-endian. If a y belongs to two points, both
/// have a small order.
const SMALL_ORDER: [[u8; 32]; 5] = [
    // Order 4.
    [0; 32],
    // Order 1.
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    // Order 2.
    {
        let mut minus_one = FIELD;
        minus_one[0] = 0xec;
        minus_one
    },
    // Order 8.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// Rejects a public key of Ed25519 (RFC 8032) of small order, in any encoding. Signatures for it can be forged, because
/// one signature is valid for many messages.
pub(super) fn check_ed25519(mut point: [u8; 32]) -> Result<(), &'static str> {
    // The sign of x.
    point[31] &= 0x7f;
    // Little-endian numbers are compared from the last byte.
    if point.iter().rev().ge(FIELD.iter().rev()) {
        return Err("its point is not encoded canonically");
    }
    if SMALL_ORDER.contains(&point) {
        return Err("its point has a small order, so signatures can be forged");
    }
    Ok(())
}

/// Whether two coordinates are a point of P-256. All its points except infinity have the full order.
pub(super) fn is_on_p256(x: &[u8], y: &[u8]) -> bool {
    let point = [&[4], x, y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
}
