//! Entity tags, and values that remember theirs.

use std::fmt;
use std::ops::{Deref, DerefMut};

use user_domain::values::Version;

/// The entity tag of a user: its version, the view of the caller, and the identity of the user.
///
/// It is opaque. Send it back as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ETag(Box<str>);

impl ETag {
    /// Creates a tag from the text of an `ETag` header field, with its quotes.
    pub fn from_header(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// Creates a tag that matches this version of any user, for a caller that only knows the version.
    pub fn of_version(version: Version) -> Self {
        Self(format!("\"{version}\"").into())
    }

    /// The text, with its quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value as it was read, with its entity tag.
///
/// It can be changed in place: the original stays beside it, so that
/// [`Client::save`](crate::Client::save) sends the differences only, on the condition that the user has not changed since
/// it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    value: T,
    original: T,
    etag: ETag,
}

impl<T: Clone> Versioned<T> {
    pub(crate) fn new(value: T, etag: ETag) -> Self {
        Self {
            original: value.clone(),
            value,
            etag,
        }
    }
}

impl<T> Versioned<T> {
    /// The tag of the value as it was read.
    pub fn etag(&self) -> &ETag {
        &self.etag
    }

    /// The value as it was read.
    pub fn original(&self) -> &T {
        &self.original
    }

    /// Returns the value without its tag.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Versioned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Versioned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
