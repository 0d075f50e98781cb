//! The breaks of what goes on in the background, cut short when the service is stopped.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use user_domain::use_cases::Pace;

/// Rests between batches, until it is told to stop.
pub(crate) struct Breaks {
    stopped: watch::Receiver<bool>,
    rest: Duration,
}

impl Breaks {
    /// Rests so long between two batches. The sender stops it by `true`, or when it is dropped.
    pub(crate) fn of(rest: Duration) -> (watch::Sender<bool>, Self) {
        let (stop, stopped) = watch::channel(false);
        (stop, Self { stopped, rest })
    }

    /// Waits, and tells whether the whole time has gone by.
    pub(crate) async fn pause(&self, time: Duration) -> bool {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            // A sender that is gone stops it as well.
            _ = stopped.wait_for(|stopped| *stopped) => false,
            () = sleep(time) => true,
        }
    }
}

#[async_trait::async_trait]
impl Pace for Breaks {
    async fn rest(&self) {
        self.pause(self.rest).await;
    }

    fn is_over(&self) -> bool {
        *self.stopped.borrow()
    }
}
