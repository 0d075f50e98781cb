//! Sort orders and pagination.

use super::{StoreUnderTest, all_pages, ids, names, page, users_of_any_status};
use crate::directory::{PageRequest, Position, Sort};
use crate::test_support::contracts::assert_same;
use crate::test_support::samples::{
    awkward_user, context_at, new_user, registered, rename, seconds, set_name, user_id,
};
use crate::user::{Change, User};
use crate::values::UserId;

const ORDERS: [Sort; 4] = [
    Sort::CreatedDescending,
    Sort::CreatedAscending,
    Sort::Username,
    Sort::Updated,
];

/// Adds two users for each second, so that every creation time is a tie.
async fn pairs(store: &StoreUnderTest, count: u64) -> Vec<User> {
    let mut users = Vec::new();
    for number in 0..count {
        let context = context_at(seconds(number / 2));
        users.push(
            store
                .added_with(&new_user(&format!("user{number:03}")), &context)
                .await,
        );
    }
    users
}

/// The expected order, by the rule in the port's documentation.
fn in_order(users: &[User], sort: Sort) -> Vec<UserId> {
    let mut users: Vec<&User> = users.iter().collect();
    match sort {
        Sort::CreatedAscending => users.sort_by_key(|user| (user.created_at, user.id)),
        Sort::CreatedDescending => {
            users.sort_by_key(|user| (user.created_at, user.id));
            users.reverse();
        }
        Sort::Username => users.sort_by(|one, other| one.username.key().cmp(other.username.key())),
        Sort::Updated => users.sort_by_key(|user| (user.updated_at, user.id)),
    }
    users.into_iter().map(|user| user.id).collect()
}

/// An empty directory returns one empty page without a next position.
pub async fn an_empty_directory_has_one_empty_page(store: &StoreUnderTest) {
    for sort in ORDERS {
        let page = page(store, sort, None, 10).await;
        assert_eq!((page.users, page.next), (Vec::new(), None), "{sort:?}");
    }
}

/// Users are returned in the requested order. Users with the same time are sorted by id.
pub async fn users_are_sorted_in_each_order_with_ties_by_id(store: &StoreUnderTest) {
    let mut users = pairs(store, 12).await;
    // Like imported ids, these do not follow the order of creation.
    let context = context_at(seconds(2));
    let imported = UserId::parse("00000000-0000-4000-8000-000000000001").expect("an id");
    let last = UserId::parse("ffffffff-ffff-4fff-bfff-ffffffffffff").expect("an id");
    for (id, name) in [(imported, "imported"), (last, "last")] {
        let applied = User::register(id, &new_user(name), &context).expect("a user");
        store
            .writer
            .add(&applied, &context)
            .await
            .expect("a user that can be added");
        users.push(applied.user);
    }
    for (number, user) in (0..).zip(users.iter_mut().step_by(3)) {
        *user = store
            .changed_with(
                user.id,
                &set_name("Someone"),
                &context_at(seconds(100 - number / 2)),
            )
            .await;
    }
    for sort in ORDERS {
        for limit in [1, 3, 200] {
            let listed = all_pages(store, &users_of_any_status(), sort, limit).await;
            assert_eq!(ids(&listed), in_order(&users, sort), "{sort:?} by {limit}");
        }
    }
}

/// Usernames are sorted by the code points of their keys, in the same way on every store.
pub async fn names_are_sorted_by_the_code_points_of_their_keys(store: &StoreUnderTest) {
    for name in [
        "zoe",
        "Älva",
        "alva",
        "a-b",
        "a.b",
        "a_b",
        "a1b",
        "ABC",
        "Яна",
        "𠜎𠜱𠝹",
        "ﾊﾛｰ",
        "éva",
    ] {
        store.added(&new_user(name)).await;
    }
    let listed = all_pages(store, &users_of_any_status(), Sort::Username, 5).await;
    let mut sorted = listed.clone();
    sorted.sort_by(|one, other| one.username.key().cmp(other.username.key()));
    assert_eq!(names(&listed), names(&sorted));
    assert_eq!(listed.len(), 12);
    assert_eq!(names(&listed).first(), Some(&"a-b"));
}

/// Listed users have all their fields.
pub async fn a_page_returns_complete_users(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let page = page(store, Sort::default(), None, 10).await;
    assert_eq!(page.users.len(), 1);
    for listed in &page.users {
        assert_same(listed, &user);
    }
}

/// A page has a next position exactly if the next page has a user, even if the page is full.
pub async fn a_full_last_page_has_no_next_position(store: &StoreUnderTest) {
    pairs(store, 6).await;
    for sort in ORDERS {
        let first = page(store, sort, None, 3).await;
        let last = first.users.last().expect("a full page");
        assert_eq!(first.next, Some(sort.position_of(last)), "{sort:?}");
        let second = page(store, sort, first.next, 3).await;
        assert_eq!((second.users.len(), second.next), (3, None), "{sort:?}");
        let whole = page(store, sort, None, 6).await;
        assert_eq!((whole.users.len(), whole.next), (6, None), "{sort:?}");
        let roomy = page(store, sort, None, 7).await;
        assert_eq!((roomy.users.len(), roomy.next), (6, None), "{sort:?}");
    }
}

/// Users that do not match the filter do not cause a next position.
pub async fn the_next_position_respects_the_filter(store: &StoreUnderTest) {
    let users = pairs(store, 6).await;
    for user in users.iter().skip(2) {
        store.changed(user.id, &Change::suspend()).await;
    }
    let mut filter = users_of_any_status();
    filter.statuses = [crate::user::Status::Active].into();
    let request = PageRequest {
        filter,
        sort: Sort::CreatedAscending,
        after: None,
        limit: 2,
    };
    let page = store.directory.page(&request).await.expect("a page");
    assert_eq!((page.users.len(), page.next), (2, None));
}

/// A page starts after its position even if no user has that position.
pub async fn a_page_starts_after_a_position_that_no_user_has(store: &StoreUnderTest) {
    let users = pairs(store, 6).await;
    for sort in ORDERS {
        let order = in_order(&users, sort);
        let unused_position = match sort {
            Sort::CreatedDescending => Position::Time(seconds(3), user_id()),
            Sort::CreatedAscending | Sort::Updated => Position::Time(
                seconds(0).minus(std::time::Duration::from_secs(1)),
                user_id(),
            ),
            Sort::Username => Position::Username("a".to_owned()),
        };
        assert_eq!(
            ids(&page(store, sort, Some(unused_position), 10).await.users),
            order,
            "{sort:?}"
        );
    }
    let first = page(store, Sort::CreatedAscending, None, 3).await;
    store.erased(first.users.last().expect("a user").id).await;
    let second = page(store, Sort::CreatedAscending, first.next, 3).await;
    assert_eq!(ids(&second.users), ids(users.get(3..).unwrap_or_default()));
}

/// The page after the last user is empty and has no next position.
pub async fn a_page_after_the_last_user_is_empty(store: &StoreUnderTest) {
    let users = pairs(store, 3).await;
    for sort in ORDERS {
        let order = in_order(&users, sort);
        let last = users
            .iter()
            .find(|user| Some(&user.id) == order.last())
            .expect("a user");
        let page = page(store, sort, Some(sort.position_of(last)), 10).await;
        assert_eq!((page.users, page.next), (Vec::new(), None), "{sort:?}");
    }
}

/// Paging by creation time or username returns every user that exists throughout exactly once.
pub async fn paging_returns_each_lasting_user_once_despite_other_writes(store: &StoreUnderTest) {
    let mut lasting = Vec::new();
    let mut leaving = Vec::new();
    for (number, user) in pairs(store, 24).await.into_iter().enumerate() {
        if number % 3 == 0 {
            leaving.push(user.id);
        } else {
            lasting.push(user.id);
        }
    }
    lasting.sort();
    for (round, sort) in [
        Sort::CreatedDescending,
        Sort::CreatedAscending,
        Sort::Username,
    ]
    .into_iter()
    .enumerate()
    {
        let mut seen = Vec::new();
        let mut after = None;
        for step in 0.. {
            assert!(step < 100, "the pagination does not end");
            let page = page(store, sort, after, 3).await;
            seen.extend(ids(&page.users));
            after = page.next;
            if after.is_none() {
                break;
            }
            // One user is erased, one is added before or after the current position, and a lasting user changes.
            if let Some(leaver) = leaving.pop() {
                store.erased(leaver).await;
            }
            let context = context_at(seconds(step));
            let applied = registered(&new_user(&format!("user{step:03}.{round}")), &context);
            store
                .writer
                .add(&applied, &context)
                .await
                .expect("a user that can be added");
            let changed = lasting
                .iter()
                .cycle()
                .nth(usize::try_from(step).unwrap_or_default());
            let change = set_name(&format!("Someone {round} {step}"));
            store
                .changed_with(
                    *changed.expect("a user"),
                    &change,
                    &context_at(seconds(1000 + step)),
                )
                .await;
        }
        seen.retain(|id| lasting.contains(id));
        seen.sort();
        assert_eq!(seen, lasting, "{sort:?}");
    }
}

/// Paging by the last change returns every user that does not change meanwhile exactly once.
pub async fn paging_by_last_change_returns_each_unchanged_user_once(store: &StoreUnderTest) {
    let users = pairs(store, 12).await;
    let (moving, resting): (Vec<&User>, Vec<&User>) =
        users.iter().partition(|user| user.updated_at < seconds(2));
    let mut seen = Vec::new();
    let mut after = None;
    for step in 0.. {
        assert!(step < 100, "the pagination does not end");
        let page = page(store, Sort::Updated, after, 3).await;
        seen.extend(ids(&page.users));
        after = page.next;
        if after.is_none() {
            break;
        }
        if let Some(user) = moving.get(step) {
            store
                .changed_with(
                    user.id,
                    &rename(&format!("moved{step}")),
                    &context_at(seconds(50)),
                )
                .await;
        }
    }
    let resting: Vec<UserId> = resting.iter().map(|user| user.id).collect();
    seen.retain(|id| resting.contains(id));
    assert_eq!(seen, resting);
}
