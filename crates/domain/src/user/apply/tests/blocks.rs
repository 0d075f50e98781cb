use super::*;

#[test]
fn a_user_that_begins_to_block_says_so_at_a_version_of_its_own() {
    let alice = user("alice");
    assert!(!alice.has_blocks);
    let blocking = changed(&alice, &Change::SetHasBlocks(true));
    assert!(blocking.user.has_blocks);
    assert_eq!(blocking.user.version, alice.version.next());
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
