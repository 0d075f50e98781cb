//! Suspensions: reason, end, and void tokens.

use std::time::Duration;

use super::*;
use crate::test_support::samples::{context_at, seconds};
use crate::user::Suspension;
use crate::values::{SuspensionReason, Timestamp};

fn until(end: Timestamp) -> Suspension {
    Suspension {
        reason: SuspensionReason::parse("spam").ok(),
        until: Some(end),
    }
}

fn suspend(suspension: &Suspension) -> Change {
    Change::Suspend(suspension.clone())
}

#[test]
fn a_new_reason_or_end_is_a_change_but_a_repetition_is_not() {
    let first = until(seconds(60));
    let suspended = changed(&user("alice"), &suspend(&first));
    assert_eq!(suspended.event.changed, ["status", "suspension"]);
    let suspended = suspended.user;
    assert_eq!(suspended.suspension.as_deref(), Some(&first));
    assert_eq!(suspended.apply(&suspend(&first), &context()), Ok(None));
    let later = changed(&suspended, &suspend(&until(seconds(90))));
    assert_eq!(later.event.kind, EventKind::Updated);
    assert_eq!(later.event.changed, ["suspension"]);
    assert_eq!(later.user.version, suspended.version.next());
    // Without a reason and an end it is a repetition.
    assert_eq!(later.user.apply(&Change::suspend(), &context()), Ok(None));
    let plain = changed(&user("alice"), &Change::suspend()).user;
    assert_eq!(
        (plain.status(), &plain.suspension),
        (Status::Suspended, &None)
    );
    assert_eq!(plain.apply(&Change::suspend(), &context()), Ok(None));
}

#[test]
fn becoming_active_clears_the_reason_and_the_end() {
    let suspended = changed(&user("alice"), &suspend(&until(seconds(60)))).user;
    let edits = UserEdits {
        standing: Some(Standing::Active),
        ..UserEdits::default()
    };
    for change in [Change::Activate, edit(edits)] {
        let active = changed(&suspended, &change);
        let changed = ["status", "suspension", "tokens_valid_after"];
        assert_eq!(active.event.changed, changed);
        assert_eq!(active.user.suspension, None);
    }
}

#[test]
fn a_suspension_survives_a_deletion_and_an_edit_to_suspended() {
    let suspension = until(seconds(60));
    let suspended = changed(&user("alice"), &suspend(&suspension)).user;
    let deleted = changed(&suspended, &Change::Delete).user;
    let over = context_at(seconds(90));
    let ended = deleted.apply(&Change::EndSuspension, &over);
    assert_eq!(ended, Err(ChangeRefused::NotFound));
    let restored = changed(&deleted, &Change::Restore).user;
    assert_eq!(restored.suspension.as_deref(), Some(&suspension));
    let edits = UserEdits {
        standing: Some(Standing::Suspended),
        ..UserEdits::default()
    };
    assert_eq!(restored.apply(&edit(edits), &context()), Ok(None));
}

#[test]
fn a_suspension_ends_at_its_end_time() {
    let suspended = changed(&user("alice"), &suspend(&until(seconds(60)))).user;
    let end = |user: &User, at| user.apply(&Change::EndSuspension, &context_at(at));
    let early = seconds(60).minus(Duration::from_micros(1));
    assert_eq!(end(&suspended, early), Ok(None));
    let ended = end(&suspended, seconds(60)).unwrap().unwrap();
    assert_eq!(ended.event.kind, EventKind::Activated);
    assert_eq!(
        (ended.user.status(), &ended.user.suspension),
        (Status::Active, &None)
    );
    assert_eq!(ended.user.version, suspended.version.next());
    assert_eq!(end(&ended.user, seconds(90)), Ok(None));
    let plain = changed(&user("bob"), &Change::suspend()).user;
    assert_eq!(end(&plain, seconds(90)), Ok(None));
}

#[test]
fn becoming_active_voids_all_earlier_tokens() {
    let at = context_at(seconds(60));
    let second = at.at.next_second().minus(Duration::from_secs(1));
    let previous = second.minus(Duration::from_secs(1));
    let user = user("alice");
    let suspended = changed(&user, &suspend(&until(seconds(30)))).user;
    let deleted = changed(&user, &Change::Delete).user;
    let edits = UserEdits {
        standing: Some(Standing::Active),
        ..UserEdits::default()
    };
    for (before, change) in [
        (&suspended, Change::Activate),
        (&suspended, edit(edits)),
        (&suspended, Change::EndSuspension),
        (&deleted, Change::Restore),
    ] {
        let returned = before.apply(&change, &at).unwrap().unwrap();
        assert_eq!(returned.user.version, before.version.next());
        assert_eq!(returned.user.revision, before.revision.next());
        let returned = returned.user;
        // Tokens have whole seconds: a token of this second was issued after the end.
        for (issued, is_admitted) in [(seconds(0), false), (previous, false), (second, true)] {
            let admitted = returned.admits_token_of(Some(issued));
            assert_eq!(admitted.is_ok(), is_admitted, "{change:?} {issued}");
        }
        assert!(returned.admits_token_of(None).is_err());
        assert_eq!(returned.apply(&change, &context_at(seconds(90))), Ok(None));
    }
}

#[test]
fn a_token_is_refused_if_the_suspension_started_and_ended_in_its_second() {
    let user = user("alice");
    let next_second = seconds(60).next_second();
    let second = next_second.minus(Duration::from_secs(1));
    for (close, open) in [
        (Change::suspend(), Change::Activate),
        (Change::Delete, Change::Restore),
    ] {
        for started in [second, seconds(60)] {
            let inactive = user
                .apply(&close, &context_at(started))
                .unwrap()
                .unwrap()
                .user;
            for ended in [started, next_second.minus(Duration::from_micros(1))] {
                let returned = inactive.apply(&open, &context_at(ended)).unwrap().unwrap();
                let returned = returned.user;
                // Tokens have whole seconds: a token of this second may have been issued before the start.
                for (issued, is_admitted) in [(second, false), (next_second, true)] {
                    let admitted = returned.admits_token_of(Some(issued));
                    assert_eq!(admitted.is_ok(), is_admitted, "{open:?} {started} {ended}");
                }
            }
        }
    }
}

#[test]
fn a_later_sign_out_is_kept_when_the_clock_moves_back() {
    let suspended = changed(&user("alice"), &Change::suspend()).user;
    let signed_out = suspended.apply(&Change::SignOut, &context_at(seconds(90)));
    let signed_out = signed_out.unwrap().unwrap().user;
    let active = signed_out.apply(&Change::Activate, &context_at(seconds(60)));
    let active = active.unwrap().unwrap();
    assert_eq!(active.user.tokens_valid_after, Some(seconds(90)));
    assert_eq!(active.event.changed, ["status"]);
}

#[test]
fn a_user_restored_while_suspended_is_signed_out_when_the_suspension_ends() {
    let suspended = changed(&user("alice"), &Change::suspend()).user;
    let deleted = changed(&suspended, &Change::Delete).user;
    let restored = changed(&deleted, &Change::Restore).user;
    assert_eq!(restored.tokens_valid_after, None);
    let active = restored.apply(&Change::Activate, &context_at(seconds(60)));
    let active = active.unwrap().unwrap().user;
    assert!(active.admits_token_of(Some(seconds(59))).is_err());
}
