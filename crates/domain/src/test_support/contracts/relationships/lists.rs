//! Who follows, who is followed: pages, walks, and who is left out.

use std::time::Duration;

use super::{RelationshipsUnderTest, new_follow};
use crate::relationship::{
    RelatedList, RelatedPage, RelatedPosition, RelatedRequest, RelationshipChange,
};
use crate::test_support::contracts::assert_same;
use crate::test_support::samples::{awkward_user, context, context_at, seconds, start, user_id};
use crate::user::Change;
use crate::values::UserId;

const FOLLOW: RelationshipChange = RelationshipChange::Follow;

impl RelationshipsUnderTest {
    async fn page(
        &self,
        (user, list): (UserId, RelatedList),
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

/// The newest follow comes first; those of one moment by id, the greatest first.
pub async fn lists_come_newest_first_with_ties_by_id(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("somebody");
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
    let page = store.page((*star, RelatedList::Followers), None, 1).await;
    assert_eq!(page.related.first().map(|one| one.since), Some(seconds(9)));
}

/// A page says where the next begins exactly if somebody is on it.
pub async fn the_last_page_of_a_list_has_no_next_position_even_when_it_is_full(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("somebody");
    for (number, fan) in (0..).zip(fans) {
        store.follow_at(*fan, *star, number / 2).await;
        store.follow_at(*star, *fan, number / 2).await;
    }
    for list in [RelatedList::Followers, RelatedList::Following] {
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

/// Whether there is a next page is told by who is shown, not by who is there.
pub async fn the_next_position_of_a_list_looks_at_who_is_shown(store: &RelationshipsUnderTest) {
    let crowd = store.crowd(7).await;
    let (star, fans) = crowd.split_first().expect("somebody");
    for (number, fan) in (0..).zip(fans) {
        store.follow_at(*fan, *star, 10 - number).await;
    }
    for (number, fan) in fans.iter().enumerate().skip(2) {
        let change = [Change::Suspend, Change::Delete];
        let change = change.into_iter().cycle().nth(number);
        store.changed(*fan, &change.expect("a change")).await;
    }
    let page = store.page((*star, RelatedList::Followers), None, 2).await;
    assert_eq!((page.related.len(), page.next), (2, None));
}

/// A page begins behind its position though nobody is at it any more, or ever was.
pub async fn a_page_of_a_list_begins_behind_its_position_though_nobody_is_there(
    store: &RelationshipsUnderTest,
) {
    let [star, newest, middle, oldest] = store.people().await;
    for (fan, second) in [(newest, 3), (middle, 2), (oldest, 1)] {
        store.follow_at(fan, star, second).await;
    }
    let list = (star, RelatedList::Followers);
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

/// A walk sees whoever stays in the list through it exactly once, whoever comes and goes meanwhile.
pub async fn a_walk_sees_each_lasting_relationship_exactly_once_while_others_come_and_go(
    store: &RelationshipsUnderTest,
) {
    let crowd = store.crowd(50).await;
    let (star, rest) = crowd.split_first().expect("somebody");
    let (fans, mut coming) = (rest.iter().take(24), rest.iter().skip(24));
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
        assert!(step < 100, "the walk does not end");
        let list = (*star, RelatedList::Followers);
        let page = store.page(list, after, 3).await;
        seen.extend(ids(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
        // Some go, each in its own way, and one comes among those already seen or yet to be.
        if let Some(gone) = leaving.pop() {
            match step % 4 {
                0 => {
                    store
                        .relate(gone, RelationshipChange::Unfollow, *star)
                        .await
                }
                1 => store.relate(gone, RelationshipChange::Block, *star).await,
                2 => drop(store.changed(gone, &Change::Delete).await),
                _ => store.erased(gone).await,
            }
        }
        let comer = coming.next().expect("somebody");
        store.follow_at(*comer, *star, 95 + 2 * step).await;
        store.settle().await.expect("an answer");
    }
    seen.retain(|id| lasting.contains(id));
    seen.sort_unstable();
    lasting.sort_unstable();
    assert_eq!(seen, lasting);
}

/// Whoever is suspended or deleted is in nobody's lists from that moment on, and from its return on again, in its place.
pub async fn lists_leave_out_who_is_not_active(store: &RelationshipsUnderTest) {
    let [alice, bob, carol] = store.people().await;
    for (second, fan) in [(1, alice), (2, carol)] {
        store.follow_at(fan, bob, second).await;
        store.follow_at(bob, fan, second).await;
    }
    let changes = [
        (Change::Suspend, Change::Activate),
        (Change::Delete, Change::Restore),
    ];
    for settles in [false, true] {
        for (leave, back) in &changes {
            store.changed(alice, leave).await;
            if settles {
                store.settle_all().await;
            }
            assert_eq!(store.followers(bob).await, [carol], "{leave:?}");
            assert_eq!(store.following(bob).await, [carol], "{leave:?}");
            assert_eq!(store.count(bob).await, (1, 1), "{leave:?}");
            store.changed(alice, back).await;
            if settles {
                store.settle_all().await;
            }
            assert_eq!(store.followers(bob).await, [carol, alice], "{back:?}");
            assert_eq!(store.following(bob).await, [carol, alice], "{back:?}");
            assert_eq!(store.count(bob).await, (2, 2), "{back:?}");
        }
    }
}

/// A viewer finds in others' lists, and in their counts, neither whom it blocks nor who blocks it.
pub async fn a_viewer_sees_nobody_in_lists_who_blocks_it_or_whom_it_blocks(
    store: &RelationshipsUnderTest,
) {
    let [star, viewer, blocked, blocker, other] = store.people().await;
    for fan in [viewer, blocked, blocker, other] {
        store
            .follow_many(&[new_follow(fan, star), new_follow(star, fan)])
            .await;
    }
    store.block(viewer, blocked).await;
    store.block(blocker, viewer).await;
    for list in [RelatedList::Followers, RelatedList::Following] {
        let mut shown = store.list(star, list, Some(viewer)).await;
        shown.sort_unstable();
        assert_eq!(shown, [viewer, other]);
        let mut shown = store.list(star, list, Some(blocked)).await;
        shown.sort_unstable();
        assert_eq!(shown, [blocked, blocker, other]);
        assert_eq!(store.list(star, list, Some(other)).await.len(), 4);
        assert_eq!(store.list(star, list, None).await.len(), 4);
    }
    let people = [star, viewer, blocked, blocker, other];
    store.assert_counts_are_lists(&people).await;
    store
        .relate(viewer, RelationshipChange::Unblock, blocked)
        .await;
    let followers = store.list(star, RelatedList::Followers, Some(viewer)).await;
    assert_eq!(followers.len(), 3);
    store.assert_counts_are_lists(&people).await;
}

/// The users of a list are whole.
pub async fn the_users_of_a_list_are_whole(store: &RelationshipsUnderTest) {
    let [star] = store.people().await;
    let mut new = awkward_user("awkward");
    new.rest.standing = None;
    let fan = store.added(&new).await;
    store.relate_with(fan.id, FOLLOW, star, &context()).await;
    let page = store.page((star, RelatedList::Followers), None, 10).await;
    let listed = page.related.first().expect("somebody");
    assert_eq!((page.related.len(), listed.since), (1, start()));
    assert_same(&listed.user, &fan);
}
