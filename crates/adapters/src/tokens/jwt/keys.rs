//! The published keys, and which of them a token may be held to.

use jsonwebtoken::{Algorithm, DecodingKey};

use super::Token;

/// How many keys a token without `kid` is tried with: more would make a forged one dear.
const MOST_TRIED: usize = 4;

/// A published key, with the only algorithm that it is for.
#[derive(Clone)]
pub(in crate::tokens) struct Key {
    /// Its `kid`, if it has one.
    pub(in crate::tokens) id: Option<String>,
    /// What tokens signed with it have as `alg`.
    pub(in crate::tokens) algorithm: Algorithm,
    /// Its public half.
    pub(in crate::tokens) public: DecodingKey,
}

/// The published keys at one moment.
#[derive(Clone, Default)]
pub(in crate::tokens) struct Keys(pub(in crate::tokens) Vec<Key>);

/// What keys say of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tokens) enum Verdict {
    /// A key for its algorithm has signed it.
    Holds,
    /// The key that it names has not signed it, or is for another algorithm.
    Wrong,
    /// No key that is known would tell; one that is published since may.
    Unknown,
}

impl Keys {
    /// Holds a token to the keys: the one that it names, or a few of those for its algorithm if it names none.
    pub(in crate::tokens) fn check(&self, token: &Token<'_>) -> Verdict {
        let of_its_algorithm = |key: &&Key| key.algorithm == token.algorithm();
        let signed = |key: &Key| token.is_signed_by(&key.public);
        let Some(id) = token.key_id() else {
            let mut tried = self.0.iter().filter(of_its_algorithm).take(MOST_TRIED);
            return if tried.any(signed) {
                Verdict::Holds
            } else {
                Verdict::Unknown
            };
        };
        if !self.has(id) {
            return Verdict::Unknown;
        }
        let mut named = self.named(id).filter(of_its_algorithm);
        if named.any(signed) {
            Verdict::Holds
        } else {
            Verdict::Wrong
        }
    }

    /// Whether a key has this `kid`.
    pub(in crate::tokens) fn has(&self, id: &str) -> bool {
        self.named(id).next().is_some()
    }

    fn named(&self, id: &str) -> impl Iterator<Item = &Key> {
        self.0
            .iter()
            .filter(move |key| key.id.as_deref() == Some(id))
    }
}
