//! What surrounds every request.

mod admit;
mod conform;
mod observe;
mod shortcut;

pub(crate) use admit::Admit;
pub(crate) use conform::Conform;
pub(crate) use observe::Observe;
