//! The number of lines by outcome.

use std::fmt;

use user_domain::import::Imported;

/// The outcome of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineOutcome {
    Created,
    Updated,
    Unchanged,
    Refused,
}

/// The number of lines by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Summary {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

impl LineOutcome {
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

impl Summary {
    pub(super) fn count(&mut self, kind: LineOutcome) {
        *match kind {
            LineOutcome::Created => &mut self.created,
            LineOutcome::Updated => &mut self.updated,
            LineOutcome::Unchanged => &mut self.unchanged,
            LineOutcome::Refused => &mut self.refused,
        } += 1;
    }

    pub(super) fn lines(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

impl fmt::Display for Summary {
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
