//! A macro for names of which later releases of the service may have more.

/// Defines an enum of names. A name that is not known is kept in its variant `Other`.
macro_rules! open_enum {
    (
        $(#[$of_enum:meta])*
        $enum:ident { $($(#[$doc:meta])* $variant:ident $name:literal,)* }
    ) => {
        $(#[$of_enum])*
        ///
        /// The set is open: a name that this release of the client does not know is kept in `Other`.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $enum {
            $($(#[$doc])* $variant,)*
            /// A name of a later release of the service.
            Other(Box<str>),
        }

        impl $enum {
            /// The known names.
            pub const KNOWN: &[&str] = &[$($name),*];

            /// Returns the value with this name.
            pub fn from_name(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    other => Self::Other(other.into()),
                }
            }

            /// The name, as in the JSON.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }
        }

        impl std::fmt::Display for $enum {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $enum {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $enum {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer).map(|name| Self::from_name(&name))
            }
        }
    };
}

pub(crate) use open_enum;
