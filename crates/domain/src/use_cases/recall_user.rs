//! Shows one user from what is at hand.

use std::sync::Arc;

use super::authenticate::caller;
use super::find_user::FoundView;
use super::veil::is_doubtful;
use crate::Source;
use crate::caller::Caller;
use crate::permissions::{Action, permit, viewer};
use crate::ports::{Hit, TokenVerifier, UserCache, UserKey};
use crate::user::User;
use crate::values::UserId;
use crate::view::view;

/// Shows one user from what is at hand: what [`super::Authenticate`] and [`super::FindUser`] would answer without waiting
/// for anything, and nothing where they might have to wait or to refuse.
///
/// Most reads are such. They are spared everything that is made for waiting.
#[derive(Clone)]
pub struct RecallUser {
    pub(super) tokens: Arc<dyn TokenVerifier>,
    pub(super) cache: Arc<dyn UserCache>,
}

impl RecallUser {
    /// Shows a user to the person that shows this token; nothing tells nothing.
    pub fn run(&self, token: &str, id: UserId) -> Option<(Caller, FoundView)> {
        let token = self.tokens.remembered(token)?;
        let UserKey::Id(subject) = token.subject else {
            return None;
        };
        let (subject, hit) = self.known(subject)?;
        let caller = caller(&token, &subject)?;
        permit(&caller, Action::Read).ok()?;
        let (user, hit) = if subject.id == id {
            (subject, hit)
        } else {
            self.known(id)?
        };
        let may_be_hidden =
            viewer(&caller).is_some_and(|viewer| is_doubtful(viewer, id, Some(&user)));
        if user.is_deleted() || may_be_hidden {
            return None;
        }
        let found = FoundView {
            view: view(user, &caller),
            source: Source::Cache(hit.tier, hit.vouched_by),
        };
        Some((caller, found))
    }

    fn known(&self, id: UserId) -> Option<(Arc<User>, Hit)> {
        let hit = self.cache.known(id)?;
        Some((hit.user.clone()?, hit))
    }
}
