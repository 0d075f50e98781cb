use super::*;

#[test]
fn a_first_block_and_a_last_unblock_are_internal_changes() {
    let alice = user("alice");
    assert!(!alice.has_blocks);
    let blocking = changed(&alice, &Change::SetHasBlocks(true));
    assert!(blocking.user.has_blocks);
    assert_eq!(blocking.user.revision, alice.revision.next());
    assert_eq!(blocking.user.version, alice.version);
    assert_eq!(blocking.user.updated_at, alice.updated_at);
    assert_eq!(blocking.event.kind, EventKind::Updated);
    assert_eq!(blocking.event.changed, ["has_blocks"]);
    let same = Change::SetHasBlocks(true);
    assert_eq!(blocking.user.apply(&same, &context()), Ok(None));
    let peaceful = changed(&blocking.user, &Change::SetHasBlocks(false)).user;
    assert!(!peaceful.has_blocks);
    let deleted = changed(&peaceful, &Change::Delete).user;
    assert_eq!(
        deleted.apply(&same, &context()),
        Err(ChangeRefused::NotFound)
    );
}
