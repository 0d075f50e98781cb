//! How many lines came to what.

use std::fmt;

use user_domain::import::Imported;

/// What a line came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Created,
    Updated,
    Unchanged,
    Refused,
}

/// How many lines came to each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Created, Self::Updated, Self::Unchanged, Self::Refused];

    pub(super) fn of<E>(outcome: &Result<Imported, E>) -> Self {
        match outcome {
            Ok(Imported::Created(_)) => Self::Created,
            Ok(Imported::Updated(_)) => Self::Updated,
            Ok(Imported::Unchanged(_)) => Self::Unchanged,
            Err(_) => Self::Refused,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl Tally {
    pub(super) fn count(&mut self, kind: Kind) {
        *match kind {
            Kind::Created => &mut self.created,
            Kind::Updated => &mut self.updated,
            Kind::Unchanged => &mut self.unchanged,
            Kind::Refused => &mut self.refused,
        } += 1;
    }

    pub(super) fn lines(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            created,
            updated,
            unchanged,
            refused,
        } = self;
        write!(
            f,
            "{created} created, {updated} updated, {unchanged} unchanged, {refused} refused"
        )
    }
}
