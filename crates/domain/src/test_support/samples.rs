//! Users, changes and contexts to try things with. What a test does not name is unique or does not matter.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};

use super::fakes::SequentialIds;
use crate::caller::{Caller, Scope, ServiceCaller, UserCaller};
use crate::import::Import;
use crate::ports::IdGenerator as _;
use crate::service_token::{AppliedToken, NewServiceToken, ServiceToken};
use crate::user::{
    Actor, Applied, Change, Edit, MetadataEdit, MetadataEdits, NewUser, Past, Presence,
    ProfileEdits, Record, Standing, User, UserEdits,
};
use crate::values::{
    Bio, Birthdate, EmailAddress, ExternalId, Locale, Metadata, PhoneNumber, Roles, ServiceTokenId,
    ShortText, Timestamp, TokenDigest, TokenName, UserId, Username, WebUrl, ZoneInfo,
};
use crate::write::{Idempotency, IdempotencyKey, Precondition, WriteContext};

static IDS: SequentialIds = SequentialIds::new();
static PEOPLE: AtomicU64 = AtomicU64::new(1);

/// The moment at which samples begin: one with six digits behind the second, so that none may be lost.
pub fn start() -> Timestamp {
    Timestamp::parse("2026-01-02T03:04:05.678901Z").expect("a moment")
}

/// The moment so many seconds after [`start`].
pub fn seconds(after_start: u64) -> Timestamp {
    start().plus(Duration::from_secs(after_start))
}

/// An id that nobody else has.
pub fn user_id() -> UserId {
    IDS.user_id()
}

/// An id of a token that nobody else has.
pub fn token_id() -> ServiceTokenId {
    IDS.token_id()
}

/// A token just made, which a store is asked to add, and the digest of its secret.
pub fn issued_token(name: &str, context: &WriteContext) -> (AppliedToken, TokenDigest) {
    let new = NewServiceToken {
        name: TokenName::parse(name).expect("a name"),
        scopes: [Scope::UsersRead, Scope::RolesWrite].into(),
        expires_at: Some(context.at.plus(Duration::from_hours(1))),
    };
    let issued = ServiceToken::issue(token_id(), new, context);
    (issued, IDS.token_secret().1)
}

/// A context of a service that writes at [`start`] without conditions.
pub fn context() -> WriteContext {
    context_at(start())
}

/// The context of [`context`], at another moment.
pub fn context_at(at: Timestamp) -> WriteContext {
    WriteContext {
        actor: Actor::from(&service("sample")),
        at,
        event_id: IDS.event_id(),
        precondition: Precondition::None,
        idempotency: None,
    }
}

/// The context of [`context`] under an idempotency key; `request` stands for what the request says.
pub fn context_under(key: &str, request: u8) -> WriteContext {
    let key = IdempotencyKey::parse(key).expect("an idempotency key");
    WriteContext {
        idempotency: Some(Idempotency {
            key,
            fingerprint: [request; 32],
        }),
        ..context()
    }
}

/// The context of [`context`] for a user at this version.
pub fn context_expecting(version: i64) -> WriteContext {
    WriteContext {
        precondition: Precondition::AnyOf(vec![version]),
        ..context()
    }
}

/// A service that may do everything.
pub fn service(name: &str) -> Caller {
    Caller::Service(ServiceCaller::with_all_scopes(name))
}

/// A person who is no administrator.
pub fn person(id: UserId) -> Caller {
    Caller::User(UserCaller {
        id,
        is_admin: false,
        has_blocks: false,
    })
}

/// A person who is an administrator.
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

/// An address.
pub fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// An older id.
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

/// A drawer of metadata, from JSON.
pub fn metadata(json: &str) -> Metadata {
    Metadata::from_json(json).expect("a JSON object")
}

/// A merge patch of metadata, from JSON.
pub fn patch(json: &str) -> Map<String, Value> {
    metadata(json).as_map().clone()
}

/// A user to be, of this name, with an address that nobody else has.
pub fn new_user(name: &str) -> NewUser {
    let number = PEOPLE.fetch_add(1, Ordering::Relaxed);
    NewUser {
        username: username(name),
        email: email(&format!("person{number}@example.org")),
        rest: UserEdits::default(),
        password: None,
    }
}

/// A user just registered, as a store is asked to add it.
pub fn registered(new: &NewUser, context: &WriteContext) -> Applied {
    User::register(user_id(), new, context).expect("a user that can be registered")
}

/// A user of this name that no store has seen.
pub fn user(name: &str) -> User {
    registered(&new_user(name), &context()).user
}

/// A change of some fields.
pub fn edit(edits: UserEdits) -> Change {
    Change::Edit(Box::new(edits))
}

/// A change of username.
pub fn rename(name: &str) -> Change {
    edit(UserEdits {
        username: Some(username(name)),
        ..UserEdits::default()
    })
}

/// A change of the profile's name.
pub fn call(name: &str) -> Change {
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

/// A user to be with a value in every field, each as hard to keep as its rule allows.
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
            r#"{"z":1.0,"a":1E400,"m":12345678901234567890,"deep":{"b":[null,{"y":-0,"x":1e-7}],"a":0.10},"é":"é","":"","😀":"\u00e9\\\"/"}"#,
        )),
        user: MetadataEdit::Set(metadata(r#"{"theme":"da'rk","10":1,"9":2,"$ref":"?1"}"#)),
        private: MetadataEdit::Set(metadata(
            r#"{"score":0.1000000000000000055511151231257827,"none":null}"#,
        )),
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
            roles: Some(roles(&["admin", "a:b", "0-_"])),
            profile,
            metadata,
        },
        email: email("O'Brien+Tag@BÜCHER.example"),
        ..new_user(name)
    }
}

/// A record of a user, with no id and no past.
pub fn record(user: NewUser) -> Record {
    Record {
        id: None,
        user,
        presence: Presence::Untold,
        past: Past::default(),
    }
}

/// A record on its way into a store, at [`start`].
pub fn import(record: Record) -> Import {
    Import {
        record,
        fresh_id: user_id(),
        context: context(),
    }
}
