//! What surrounds every request.

mod admit;
mod conform;
mod observe;

pub(crate) use admit::Admit;
pub(crate) use conform::Conform;
pub(crate) use observe::Observe;

/// The id of a request, on its answer and in the log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) std::rc::Rc<str>);
