//! What every value type that is text has in common.

/// Gives a type with `parse` and `as_str` its `Display`, `AsRef<str>` and, under `serde`, both
/// directions.
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

        $crate::values::macros::serde_as_text!($name);
    };
}

/// Gives a type that is nothing but its text the way back from a store.
macro_rules! stored_text {
    ($name:ident) => {
        impl $name {
            /// Takes back what a store kept of a parsed value; the store vouches for it, so that a rule that
            /// has become stricter since does not make old users unreadable.
            pub fn from_store(text: String) -> Self {
                Self(text.into_boxed_str())
            }
        }
    };
}

/// Gives a type with `parse` and `Display` its text form under `serde`; reading goes through
/// `parse`.
macro_rules! serde_as_text {
    ($name:ident) => {
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

pub(crate) use {serde_as_text, stored_text, text_value};
