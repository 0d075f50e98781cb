//! Sample users, changes and contexts. Values that a test does not name are unique or irrelevant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};

use super::ids::SequentialIds;
use crate::caller::{Caller, Scope, ServiceCaller, UserCaller};
use crate::import::Import;
use crate::ports::IdGenerator as _;
use crate::service_token::{AppliedToken, NewServiceToken, ServiceToken};
use crate::user::{
    Actor, Applied, Change, Edit, ImportedHistory, MetadataEdit, MetadataEdits, NewUser, Presence,
    ProfileEdits, Record, Standing, Suspension, User, UserEdits,
};
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Roles, ServiceTokenId,
    ShortText, SuspensionReason, Timestamp, TokenDigest, TokenName, UserId, Username, WebUrl,
    ZoneInfo,
};
use crate::write::{Idempotency, IdempotencyKey, Precondition, WriteContext};

static IDS: SequentialIds = SequentialIds::new();
static NEXT_EMAIL_NUMBER: AtomicU64 = AtomicU64::new(1);

/// The time of the samples. It has microseconds, so that a loss of precision is detected.
pub fn start() -> Timestamp {
    Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a moment")
}

/// The time this many seconds after [`start`].
pub fn seconds(after_start: u64) -> Timestamp {
    start().plus(Duration::from_secs(after_start))
}

/// Returns a unique user id.
pub fn user_id() -> UserId {
    IDS.user_id()
}

/// Returns a unique token id.
pub fn token_id() -> ServiceTokenId {
    IDS.token_id()
}

/// A newly issued token, ready to be added to a store, and the digest of its secret.
pub fn issued_token(name: &str, context: &WriteContext) -> (AppliedToken, TokenDigest) {
    let new = NewServiceToken {
        name: TokenName::parse(name).expect("a name"),
        scopes: [Scope::UsersRead, Scope::RolesWrite].into(),
        expires_at: Some(context.at.plus(Duration::from_hours(1))),
    };
    let issued = ServiceToken::issue(token_id(), new, context);
    (issued, IDS.token_secret().1)
}

/// The context of a write by a service at [`start`], without precondition and idempotency key.
pub fn context() -> WriteContext {
    context_at(start())
}

/// Like [`context`], at another time.
pub fn context_at(at: Timestamp) -> WriteContext {
    WriteContext {
        actor: Actor::from(&service("sample")),
        at,
        event_id: IDS.event_id(),
        precondition: Precondition::None,
        idempotency: None,
    }
}

/// Like [`context`], with an idempotency key. `request` stands for the content of the request.
pub fn context_with_key(key: &str, request: u8) -> WriteContext {
    let key = IdempotencyKey::parse(key).expect("an idempotency key");
    WriteContext {
        idempotency: Some(Idempotency {
            key,
            fingerprint: [request; 32],
        }),
        ..context()
    }
}

/// Like [`context`], with the precondition that the user has this version.
pub fn context_expecting(version: i64) -> WriteContext {
    WriteContext {
        precondition: Precondition::AnyOf(vec![version.into()]),
        ..context()
    }
}

/// A service with all scopes.
pub fn service(name: &str) -> Caller {
    Caller::Service(ServiceCaller::with_all_scopes(name))
}

/// A user without administrator rights.
pub fn person(id: UserId) -> Caller {
    Caller::User(UserCaller {
        id,
        is_admin: false,
        has_blocks: false,
    })
}

/// A user with administrator rights.
pub fn administrator() -> Caller {
    Caller::User(UserCaller {
        id: user_id(),
        is_admin: true,
        has_blocks: false,
    })
}

/// A username.
pub fn username(text: &str) -> Username {
    Username::parse(text).expect("a username")
}

/// An email address.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// An external id.
pub fn external_id(text: &str) -> ExternalId {
    ExternalId::parse(text).expect("an external id")
}

/// A set of roles.
pub fn roles(names: &[&str]) -> Roles {
    Roles::parse_all(names.iter().copied().map(Ok)).expect("roles")
}

/// A line of text.
pub fn line(text: &str) -> ShortText {
    ShortText::parse(text).expect("a line of text")
}

/// Metadata of one visibility, from JSON.
pub fn metadata(json: &str) -> Metadata {
    Metadata::from_json(json).expect("a JSON object")
}

/// A merge patch for metadata, from JSON.
pub fn patch(json: &str) -> Map<String, Value> {
    metadata(json).as_map().clone()
}

/// A new user with this username and a unique email address.
pub fn new_user(name: &str) -> NewUser {
    let number = NEXT_EMAIL_NUMBER.fetch_add(1, Ordering::Relaxed);
    NewUser {
        username: username(name),
        email: email(&format!("person{number}@example.org")),
        rest: UserEdits::default(),
        password: None,
    }
}

/// A registered user, ready to be added to a store.
pub fn registered(new: &NewUser, context: &WriteContext) -> Applied {
    User::register(user_id(), new, context).expect("a user that can be registered")
}

/// A registered user with this username.
pub fn user(name: &str) -> User {
    registered(&new_user(name), &context()).user
}

/// A change of some fields.
pub fn edit(edits: UserEdits) -> Change {
    Change::Edit(Box::new(edits))
}

/// A change of the username.
pub fn rename(name: &str) -> Change {
    edit(UserEdits {
        username: Some(username(name)),
        ..UserEdits::default()
    })
}

/// A change of the name in the profile.
pub fn set_name(name: &str) -> Change {
    edit(UserEdits {
        profile: ProfileEdits {
            name: Edit::Set(line(name)),
            ..ProfileEdits::default()
        },
        ..UserEdits::default()
    })
}

/// A merge into the public metadata.
pub fn merge_public(json: &str) -> Change {
    edit(UserEdits {
        metadata: MetadataEdits {
            public: MetadataEdit::Merge(patch(json)),
            ..MetadataEdits::default()
        },
        ..UserEdits::default()
    })
}

/// A new user with a value in every field, each as difficult to store as its rule allows.
pub fn awkward_user(name: &str) -> NewUser {
    let text = |text: &str| Edit::Set(line(text));
    let url = |text: &str| Edit::Set(WebUrl::parse(text).expect("a web address"));
    let profile = ProfileEdits {
        name: text("𝔘𝔫𝔦 'quote\" \\back %_"),
        given_name: text("مريم"),
        family_name: text("עברית-Ñandú"),
        nickname: text("👩‍👩‍👧‍👦 null"),
        picture: url("https://example.org/%F0%9F%98%80.png?a=b&c=%27#x"),
        website: url("http://xn--bcher-kva.example:8080/a;b"),
        bio: Edit::Set(
            Bio::parse("one\r\ntwo\n\tthree 🦀 '; DROP TABLE users; -- $1 ?").expect("a bio"),
        ),
        location: text("𠜎𠜱 — 北京"),
        locale: Edit::Set(Locale::parse("zh-Hant-TW").expect("a language tag")),
        zoneinfo: Edit::Set(ZoneInfo::parse("America/Argentina/Ushuaia").expect("a time zone")),
        birthdate: Edit::Set(Birthdate::parse("0000-02-29").expect("a date")),
    };
    let metadata = MetadataEdits {
        public: MetadataEdit::Set(metadata(
            r#"{"z":1.0,"a":1E300,"m":12345678901234567,"deep":{"b":[null,{"y":-0,"x":1e-7}],"a":0.10},"é":"é","":"","😀":"\u00e9\\\"/"}"#,
        )),
        user: MetadataEdit::Set(metadata(r#"{"theme":"da'rk","10":1,"9":2,"$ref":"?1"}"#)),
        private: MetadataEdit::Set(metadata(r#"{"score":0.10000000000000001,"none":null}"#)),
    };
    NewUser {
        rest: UserEdits {
            username: None,
            email: None,
            email_verified: Some(true),
            phone_number: Edit::Set(PhoneNumber::parse("+123456789012345").expect("a number")),
            phone_number_verified: Some(true),
            external_id: Edit::Set(external_id("00042/~!'\"\\%_")),
            standing: Some(Standing::Suspended),
            suspension: Edit::Set(Box::new(Suspension {
                reason: SuspensionReason::parse("O'Brien:\n\t\"spam\" 😀").ok(),
                until: Some(seconds(1_000_000)),
            })),
            roles: Some(roles(&["admin", "a:b", "0-_"])),
            profile,
            metadata,
        },
        email: email("O'Brien+Tag@BÜCHER.example"),
        ..new_user(name)
    }
}

/// An import record of a user, without id and history.
pub fn record(user: NewUser) -> Record {
    Record {
        id: None,
        user,
        presence: Presence::Unspecified,
        history: ImportedHistory::default(),
    }
}

/// An import of a record at [`start`].
pub fn import(record: Record) -> Import {
    Import {
        record,
        fresh_id: user_id(),
        context: context(),
        line: 1,
    }
}
