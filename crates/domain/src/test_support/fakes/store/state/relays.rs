use std::time::Duration;

use uuid::Uuid;

use super::State;
use crate::ports::{FeedPosition, RelayLease};

/// A relay of the event feed. No time passes for its lease: a lease of zero has expired, and any other one is valid.
#[derive(Debug, Default)]
pub(in super::super) struct Relay {
    holder: Option<Uuid>,
    epoch: i64,
    remaining: Duration,
    position: Option<FeedPosition>,
}

impl State {
    pub(in super::super) fn relay(&mut self, name: &str) -> &mut Relay {
        self.relays.entry(name.to_owned()).or_default()
    }
}

impl Relay {
    pub(in super::super) fn remaining(&self) -> Duration {
        self.remaining
    }

    pub(in super::super) fn take(&mut self, holder: Uuid, lease: Duration) -> Option<RelayLease> {
        if self.holder != Some(holder) && !self.remaining().is_zero() {
            return None;
        }
        self.holder = Some(holder);
        self.epoch += 1;
        self.renew(self.epoch, lease);
        Some(RelayLease {
            epoch: self.epoch,
            position: self.position,
        })
    }

    pub(in super::super) fn renew(&mut self, epoch: i64, lease: Duration) -> bool {
        if self.epoch == epoch {
            self.remaining = lease;
        }
        self.epoch == epoch
    }

    pub(in super::super) fn advance(&mut self, epoch: i64, position: FeedPosition) -> bool {
        if self.epoch == epoch {
            self.position = Some(position);
        }
        self.epoch == epoch
    }
}
