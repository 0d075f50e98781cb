//! Who follows and who blocks whom.

mod calls;
