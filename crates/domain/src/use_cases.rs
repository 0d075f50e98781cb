//! What the service can do, one file each; the list of files is the list of features.
//!
//! To add a use case: a file here with a struct that holds the ports it needs and a `run`, whose first line asks
//! [`crate::permissions`]; an error enum of its own; a field in [`UseCases`]; tests with mocks (failures, what must not
//! be called) and fakes (everything else); then a route in the http crate. It returns a [`crate::view::UserView`],
//! never a user.

mod authenticate;
mod batch_users;
mod change_password;
mod change_relationship;
mod change_status;
mod clear_lockout;
mod count_relationships;
mod count_users;
mod create_user;
mod delete_user;
mod edit_user;
mod erase_user;
mod export_user;
mod find_service_token;
mod find_user;
mod follow_many;
mod grant_role;
mod import_users;
mod issue_service_token;
mod list_related;
mod list_service_tokens;
mod list_users;
mod purge_expired;
mod recall_user;
mod replace_user;
mod revoke_service_token;
mod show_lockout;
mod show_relationships;
mod sign_out;
mod tend_relationships;
mod update_user;
mod veil;
mod verify_credentials;

use std::sync::Arc;

pub use authenticate::{Authenticate, AuthenticateError, Credential};
pub use batch_users::{BatchKeys, BatchUsers, BatchUsersError, BatchViews, MAX_BATCH};
pub use change_password::{ChangePasswordError, PasswordChanged, RemovePassword, SetPassword};
pub use change_relationship::{ChangeRelationship, ChangeRelationshipError, RelationshipChanged};
pub use change_status::{ChangeStatus, ChangeStatusError, StatusChange};
pub use clear_lockout::ClearLockout;
pub use count_relationships::CountRelationships;
pub use count_users::CountUsers;
pub use create_user::{CreateUser, CreateUserError};
pub use delete_user::{DeleteUser, Deletion};
pub use edit_user::EditUserError;
pub use erase_user::EraseUser;
pub use export_user::{ExportUser, ExportedRelationships, UserExport};
pub use find_service_token::{FindServiceToken, ServiceTokenError};
pub use find_user::{FindUser, FindUserError, FoundView, Sought};
pub use follow_many::{FollowInput, FollowMany, FollowManyError, FollowResult, MAX_FOLLOWS};
pub use grant_role::{GrantRole, GrantRoleError};
pub use import_users::{ImportMode, ImportRun, ImportUsers};
pub use issue_service_token::{IssueServiceToken, IssueServiceTokenError, IssuedServiceToken};
pub use list_related::{ListRelated, ListedRelated};
pub use list_service_tokens::{ListServiceTokens, ListServiceTokensError};
pub use list_users::{ListUsers, ListUsersError, ListedUsers};
pub use purge_expired::{Pace, PurgeExpired, PurgeReport, PurgedKind};
pub use recall_user::RecallUser;
pub use replace_user::ReplaceUser;
pub use revoke_service_token::RevokeServiceToken;
pub use show_lockout::{LockoutReport, ShowLockout};
pub use show_relationships::{MAX_TIES, Relationship, ShowRelationships, ShowRelationshipsError};
pub use sign_out::{SignOut, SignedOut};
pub use tend_relationships::{TendRelationships, TendRelationshipsError};
pub use update_user::UpdateUser;
pub use verify_credentials::{LetIn, Renewal, VerifyCredentials, VerifyCredentialsError};

use crate::caller::Caller;
use crate::ports::{
    ChangeLog, Clock, Credentials, Decoys, IdGenerator, LoginAttempts, PasswordHasher,
    RelationshipUpkeep, Relationships, Retention, ServiceTokenRegistry, ServiceTokens, StoreHealth,
    TokenVerifier, UserCache, UserDirectory, UserImport, UserReader, UserWriter,
};
use crate::user::Actor;
use crate::view::UserView;
use crate::write::{Idempotency, Precondition, WriteContext};
use crate::{CachedRelationships, CachedRetention, CachedUsers};
use change_password::Hashing;
use veil::Veil;

/// All that the use cases need of the world.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is the port of the same name")]
pub struct Ports {
    pub reader: Arc<dyn UserReader>,
    pub writer: Arc<dyn UserWriter>,
    pub directory: Arc<dyn UserDirectory>,
    pub import: Arc<dyn UserImport>,
    pub change_log: Arc<dyn ChangeLog>,
    pub retention: Arc<dyn Retention>,
    pub credentials: Arc<dyn Credentials>,
    pub login_attempts: Arc<dyn LoginAttempts>,
    pub decoys: Arc<dyn Decoys>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub relationships: Arc<dyn Relationships>,
    pub relationship_upkeep: Arc<dyn RelationshipUpkeep>,
    pub cache: Arc<dyn UserCache>,
    pub tokens: Arc<dyn TokenVerifier>,
    pub service_tokens: Arc<dyn ServiceTokens>,
    pub token_registry: Arc<dyn ServiceTokenRegistry>,
    pub health: Arc<dyn StoreHealth>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdGenerator>,
}

impl Ports {
    /// The users, read through the cache and written past it.
    pub fn users(&self) -> Arc<CachedUsers> {
        Arc::new(CachedUsers::new(
            self.reader.clone(),
            self.writer.clone(),
            self.cache.clone(),
        ))
    }

    /// The relationships, whose changes of users the cache hears of.
    pub fn cached_relationships(&self) -> Arc<CachedRelationships> {
        let (relationships, cache) = (self.relationships.clone(), self.cache.clone());
        Arc::new(CachedRelationships::new(relationships, cache))
    }

    /// The removal of what is over its time, of which the cache hears.
    pub fn cached_retention(&self) -> Arc<CachedRetention> {
        let (retention, cache) = (self.retention.clone(), self.cache.clone());
        Arc::new(CachedRetention::new(retention, cache))
    }
}

/// Every use case, ready to run.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is the use case of the same name")]
pub struct UseCases {
    pub authenticate: Authenticate,
    pub create_user: CreateUser,
    pub find_user: FindUser,
    pub recall_user: RecallUser,
    pub batch_users: BatchUsers,
    pub list_users: ListUsers,
    pub count_users: CountUsers,
    pub update_user: UpdateUser,
    pub replace_user: ReplaceUser,
    pub delete_user: DeleteUser,
    pub erase_user: EraseUser,
    pub change_status: ChangeStatus,
    pub grant_role: GrantRole,
    pub sign_out: SignOut,
    pub set_password: SetPassword,
    pub remove_password: RemovePassword,
    pub verify_credentials: VerifyCredentials,
    pub show_lockout: ShowLockout,
    pub clear_lockout: ClearLockout,
    pub export_user: ExportUser,
    pub change_relationship: ChangeRelationship,
    pub follow_many: FollowMany,
    pub list_related: ListRelated,
    pub show_relationships: ShowRelationships,
    pub count_relationships: CountRelationships,
    pub tend_relationships: TendRelationships,
    pub purge_expired: PurgeExpired,
    pub import_users: ImportUsers,
    pub issue_service_token: IssueServiceToken,
    pub find_service_token: FindServiceToken,
    pub list_service_tokens: ListServiceTokens,
    pub revoke_service_token: RevokeServiceToken,
}

impl UseCases {
    /// Gives each use case the ports it needs.
    #[expect(clippy::too_many_lines, reason = "it is a list")]
    pub fn new(ports: &Ports) -> Self {
        let stamp = Stamp {
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
        };
        let users = ports.users();
        let relationships = ports.cached_relationships();
        let veil = Veil {
            relationships: relationships.clone(),
        };
        let find_user = FindUser {
            users: users.clone(),
            veil: veil.clone(),
        };
        Self {
            authenticate: Authenticate {
                users: users.clone(),
                tokens: ports.tokens.clone(),
                service_tokens: ports.service_tokens.clone(),
            },
            recall_user: RecallUser {
                tokens: ports.tokens.clone(),
                cache: ports.cache.clone(),
                users: users.clone(),
            },
            create_user: CreateUser {
                users: users.clone(),
                hashing: Hashing::new(ports),
                ids: ports.ids.clone(),
                stamp: stamp.clone(),
            },
            batch_users: BatchUsers {
                users: users.clone(),
                veil,
            },
            list_users: ListUsers {
                directory: ports.directory.clone(),
            },
            count_users: CountUsers {
                directory: ports.directory.clone(),
            },
            purge_expired: PurgeExpired {
                retention: ports.cached_retention(),
                stamp: stamp.clone(),
            },
            update_user: UpdateUser {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            replace_user: ReplaceUser {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            delete_user: DeleteUser {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            erase_user: EraseUser {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            change_status: ChangeStatus {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            sign_out: SignOut {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            set_password: SetPassword::new(ports, &users, stamp.clone()),
            remove_password: RemovePassword {
                users: users.clone(),
                stamp: stamp.clone(),
            },
            verify_credentials: VerifyCredentials::new(ports),
            show_lockout: ShowLockout::new(ports, find_user.clone()),
            clear_lockout: ClearLockout::new(ports, find_user.clone()),
            grant_role: GrantRole {
                // Whoever gets a role is whom the key names now.
                reader: ports.reader.clone(),
                users,
                stamp: stamp.clone(),
            },
            import_users: ImportUsers {
                import: ports.import.clone(),
                ids: ports.ids.clone(),
                stamp: stamp.clone(),
            },
            issue_service_token: IssueServiceToken {
                registry: ports.token_registry.clone(),
                stamp: stamp.clone(),
            },
            find_service_token: FindServiceToken {
                registry: ports.token_registry.clone(),
            },
            list_service_tokens: ListServiceTokens {
                registry: ports.token_registry.clone(),
            },
            revoke_service_token: RevokeServiceToken {
                registry: ports.token_registry.clone(),
                stamp: stamp.clone(),
            },
            export_user: ExportUser {
                find_user: find_user.clone(),
                change_log: ports.change_log.clone(),
                relationships: relationships.clone(),
            },
            change_relationship: ChangeRelationship {
                relationships: relationships.clone(),
                stamp: stamp.clone(),
            },
            follow_many: FollowMany {
                relationships: relationships.clone(),
                stamp: stamp.clone(),
            },
            list_related: ListRelated {
                find_user: find_user.clone(),
                relationships: relationships.clone(),
            },
            show_relationships: ShowRelationships {
                find_user: find_user.clone(),
                relationships: relationships.clone(),
            },
            count_relationships: CountRelationships { relationships },
            tend_relationships: TendRelationships {
                upkeep: ports.relationship_upkeep.clone(),
                clock: ports.clock.clone(),
            },
            find_user,
        }
    }
}

/// What a caller asks of a write besides the change itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WriteConditions {
    /// The version that the caller expects.
    pub precondition: Precondition,
    /// What makes a repetition harmless.
    pub idempotency: Option<Idempotency>,
}

/// A user as a write left it, for the caller that wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenView {
    /// The user, as the caller may see it.
    pub view: UserView,
    /// Whether the write had been done before under the same idempotency key.
    pub replayed: bool,
}

/// Makes the context of a write: who, when, under which conditions.
#[derive(Clone)]
struct Stamp {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdGenerator>,
}

impl Stamp {
    fn context(&self, caller: &Caller, conditions: WriteConditions) -> WriteContext {
        WriteContext {
            actor: Actor::from(caller),
            at: self.clock.now(),
            event_id: self.ids.event_id(),
            precondition: conditions.precondition,
            idempotency: conditions.idempotency,
        }
    }
}

#[cfg(test)]
mod tests;
