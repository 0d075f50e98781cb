//! Representations that are ready to be sent, of users that were shown before.

use std::cell::RefCell;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use user_domain::permissions::Access;
use user_domain::values::UserId;
use user_domain::view::UserView;

use crate::bodies::{UserBody, json};
use crate::etag::entity_tag;
use crate::problem::Problem;

/// The bytes that a worker keeps at most, roughly.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// What a representation takes besides its text, roughly: the user that it is of, the tag and the map's node.
const ENTRY_BYTES: u64 = 2048;
/// How many there are of usual size.
const USUAL_COUNT: usize = 3_000;

/// A whole representation of a user, as one caller may see it.
#[derive(Clone)]
pub(crate) struct Ready {
    view: UserView,
    pub(crate) tag: HeaderValue,
    pub(crate) body: Bytes,
}

/// The representations that a worker keeps; each worker has its own, so that none waits for another.
///
/// What is kept is sent only for a view that is equal to the one it was made of: this decides nothing about who sees what,
/// or how old it may be.
pub(crate) struct ReadyUsers {
    known: RefCell<Cache<(UserId, Access), Ready, Weight>>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<(UserId, Access), Ready> for Weight {
    fn weight(&self, _: &(UserId, Access), ready: &Ready) -> u64 {
        ready.body.len() as u64 + ENTRY_BYTES
    }
}

impl Default for ReadyUsers {
    fn default() -> Self {
        Self {
            known: RefCell::new(Cache::with_weighter(USUAL_COUNT, MOST_BYTES, Weight)),
        }
    }
}

impl ReadyUsers {
    /// Those of the worker that has a request.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        request
            .app_data()
            .ok_or_else(|| Problem::internal("the app was built without its data"))
    }

    /// Gives the representation of a view, made now if it is not kept.
    pub(crate) fn get(&self, view: &UserView) -> Result<Ready, Problem> {
        let key = (view.public().id, view.access());
        if let Some(ready) = self.known.borrow().get(&key)
            && ready.view == *view
        {
            return Ok(ready.clone());
        }
        let ready = Ready {
            view: view.clone(),
            tag: entity_tag(view)?,
            body: json(&UserBody::from(view))?.into(),
        };
        self.known.borrow_mut().insert(key, ready.clone());
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use user_domain::caller::Caller;
    use user_domain::test_support::samples;
    use user_domain::user::{User, UserState};
    use user_domain::view::{public_view, view};

    use super::*;

    #[test]
    fn what_was_shown_before_is_sent_as_it_is() {
        let ready = ReadyUsers::default();
        let user = Arc::new(samples::user("ann"));
        let first = ready.get(&public_view(user.clone())).unwrap();
        let second = ready.get(&public_view(user)).unwrap();
        assert_eq!(first.body.as_ptr(), second.body.as_ptr());
    }

    #[test]
    fn each_view_has_a_representation_of_its_own() {
        let ready = ReadyUsers::default();
        let user = Arc::new(samples::user("ann"));
        let public = ready.get(&public_view(user.clone())).unwrap();
        let full = ready.get(&view(user.clone(), &Caller::Operator)).unwrap();
        assert_ne!((&public.tag, &public.body), (&full.tag, &full.body));
        let again = ready.get(&public_view(user)).unwrap();
        assert_eq!((again.tag, again.body), (public.tag, public.body));
    }

    #[test]
    fn a_user_of_the_same_id_and_version_that_is_another_is_shown_as_it_is() {
        let ready = ReadyUsers::default();
        let user = Arc::new(samples::user("ann"));
        ready.get(&public_view(user.clone())).unwrap();
        let other = User::from_store(UserState {
            username: samples::user("bob").username.clone(),
            ..UserState::clone(&user)
        });
        let other = ready.get(&public_view(other)).unwrap();
        assert!(other.body.windows(5).any(|text| text == b"\"bob\""));
    }
}
