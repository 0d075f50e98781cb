//! A cache of serialised users, one for each worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use tokio::runtime::Handle;
use tokio::time::sleep;
use user_domain::permissions::Access;
use user_domain::values::UserId;
use user_domain::view::UserView;

use crate::bodies::{UserBody, json};
use crate::etag::EntityTags;
use crate::problem::Problem;

/// The approximate memory limit of one worker.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// The approximate memory of an entry in addition to its body: the user, the entity tag and the node of the map.
const ENTRY_OVERHEAD_BYTES: u64 = 2048;
/// The expected number of entries, at the usual size of a body.
const EXPECTED_ENTRIES: usize = 3_000;

/// Half of the maximum age of an entry. An erased user is therefore removed from memory after twice this time.
const EXPIRY_PERIOD: Duration = Duration::from_mins(5);

/// The serialised representation of a user, as one caller may see it.
#[derive(Clone)]
pub(crate) struct CachedResponse {
    view: UserView,
    pub(crate) tag: HeaderValue,
    pub(crate) body: Bytes,
    /// The period in which the entry was created.
    period: u32,
}

/// The serialised users of one worker. Workers do not share a cache, so none waits for another.
///
/// An entry is used only for a view that is equal to the one it was created from. The cache therefore has no influence
/// on visibility or freshness.
pub(crate) struct ResponseCache {
    tags: EntityTags,
    entries: Rc<Entries>,
}

struct Entries {
    by_user: RefCell<Cache<(UserId, Access), CachedResponse, EntryWeight>>,
    /// The number of the current period; it increases while there are entries.
    period: Cell<u32>,
    /// Whether the expiry task runs.
    is_expiring: Cell<bool>,
}

#[derive(Clone)]
struct EntryWeight;

impl Weighter<(UserId, Access), CachedResponse> for EntryWeight {
    fn weight(&self, _: &(UserId, Access), response: &CachedResponse) -> u64 {
        response.body.len() as u64 + ENTRY_OVERHEAD_BYTES
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            by_user: RefCell::new(Cache::with_weighter(
                EXPECTED_ENTRIES,
                MAX_BYTES,
                EntryWeight,
            )),
            period: Cell::new(0),
            is_expiring: Cell::new(false),
        }
    }
}

impl Entries {
    /// Ends a period: removes entries from before the period that has just ended. Returns whether entries remain.
    fn end_period(&self) -> bool {
        let ended = self.period.get();
        self.period.set(ended.wrapping_add(1));
        let mut by_user = self.by_user.borrow_mut();
        by_user.retain(|_, response| response.period == ended);
        !by_user.is_empty()
    }
}

impl ResponseCache {
    /// Creates an empty cache.
    pub(crate) fn new(tags: EntityTags) -> Self {
        Self {
            tags,
            entries: Rc::default(),
        }
    }

    /// Returns the cache of the worker that handles this request.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        request
            .app_data()
            .ok_or_else(|| Problem::internal("the app was built without its data"))
    }

    /// Returns the representation of a view, and creates it if it is not cached.
    pub(crate) fn get(&self, view: &UserView) -> Result<CachedResponse, Problem> {
        let key = (view.public().id, view.access());
        if let Some(mut response) = self.entries.by_user.borrow_mut().get_mut(&key)
            && response.view == *view
        {
            // The next comparison with this copy of the user then compares pointers.
            response.view.clone_from(view);
            return Ok(response.clone());
        }
        let response = CachedResponse {
            view: view.clone(),
            tag: self.tags.of(view)?,
            body: json(&UserBody::from(view))?.into(),
            period: self.entries.period.get(),
        };
        let mut by_user = self.entries.by_user.borrow_mut();
        by_user.insert(key, response.clone());
        drop(by_user);
        self.start_expiring();
        Ok(response)
    }

    /// Starts the task that removes old entries, unless it runs. The task ends when the cache is empty. Without a
    /// runtime, as in a benchmark, entries do not expire.
    fn start_expiring(&self) {
        if self.entries.is_expiring.replace(true) || Handle::try_current().is_err() {
            return;
        }
        let entries = Rc::downgrade(&self.entries);
        actix_web::rt::spawn(async move {
            loop {
                sleep(EXPIRY_PERIOD).await;
                let Some(entries) = entries.upgrade() else {
                    return;
                };
                if !entries.end_period() {
                    entries.is_expiring.set(false);
                    return;
                }
            }
        });
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
    use crate::signing::SigningKeys;

    fn empty_cache() -> ResponseCache {
        ResponseCache::new(SigningKeys::new(&[7; 32]).entity_tags().clone())
    }

    #[test]
    fn an_equal_view_is_answered_from_the_cache() {
        let cache = empty_cache();
        let user = Arc::new(samples::user("ann"));
        let first = cache.get(&public_view(user.clone())).unwrap();
        let second = cache.get(&public_view(user)).unwrap();
        assert_eq!(first.body.as_ptr(), second.body.as_ptr());
    }

    #[test]
    fn an_entry_expires_after_the_next_period() {
        let cache = empty_cache();
        let user = Arc::new(samples::user("ann"));
        let first = cache.get(&public_view(user.clone())).unwrap();
        assert!(cache.entries.end_period());
        let again = cache.get(&public_view(user.clone())).unwrap();
        assert_eq!(first.body.as_ptr(), again.body.as_ptr());
        drop((first, again));
        assert!(!cache.entries.end_period());
        assert_eq!(Arc::strong_count(&user), 1, "the user is still in memory");
    }

    #[actix_web::test]
    async fn the_expiry_task_removes_entries_and_ends() {
        let cache = empty_cache();
        let user = Arc::new(samples::user("ann"));
        tokio::time::pause();
        for _ in 0..2 {
            cache.get(&public_view(user.clone())).unwrap();
            tokio::task::yield_now().await;
            assert_eq!(Arc::strong_count(&user), 2);
            tokio::time::sleep(2 * EXPIRY_PERIOD + Duration::from_secs(1)).await;
            assert_eq!(Arc::strong_count(&user), 1, "the user is still in memory");
            assert!(!cache.entries.is_expiring.get());
        }
    }

    #[test]
    fn each_view_has_its_own_entry() {
        let cache = empty_cache();
        let user = Arc::new(samples::user("ann"));
        let public = cache.get(&public_view(user.clone())).unwrap();
        let full = cache.get(&view(user.clone(), &Caller::Operator)).unwrap();
        assert_ne!((&public.tag, &public.body), (&full.tag, &full.body));
        let again = cache.get(&public_view(user)).unwrap();
        assert_eq!((again.tag, again.body), (public.tag, public.body));
    }

    #[test]
    fn another_user_with_the_same_id_and_version_is_not_answered_from_the_cache() {
        let cache = empty_cache();
        let user = Arc::new(samples::user("ann"));
        cache.get(&public_view(user.clone())).unwrap();
        let other = User::from_store(UserState {
            username: samples::user("bob").username.clone(),
            ..UserState::clone(&user)
        });
        let other = cache.get(&public_view(other)).unwrap();
        assert!(other.body.windows(5).any(|text| text == b"\"bob\""));
    }
}
