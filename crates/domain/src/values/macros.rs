//! Macros for the common parts of text value types.

/// Implements `Display`, `AsRef<str>`, `FromStr` and, with feature `serde`, both serde traits for a type with `parse` and
/// `as_str`.
macro_rules! text_value {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        $crate::values::macros::parsed_text!($name);
    };
}

/// Implements `from_store` for a type that consists of its text.
macro_rules! stored_text {
    ($name:ident) => {
        impl $name {
            /// Restores a stored value without validation, so that a stricter rule does not make old users
            /// unreadable.
            pub fn from_store(text: String) -> Self {
                Self(text.into_boxed_str())
            }
        }
    };
}

/// Implements `FromStr` and, with feature `serde`, both serde traits for a type with `parse` and `Display`.
macro_rules! parsed_text {
    ($name:ident) => {
        impl std::str::FromStr for $name {
            type Err = $crate::Violation;

            fn from_str(text: &str) -> Result<Self, $crate::Violation> {
                Self::parse(text)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {parsed_text, stored_text, text_value};
