//! Orders and pages.

use super::{StoreUnderTest, everybody, ids, names, page, walk};
use crate::directory::{PageRequest, Position, Sort};
use crate::test_support::contracts::assert_same;
use crate::test_support::samples::{
    awkward_user, call, context_at, new_user, registered, rename, seconds, user_id,
};
use crate::user::{Change, User};
use crate::values::UserId;

const ORDERS: [Sort; 4] = [
    Sort::CreatedDescending,
    Sort::CreatedAscending,
    Sort::Username,
    Sort::Updated,
];

/// Adds users of two in each second, so that every moment is a tie.
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

/// What the order is, by the rule that the port's comment states.
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

/// Without users there is one page, and it is empty.
pub async fn an_empty_directory_has_one_empty_page(store: &StoreUnderTest) {
    for sort in ORDERS {
        let page = page(store, sort, None, 10).await;
        assert_eq!((page.users, page.next), (Vec::new(), None), "{sort:?}");
    }
}

/// Users come in the order asked for, those of one moment by id.
pub async fn users_come_in_each_order_with_ties_by_id(store: &StoreUnderTest) {
    let mut users = pairs(store, 12).await;
    // Ids that do not follow the order of creation, as imported ones do not.
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
                &call("Someone"),
                &context_at(seconds(100 - number / 2)),
            )
            .await;
    }
    for sort in ORDERS {
        for limit in [1, 3, 200] {
            let walked = walk(store, &everybody(), sort, limit).await;
            assert_eq!(ids(&walked), in_order(&users, sort), "{sort:?} by {limit}");
        }
    }
}

/// Names are ordered by the code points of their keys, alike on every store and in every language.
pub async fn names_come_in_the_order_of_their_keys_code_points(store: &StoreUnderTest) {
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
    let walked = walk(store, &everybody(), Sort::Username, 5).await;
    let mut sorted = walked.clone();
    sorted.sort_by(|one, other| one.username.key().cmp(other.username.key()));
    assert_eq!(names(&walked), names(&sorted));
    assert_eq!(walked.len(), 12);
    assert_eq!(names(&walked).first(), Some(&"a-b"));
}

/// The users of a page are whole.
pub async fn the_users_of_a_page_are_whole(store: &StoreUnderTest) {
    let user = store.added(&awkward_user("alice")).await;
    let page = page(store, Sort::default(), None, 10).await;
    assert_eq!(page.users.len(), 1);
    for listed in &page.users {
        assert_same(listed, &user);
    }
}

/// A page says where the next begins exactly if somebody is on it, also when it is full to the last.
pub async fn the_last_page_has_no_next_position_even_when_it_is_full(store: &StoreUnderTest) {
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

/// Whether there is a next page is told by who passes the filter, not by who is there.
pub async fn the_next_position_looks_at_the_filter(store: &StoreUnderTest) {
    let users = pairs(store, 6).await;
    for user in users.iter().skip(2) {
        store.changed(user.id, &Change::Suspend).await;
    }
    let mut filter = everybody();
    filter.statuses = vec![crate::user::Status::Active];
    let request = PageRequest {
        filter,
        sort: Sort::CreatedAscending,
        after: None,
        limit: 2,
    };
    let page = store.directory.page(&request).await.expect("a page");
    assert_eq!((page.users.len(), page.next), (2, None));
}

/// A page begins behind its position though nobody is at it any more, or ever was.
pub async fn a_page_begins_behind_its_position_though_nobody_is_there(store: &StoreUnderTest) {
    let users = pairs(store, 6).await;
    for sort in ORDERS {
        let order = in_order(&users, sort);
        let nobody = match sort {
            Sort::CreatedDescending => Position::Time(seconds(3), user_id()),
            Sort::CreatedAscending | Sort::Updated => Position::Time(
                seconds(0).minus(std::time::Duration::from_secs(1)),
                user_id(),
            ),
            Sort::Username => Position::Username("a".to_owned()),
        };
        assert_eq!(
            ids(&page(store, sort, Some(nobody), 10).await.users),
            order,
            "{sort:?}"
        );
    }
    let first = page(store, Sort::CreatedAscending, None, 3).await;
    store.erased(first.users.last().expect("a user").id).await;
    let second = page(store, Sort::CreatedAscending, first.next, 3).await;
    assert_eq!(ids(&second.users), ids(users.get(3..).unwrap_or_default()));
}

/// Nobody is behind the last.
pub async fn a_page_behind_the_last_user_is_empty(store: &StoreUnderTest) {
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

/// A walk by creation or name sees who lasts through it exactly once, whoever comes and goes meanwhile.
pub async fn a_walk_sees_each_lasting_user_exactly_once_while_others_come_and_go(
    store: &StoreUnderTest,
) {
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
            assert!(step < 100, "the walk does not end");
            let page = page(store, sort, after, 3).await;
            seen.extend(ids(&page.users));
            after = page.next;
            if after.is_none() {
                break;
            }
            // One goes, one comes among those already seen or yet to be, and one who lasts changes.
            if let Some(gone) = leaving.pop() {
                store.erased(gone).await;
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
            let change = call(&format!("Someone {round} {step}"));
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

/// A walk by the last change sees who does not change meanwhile exactly once.
pub async fn a_walk_by_the_last_change_sees_each_unchanged_user_exactly_once(
    store: &StoreUnderTest,
) {
    let users = pairs(store, 12).await;
    let (moving, resting): (Vec<&User>, Vec<&User>) =
        users.iter().partition(|user| user.updated_at < seconds(2));
    let mut seen = Vec::new();
    let mut after = None;
    for step in 0.. {
        assert!(step < 100, "the walk does not end");
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
