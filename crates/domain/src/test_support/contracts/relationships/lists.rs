//! Lists of followers and followed users: order, pagination and hidden users.

use std::time::Duration;

use super::{RelationshipsUnderTest, new_follow};
use crate::relationship::{
    FollowList, RelatedList, RelatedPage, RelatedPosition, RelatedRequest, RelationshipChange,
};
use crate::test_support::contracts::assert_same;
use crate::test_support::samples::{awkward_user, context, context_at, seconds, start, user_id};
use crate::user::Change;
use crate::values::UserId;

const FOLLOW: RelationshipChange = RelationshipChange::Follow;

impl RelationshipsUnderTest {
    async fn page(
        &self,
        (user, list): (UserId, FollowList),
        after: Option<RelatedPosition>,
        limit: u16,
    ) -> RelatedPage {
        let request = RelatedRequest {
            user,
            list,
            viewer: None,
            after,
            limit,
        };
        let page = self.relationships.related(&request).await.expect("a page");
        assert!(page.related.len() <= usize::from(limit));
        page
    }

    async fn follow_at(&self, from: UserId, to: UserId, second: u64) {
        let at = context_at(seconds(second));
        self.relate_with(from, FOLLOW, to, &at).await;
    }
}

fn ids(page: &RelatedPage) -> Vec<UserId> {
    page.related.iter().map(|one| one.user.id).collect()
}

/// The newest follow is first. Follows with the same time are sorted by id, greatest first.
pub async fn lists_are_sorted_newest_first_then_by_id(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("a user");
    let moments = [5, 1, 3, 3, 3, 9];
    for (fan, moment) in fans.iter().zip(moments) {
        store.follow_at(*fan, *star, moment).await;
        store.follow_at(*star, *fan, moment).await;
    }
    let mut order: Vec<(u64, UserId)> = moments.into_iter().zip(fans.iter().copied()).collect();
    order.sort_unstable();
    order.reverse();
    let order: Vec<UserId> = order.into_iter().map(|(_, fan)| fan).collect();
    assert_eq!(store.followers(*star).await, order);
    assert_eq!(store.following(*star).await, order);
    let page = store.page((*star, FollowList::Followers), None, 1).await;
    assert_eq!(page.related.first().map(|one| one.since), Some(seconds(9)));
}

/// A page has a next position exactly if the next page has a user.
pub async fn a_full_last_page_of_a_list_has_no_next_position(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("a user");
    for (number, fan) in (0..).zip(fans) {
        store.follow_at(*fan, *star, number / 2).await;
        store.follow_at(*star, *fan, number / 2).await;
    }
    for list in [FollowList::Followers, FollowList::Following] {
        let whole = store.page((*star, list), None, 6).await;
        assert_eq!((whole.related.len(), whole.next), (6, None));
        let first = store.page((*star, list), None, 3).await;
        let last = first.related.last().expect("a full page");
        let next = RelatedPosition {
            since: last.since,
            id: last.user.id,
        };
        assert_eq!(first.next, Some(next));
        let second = store.page((*star, list), first.next, 3).await;
        assert_eq!((second.related.len(), second.next), (3, None));
        assert_eq!([ids(&first), ids(&second)].concat(), ids(&whole));
        let third = second.related.last().map(|last| RelatedPosition {
            since: last.since,
            id: last.user.id,
        });
        let third = store.page((*star, list), third, 3).await;
        assert_eq!((third.related.len(), third.next), (0, None));
    }
}

/// Users that are not shown do not cause a next position.
pub async fn the_next_position_of_a_list_ignores_hidden_users(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("a user");
    for (number, fan) in (0..).zip(fans) {
        store.follow_at(*fan, *star, 10 - number).await;
    }
    for (number, fan) in fans.iter().enumerate().skip(2) {
        let change = [Change::suspend(), Change::Delete];
        let change = change.into_iter().cycle().nth(number);
        store.changed(*fan, &change.expect("a change")).await;
    }
    let page = store.page((*star, FollowList::Followers), None, 2).await;
    assert_eq!((page.related.len(), page.next), (2, None));
}

/// A page starts after its position even if no user has that position.
pub async fn a_list_page_starts_after_a_position_without_an_entry(store: &RelationshipsUnderTest) {
    let [star, newest, middle, oldest] = store.people().await;
    for (fan, second) in [(newest, 3), (middle, 2), (oldest, 1)] {
        store.follow_at(fan, star, second).await;
    }
    let list = (star, FollowList::Followers);
    let first = store.page(list, None, 2).await;
    assert_eq!(ids(&first), [newest, middle]);
    store
        .relate(middle, RelationshipChange::Unfollow, star)
        .await;
    let second = store.page(list, first.next, 2).await;
    assert_eq!(ids(&second), [oldest]);
    let nowhere = RelatedPosition {
        since: start().plus(Duration::from_millis(2500)),
        id: user_id(),
    };
    let behind = store.page(list, Some(nowhere), 2).await;
    assert_eq!(ids(&behind), [oldest]);
}

/// Paging returns every user that stays in the list exactly once, despite concurrent changes.
pub async fn paging_returns_each_lasting_relationship_once_despite_other_writes(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(50).await;
    let (star, rest) = crowd.split_first().expect("a user");
    let (fans, mut newcomers) = (rest.iter().take(24), rest.iter().skip(24));
    let mut lasting = Vec::new();
    let mut leaving = Vec::new();
    for (number, fan) in (0_u64..).zip(fans) {
        store.follow_at(*fan, *star, 100 + number / 2).await;
        if number % 3 == 0 {
            leaving.push(*fan);
        } else {
            lasting.push(*fan);
        }
    }
    let mut seen = Vec::new();
    let mut after = None;
    for step in 0.. {
        assert!(step < 100, "the pagination does not end");
        let list = (*star, FollowList::Followers);
        let page = store.page(list, after, 3).await;
        seen.extend(ids(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
        // One user leaves the list, in a different way each time. Another joins before or after the current position.
        if let Some(leaver) = leaving.pop() {
            match step % 4 {
                0 => {
                    let unfollow = RelationshipChange::Unfollow;
                    store.relate(leaver, unfollow, *star).await;
                }
                1 => store.relate(leaver, RelationshipChange::Block, *star).await,
                2 => drop(store.changed(leaver, &Change::Delete).await),
                _ => store.erased(leaver).await,
            }
        }
        let newcomer = newcomers.next().expect("a user");
        store.follow_at(*newcomer, *star, 95 + 2 * step).await;
        store.apply_pending().await.expect("a result");
    }
    seen.retain(|id| lasting.contains(id));
    seen.sort_unstable();
    lasting.sort_unstable();
    assert_eq!(seen, lasting);
}

/// A suspended or deleted user leaves all lists immediately, and returns to its place with its activation or
/// restoration.
pub async fn lists_contain_only_active_users(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    for (second, fan) in [(1, alice), (2, carol)] {
        store.follow_at(fan, bob, second).await;
        store.follow_at(bob, fan, second).await;
    }
    let changes = [
        (Change::suspend(), Change::Activate),
        (Change::Delete, Change::Restore),
    ];
    for applies in [false, true] {
        for (leave, back) in &changes {
            store.changed(alice, leave).await;
            if applies {
                store.apply_all_pending().await;
            }
            assert_eq!(store.followers(bob).await, [carol], "{leave:?}");
            assert_eq!(store.following(bob).await, [carol], "{leave:?}");
            assert_eq!(store.count(bob).await, (1, 1), "{leave:?}");
            store.changed(alice, back).await;
            if applies {
                store.apply_all_pending().await;
            }
            assert_eq!(store.followers(bob).await, [carol, alice], "{back:?}");
            assert_eq!(store.following(bob).await, [carol, alice], "{back:?}");
            assert_eq!(store.count(bob).await, (2, 2), "{back:?}");
        }
    }
}

/// Lists of usernames include suspended users, on every page, and no deleted users.
pub async fn name_lists_include_suspended_and_exclude_deleted_users(
    store: &RelationshipsUnderTest,
) {
    let [star, active, suspended, deleted] = store.people().await;
    for (second, other) in (1..).zip([active, suspended, deleted]) {
        store.follow_at(other, star, second).await;
        store.follow_at(star, other, second).await;
    }
    store.changed(suspended, &Change::suspend()).await;
    store.changed(deleted, &Change::Delete).await;
    for list in [RelatedList::Followers, RelatedList::Following] {
        let mut request = RelatedRequest {
            user: star,
            list,
            viewer: None,
            after: None,
            limit: 1,
        };
        for (id, is_last) in [(suspended, false), (active, true)] {
            let page = store.relationships.related_names(&request).await;
            let page = page.expect("a page");
            let name = page.names.first().expect("a user");
            let user = store.user(id).await;
            assert_eq!(
                (name.id, name.username.as_deref()),
                (id, Some(user.username.as_str()))
            );
            assert_eq!(page.next.is_none(), is_last);
            request.after = page.next;
        }
    }
    store.block(star, active).await;
    let blocks = RelatedRequest {
        user: star,
        list: RelatedList::Blocks,
        viewer: None,
        after: None,
        limit: 9,
    };
    let page = store.relationships.related_names(&blocks).await;
    let ids: Vec<UserId> = page
        .expect("a page")
        .names
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(ids, [active]);
}

/// Lists and counts hide users that the viewer blocks or that block the viewer.
pub async fn lists_hide_users_in_a_block_with_the_viewer(store: &RelationshipsUnderTest) {
    let [star, viewer, blocked, foe, other] = store.people().await;
    for fan in [viewer, blocked, foe, other] {
        store
            .follow_many(&[new_follow(fan, star), new_follow(star, fan)])
            .await;
    }
    store.block(viewer, blocked).await;
    store.block(foe, viewer).await;
    for list in [FollowList::Followers, FollowList::Following] {
        let mut shown = store.list(star, list, Some(viewer)).await;
        shown.sort_unstable();
        assert_eq!(shown, [viewer, other]);
        let mut shown = store.list(star, list, Some(blocked)).await;
        shown.sort_unstable();
        assert_eq!(shown, [blocked, foe, other]);
        assert_eq!(store.list(star, list, Some(other)).await.len(), 4);
        assert_eq!(store.list(star, list, None).await.len(), 4);
    }
    let people = [star, viewer, blocked, foe, other];
    store.assert_counts_match_lists(&people).await;
    store
        .relate(viewer, RelationshipChange::Unblock, blocked)
        .await;
    let followers = store.list(star, FollowList::Followers, Some(viewer)).await;
    assert_eq!(followers.len(), 3);
    store.assert_counts_match_lists(&people).await;
}

/// Listed users have all their fields and the time of the follow.
pub async fn lists_return_complete_users(store: &RelationshipsUnderTest) {
    let [star] = store.people().await;
    let mut new = awkward_user("awkward");
    new.rest.standing = None;
    let fan = store.added(&new).await;
    store.relate_with(fan.id, FOLLOW, star, &context()).await;
    let page = store.page((star, FollowList::Followers), None, 10).await;
    let listed = page.related.first().expect("a user");
    assert_eq!((page.related.len(), listed.since), (1, start()));
    assert_same(&listed.user, &fan);
}
