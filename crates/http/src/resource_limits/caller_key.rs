//! The key under which the resources of a caller are counted.

use user_domain::caller::Caller;
use user_domain::values::UserId;

/// The key under which the work and memory of a request are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum CallerKey {
    /// A user.
    User(UserId),
    /// A service, by name.
    Service(String),
    /// An operator, on the management port.
    Operator,
}

impl From<&Caller> for CallerKey {
    fn from(caller: &Caller) -> Self {
        match caller {
            Caller::User(user) => Self::User(user.id),
            Caller::Service(service) => Self::Service(service.name.clone()),
            Caller::Operator => Self::Operator,
        }
    }
}
