//! The profile of an input.

use garde::Validate;

use super::rules::optional;
use super::{FieldInput, WriteKind};
use crate::Fault;
use crate::user::{Field, ProfileEdits, ProfileField};
use crate::values::{Birthdate, Timestamp};

macro_rules! define_profile_input {
    ($({ $($(#[$doc:meta])* $name:ident: $field:ident($type:ident),)* })*) => {
        /// The fields of a profile that a caller may send.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Validate)]
        #[garde(context(WriteKind))]
        pub struct ProfileInput {
            $($(
                $(#[$doc])*
                #[garde(custom(optional))]
                pub $name: FieldInput<crate::values::$type>,
            )*)*
        }

        impl ProfileInput {
            /// Returns the fields in the input, valid or not.
            pub(super) fn named_fields(&self) -> impl Iterator<Item = ProfileField> {
                let named = [$($((ProfileField::$field, self.$name.is_present()),)*)*];
                named
                    .into_iter()
                    .filter_map(|(field, is_present)| Some(field).filter(|_| is_present))
            }

            /// Returns the edits of the valid fields. `clears` decides which absent fields lose their value.
            pub(super) fn edits(&self, clears: &dyn Fn(Field) -> bool) -> ProfileEdits {
                ProfileEdits {
                    $($($name: self.$name.edit(|| clears(Field::Profile(ProfileField::$field))),)*)*
                }
            }
        }
    };
}

crate::profile_fields!(define_profile_input);

impl ProfileInput {
    pub(super) fn birthdate_in_future(&self, now: Timestamp) -> Option<Fault> {
        let is_in_future = self.birthdate.value()?.is_in_future(now);
        let path = Field::Profile(ProfileField::Birthdate).path();
        is_in_future.then(|| Fault::new(path, &Birthdate::in_future()))
    }
}
