use super::*;
use crate::test_support::samples::{context_at, seconds, start, token_id};

fn input(name: &str, scopes: &[&str]) -> TokenInput {
    TokenInput {
        name: Some(name.to_owned()),
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        ..TokenInput::default()
    }
}

fn codes(input: &TokenInput) -> Vec<(String, String)> {
    let faults = input.check(start()).unwrap_err();
    let shown = |fault: &Fault| (fault.path().join("/"), fault.code().to_owned());
    faults.iter().map(shown).collect()
}

fn issued(expires_at: Option<Timestamp>) -> ServiceToken {
    let new = NewServiceToken {
        expires_at,
        ..input("posts", &["users:read"]).check(start()).unwrap()
    };
    ServiceToken::issue(token_id(), new, &context_at(start())).token
}

#[test]
fn a_token_is_valid_until_it_expires() {
    let token = issued(Some(seconds(10)));
    let expired = Err(Rejection::ExpiredServiceToken);
    assert_eq!(token.check_valid(start()), Ok(()));
    assert_eq!(token.check_valid(seconds(9)), Ok(()));
    assert_eq!(token.check_valid(seconds(10)), expired);
    assert_eq!(token.check_valid(seconds(11)), expired);
    assert_eq!(issued(None).check_valid(seconds(1_000_000_000)), Ok(()));
}

#[test]
fn a_revoked_token_is_never_valid() {
    let token = issued(None);
    let applied = token.revoke(&context_at(seconds(5))).unwrap();
    assert_eq!(applied.token.revoked_at, Some(seconds(5)));
    for moment in [start(), seconds(5), seconds(6)] {
        assert_eq!(
            applied.token.check_valid(moment),
            Err(Rejection::RevokedServiceToken)
        );
    }
    assert_eq!(applied.event.kind, TokenEventKind::Revoked);
    assert_eq!(
        (applied.event.token, applied.event.revision().get()),
        (token.id, 2)
    );
}

#[test]
fn a_second_revocation_changes_nothing() {
    let token = issued(None);
    let revoked = token.revoke(&context_at(seconds(5))).unwrap().token;
    assert_eq!(revoked.revoke(&context_at(seconds(9))), None);
}

#[test]
fn scopes_are_a_set_of_known_names() {
    let new = input("posts", &["users:write", "users:read", "users:read"]);
    let new = new.check(start()).unwrap();
    assert_eq!(
        new.scopes,
        BTreeSet::from([Scope::UsersRead, Scope::UsersWrite])
    );
    for scope in Scope::ALL {
        assert_eq!(Scope::from_name(scope.as_str()), Some(scope));
    }
    for name in ["", "users", "USERS:READ", "users:read ", "*"] {
        assert_eq!(Scope::from_name(name), None);
    }
}

#[test]
fn all_faults_of_a_token_input_are_reported_at_once() {
    let expected = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(path, code): &(&str, &str)| ((*path).to_owned(), (*code).to_owned());
        pairs.iter().map(owned).collect()
    };
    assert_eq!(
        codes(&TokenInput::default()),
        expected(&[("name", "required"), ("scopes", "required")])
    );
    assert_eq!(
        codes(&TokenInput {
            expires_in: Some(0),
            ..input("Posts", &["users:read", "users:eat"])
        }),
        expected(&[
            ("name", "forbidden_character"),
            ("scopes/1", "unknown_scope"),
            ("expires_in", "out_of_range"),
        ])
    );
    assert_eq!(
        codes(&input("posts", &[])),
        expected(&[("scopes", "too_few")])
    );
}

#[test]
fn an_expiry_is_unambiguous_and_at_most_ten_years_ahead() {
    let with_expiry = |expires_at: Option<String>, expires_in| TokenInput {
        expires_at,
        expires_in,
        ..input("posts", &["users:read"])
    };
    let expiry = |input: TokenInput| input.check(start()).unwrap().expires_at;
    assert_eq!(expiry(with_expiry(None, None)), None);
    assert_eq!(expiry(with_expiry(None, Some(60))), Some(seconds(60)));
    assert_eq!(
        expiry(with_expiry(Some(seconds(60).to_string()), None)),
        Some(seconds(60))
    );
    let latest = seconds(TokenInput::MAX_LIFETIME.as_secs());
    assert_eq!(
        expiry(with_expiry(Some(latest.to_string()), None)),
        Some(latest)
    );
    let code = |input: TokenInput| codes(&input).pop().unwrap().1;
    assert_eq!(
        code(with_expiry(Some(seconds(60).to_string()), Some(60))),
        "ambiguous"
    );
    assert_eq!(
        code(with_expiry(Some(start().to_string()), None)),
        "out_of_range"
    );
    assert_eq!(
        code(with_expiry(Some("tomorrow".to_owned()), None)),
        "format"
    );
    assert_eq!(code(with_expiry(None, Some(315_360_001))), "out_of_range");
    assert_eq!(code(with_expiry(None, Some(u64::MAX))), "out_of_range");
}
