//! Turns at accounts: in one process, those who try at one account do so one after another.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::prelude::Uuid;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// The accounts at which somebody tries or waits, and nobody else.
#[derive(Default)]
pub(super) struct Turns {
    gates: Mutex<HashMap<Uuid, Arc<AsyncMutex<()>>>>,
}

/// Somebody at an account: waiting, or having the turn.
struct Turn {
    turns: Arc<Turns>,
    account: Uuid,
    held: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for a turn, which lasts until the answer is dropped. Whoever stops waiting leaves nothing.
    pub(super) async fn enter(self: &Arc<Self>, account: Uuid) -> impl Send + use<> {
        let gate = self.gates().entry(account).or_default().clone();
        let mut turn = Turn {
            turns: self.clone(),
            account,
            held: None,
        };
        turn.held = Some(gate.lock_owned().await);
        turn
    }

    fn gates(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<AsyncMutex<()>>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut gates = self.turns.gates();
        drop(self.held.take());
        // Whoever waits holds the gate too; who comes now finds it or makes another, both under the lock.
        if gates
            .get(&self.account)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            gates.remove(&self.account);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const AT_ONCE: Duration = Duration::from_millis(50);

    #[tokio::test(start_paused = true)]
    async fn turns_at_one_account_follow_one_another() {
        let turns = Arc::new(Turns::default());
        let [alice, bob] = [Uuid::from_u128(1), Uuid::from_u128(2)];
        let first = turns.enter(alice).await;
        assert!(timeout(AT_ONCE, turns.enter(alice)).await.is_err());
        assert!(timeout(AT_ONCE, turns.enter(bob)).await.is_ok());
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.enter(alice).await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
        assert!(turns.gates().is_empty(), "an account was kept");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_leaves_nothing() {
        let turns = Arc::new(Turns::default());
        let account = Uuid::from_u128(1);
        let held = turns.enter(account).await;
        for _ in 0..100 {
            assert!(timeout(AT_ONCE, turns.enter(account)).await.is_err());
        }
        drop(held);
        assert!(turns.gates().is_empty());
    }
}
