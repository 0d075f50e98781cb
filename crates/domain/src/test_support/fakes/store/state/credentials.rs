use super::State;
use crate::lockout::{Account, AccountAttempts, AttemptCounter, Lockout, LoginAttempt};
use crate::ports::{StoredCredential, UserKey};
use crate::values::{PasswordHash, PasswordOrigin, StoredPassword, Timestamp, UserId};

impl State {
    pub(in super::super) fn credential(&self, key: &UserKey) -> Option<StoredCredential> {
        let user = self.find(key).filter(|user| !user.is_deleted())?;
        Some(StoredCredential {
            password: self.passwords.get(&user.id).cloned(),
            user,
        })
    }

    pub(in super::super) fn rehash(
        &mut self,
        user: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> bool {
        match self.passwords.get_mut(&user) {
            Some(stored) if stored.hash == *old => {
                *stored = StoredPassword {
                    hash: new.clone(),
                    origin: PasswordOrigin::Own,
                };
                true
            }
            _ => false,
        }
    }

    pub(in super::super) fn lockout(&self, attempt: &LoginAttempt) -> Lockout {
        let attempts = |source| {
            let place = (account(attempt), source);
            self.attempts.get(&place).copied().unwrap_or_default()
        };
        Lockout {
            account: attempts(None),
            source: source(attempt).map(|source| attempts(Some(source))),
        }
    }

    pub(in super::super) fn set_lockout(&mut self, attempt: &LoginAttempt, lockout: Lockout) {
        let account = account(attempt);
        self.attempts
            .insert((account.clone(), None), lockout.account);
        if let (Some(source), Some(attempts)) = (source(attempt), lockout.source) {
            self.attempts.insert((account, Some(source)), attempts);
        }
    }

    pub(in super::super) fn attempts_of(&self, user: UserId, at: Timestamp) -> AccountAttempts {
        let of_user = self
            .attempts
            .iter()
            .filter(|((account, source), _)| *account == user.to_string() && source.is_some());
        let sources: Vec<&AttemptCounter> = of_user.map(|(_, attempts)| attempts).collect();
        let place = (user.to_string(), None);
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        AccountAttempts {
            account: self.attempts.get(&place).copied().unwrap_or_default(),
            sources: count(sources.len()),
            blocked_sources: count(
                sources
                    .iter()
                    .filter(|attempts| attempts.blocks(at))
                    .count(),
            ),
            succeeded_at: sources
                .iter()
                .filter_map(|attempts| attempts.succeeded_at)
                .max(),
        }
    }

    pub(in super::super) fn clear_attempts(&mut self, user: UserId) {
        for ((account, _), attempts) in &mut self.attempts {
            if *account == user.to_string() {
                *attempts = AttemptCounter {
                    succeeded_at: attempts.succeeded_at,
                    ..AttemptCounter::default()
                };
            }
        }
    }
}

fn account(attempt: &LoginAttempt) -> String {
    match attempt.account {
        Account::User(id) => id.to_string(),
        Account::Unknown => format!("unknown {}", attempt.identifier.expose()),
    }
}

fn source(attempt: &LoginAttempt) -> Option<String> {
    attempt
        .source
        .as_ref()
        .map(|source| source.expose().to_owned())
}
