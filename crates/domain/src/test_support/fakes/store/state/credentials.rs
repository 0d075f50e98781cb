use super::State;
use crate::lockout::{Account, Lockout, LoginAttempt, Tries};
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
        let tries = |source| {
            let place = (account(attempt), source);
            self.tries.get(&place).copied().unwrap_or_default()
        };
        Lockout {
            account: tries(None),
            source: source(attempt).map(|source| tries(Some(source))),
        }
    }

    pub(in super::super) fn set_lockout(&mut self, attempt: &LoginAttempt, lockout: Lockout) {
        let account = account(attempt);
        self.tries.insert((account.clone(), None), lockout.account);
        if let (Some(source), Some(tries)) = (source(attempt), lockout.source) {
            self.tries.insert((account, Some(source)), tries);
        }
    }

    pub(in super::super) fn tries_of(&self, user: UserId, at: Timestamp) -> (Tries, u64) {
        let of_user = self
            .tries
            .iter()
            .filter(|((account, _), _)| *account == user.to_string());
        let blocked = of_user.filter(|((_, source), tries)| source.is_some() && tries.blocks(at));
        let place = (user.to_string(), None);
        let account = self.tries.get(&place).copied().unwrap_or_default();
        (account, u64::try_from(blocked.count()).unwrap_or(u64::MAX))
    }

    pub(in super::super) fn clear_tries(&mut self, user: UserId) {
        for ((account, _), tries) in &mut self.tries {
            if *account == user.to_string() {
                *tries = Tries {
                    succeeded_at: tries.succeeded_at,
                    ..Tries::default()
                };
            }
        }
    }
}

fn account(attempt: &LoginAttempt) -> String {
    match attempt.account {
        Account::User(id) => id.to_string(),
        Account::Nobody => format!("nobody {}", attempt.identifier.expose()),
    }
}

fn source(attempt: &LoginAttempt) -> Option<String> {
    attempt
        .source
        .as_ref()
        .map(|source| source.expose().to_owned())
}
