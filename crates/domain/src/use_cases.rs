//! The use cases, one file each; the list of files is the list of features.
//!
//! To add a use case, write a file here with a struct that holds the ports it needs, a `run` that first checks
//! [`crate::permissions`], and its own error enum. Add a field to [`UseCases`], tests with mocks (failures, forbidden
//! calls) and with fakes (everything else), and a route in the http crate. A use case returns a
//! [`crate::view::UserView`], never a user.

mod authenticate;
mod batch_users;
mod block_visibility;
mod change_password;
mod change_relationship;
mod change_status;
mod clear_lockout;
mod confirm_erasures;
mod count_relationships;
mod count_users;
mod create_user;
mod delete_user;
mod edit_user;
mod end_suspensions;
mod erase_user;
mod export_user;
mod find_replay;
mod find_service_token;
mod find_user;
mod follow_many;
mod grant_role;
mod import_users;
mod issue_service_token;
mod list_related;
mod list_service_tokens;
mod list_users;
mod maintain_follow_counts;
mod manage_erasure_consumers;
mod purge_expired;
mod read_events;
mod read_user;
mod relay_events;
mod release_name;
mod replace_user;
mod revoke_role;
mod revoke_service_token;
mod show_lockout;
mod show_relationships;
mod sign_out;
mod suspend_user;
mod update_user;
mod verify_credentials;
mod write_contexts;

use std::sync::Arc;

pub use authenticate::{Authenticate, AuthenticateError, Credential};
pub use batch_users::{BatchKeys, BatchUsers, BatchUsersError, BatchViews, MAX_BATCH};
pub use change_password::{ChangePasswordError, PasswordChanged, RemovePassword, SetPassword};
pub use change_relationship::{ChangeRelationship, ChangeRelationshipError, RelationshipChanged};
pub use change_status::{ChangeStatus, ChangeStatusError, StatusChange};
pub use clear_lockout::ClearLockout;
pub use confirm_erasures::{ConfirmErasures, ConfirmErasuresError};
pub use count_relationships::CountRelationships;
pub use count_users::CountUsers;
pub use create_user::{CreateUser, CreateUserError};
pub use delete_user::{DeleteUser, Deletion};
pub use edit_user::EditUserError;
pub use end_suspensions::{EndSuspensions, EndSuspensionsError};
pub use erase_user::EraseUser;
pub use export_user::{ExportPositions, ExportUser, ExportedRecords, UserExport};
pub use find_replay::{FindReplay, FormerCaller, Replay};
pub use find_service_token::{FindServiceToken, ServiceTokenError};
pub use find_user::{FindUser, FindUserError, FoundView, UserSelector};
pub use follow_many::{FollowInput, FollowMany, FollowManyError, FollowResult, MAX_FOLLOWS};
pub use grant_role::{GrantRole, GrantRoleError};
pub use import_users::{ImportMode, ImportRun, ImportUsers};
pub use issue_service_token::{IssueServiceToken, IssueServiceTokenError, IssuedServiceToken};
pub use list_related::{ListRelated, ListedRelated};
pub use list_service_tokens::{ListServiceTokens, ListServiceTokensError, ListedTokens};
pub use list_users::{ListUsers, ListUsersError, ListedUsers};
pub use maintain_follow_counts::{MaintainFollowCounts, MaintainFollowCountsError};
pub use manage_erasure_consumers::{ErasureConsumerError, ManageErasureConsumers};
pub use purge_expired::{BatchThrottle, PurgeError, PurgeExpired, PurgeReport, PurgedKind};
pub use read_events::{
    EventTypes, EventsPage, EventsQuery, ReadEvent, ReadEvents, ReadEventsError,
};
pub use read_user::{AuthenticatedRead, ReadNow, ReadUser};
pub use relay_events::{
    EncodeEvent, Leadership, RelayEvents, RelayEventsError, RelayLag, RelayTerm, RelayedPage,
};
pub use release_name::{ReleaseName, ReleaseNameError};
pub use replace_user::ReplaceUser;
pub use revoke_role::RevokeRole;
pub use revoke_service_token::RevokeServiceToken;
pub use show_lockout::{LockoutReport, ShowLockout};
pub use show_relationships::{
    MAX_RELATIONSHIP_IDS, Relationship, ShowRelationships, ShowRelationshipsError,
};
pub use sign_out::{SignOut, SignedOut};
pub use suspend_user::{SuspendUser, SuspendUserError};
pub use update_user::UpdateUser;
pub use verify_credentials::{
    PendingRehash, VerifiedLogin, VerifyCredentials, VerifyCredentialsError,
};

use crate::ports::{
    ChangeLog, Clock, Consistency, Credentials, DummyHashes, Erasures, EventFeed, EventFrontier,
    EventRelays, FollowCountMaintenance, IdGenerator, LoginAttempts, PasswordHasher, Relationships,
    Retention, ServiceTokenRegistry, ServiceTokenVerifier, StoreClock, StoreHealth, SuspensionEnds,
    TokenVerifier, UserCache, UserDirectory, UserImport, UserReader, UserRecords, UserWriter,
    WriteRecords,
};
use crate::{CachedRelationships, CachedRetention, CachedSuspensions, CachedUsers};
use block_visibility::BlockVisibility;
use change_password::Hashing;
use write_contexts::WriteContextFactory;
pub use write_contexts::{WriteConditions, WrittenView};

/// The ports that the use cases need.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is the port of the same name")]
pub struct Ports {
    pub reader: Arc<dyn UserReader>,
    pub writer: Arc<dyn UserWriter>,
    pub directory: Arc<dyn UserDirectory>,
    pub import: Arc<dyn UserImport>,
    pub change_log: Arc<dyn ChangeLog>,
    pub erasures: Arc<dyn Erasures>,
    pub event_feed: Arc<dyn EventFeed>,
    pub event_frontier: Arc<dyn EventFrontier>,
    pub event_relays: Arc<dyn EventRelays>,
    pub records: Arc<dyn UserRecords>,
    pub retention: Arc<dyn Retention>,
    pub suspension_ends: Arc<dyn SuspensionEnds>,
    pub credentials: Arc<dyn Credentials>,
    pub login_attempts: Arc<dyn LoginAttempts>,
    pub dummy_hashes: Arc<dyn DummyHashes>,
    pub hasher: Arc<dyn PasswordHasher>,
    pub relationships: Arc<dyn Relationships>,
    pub follow_count_maintenance: Arc<dyn FollowCountMaintenance>,
    pub cache: Arc<dyn UserCache>,
    pub tokens: Arc<dyn TokenVerifier>,
    pub service_tokens: Arc<dyn ServiceTokenVerifier>,
    pub token_registry: Arc<dyn ServiceTokenRegistry>,
    pub write_records: Arc<dyn WriteRecords>,
    pub health: Arc<dyn StoreHealth>,
    pub clock: Arc<dyn Clock>,
    pub store_clock: Arc<dyn StoreClock>,
    pub ids: Arc<dyn IdGenerator>,
    /// None if no client is given a position.
    pub consistency: Option<Arc<dyn Consistency>>,
    /// Reads users while the store is unavailable.
    pub standby_reader: Option<Arc<dyn UserReader>>,
}

impl Ports {
    /// Returns the reader and writer of users, with the cache.
    pub fn users(&self) -> Arc<CachedUsers> {
        Arc::new(CachedUsers::new(
            self.reader.clone(),
            self.writer.clone(),
            self.cache.clone(),
        ))
    }

    /// Returns the store of relationships, which updates the cache.
    pub fn cached_relationships(&self) -> Arc<CachedRelationships> {
        let (relationships, cache) = (self.relationships.clone(), self.cache.clone());
        Arc::new(CachedRelationships::new(relationships, cache))
    }

    /// Returns the port that ends suspensions, which updates the cache.
    pub fn cached_suspensions(&self) -> Arc<CachedSuspensions> {
        let (suspensions, cache) = (self.suspension_ends.clone(), self.cache.clone());
        Arc::new(CachedSuspensions::new(suspensions, cache))
    }

    /// Returns the retention port, which updates the cache.
    pub fn cached_retention(&self) -> Arc<CachedRetention> {
        let (retention, cache) = (self.retention.clone(), self.cache.clone());
        Arc::new(CachedRetention::new(retention, cache))
    }
}

/// Every use case.
#[derive(Clone)]
#[expect(missing_docs, reason = "each is the use case of the same name")]
pub struct UseCases {
    pub authenticate: Authenticate,
    pub confirm_erasures: ConfirmErasures,
    pub create_user: CreateUser,
    pub find_replay: FindReplay,
    pub find_user: FindUser,
    pub read_events: ReadEvents,
    pub read_user: ReadUser,
    pub batch_users: BatchUsers,
    pub list_users: ListUsers,
    pub count_users: CountUsers,
    pub update_user: UpdateUser,
    pub replace_user: ReplaceUser,
    pub delete_user: DeleteUser,
    pub erase_user: EraseUser,
    pub change_status: ChangeStatus,
    pub suspend_user: SuspendUser,
    pub end_suspensions: EndSuspensions,
    pub grant_role: GrantRole,
    pub revoke_role: RevokeRole,
    pub sign_out: SignOut,
    pub set_password: SetPassword,
    pub remove_password: RemovePassword,
    pub verify_credentials: VerifyCredentials,
    pub show_lockout: ShowLockout,
    pub clear_lockout: ClearLockout,
    pub export_user: ExportUser,
    pub release_name: ReleaseName,
    pub change_relationship: ChangeRelationship,
    pub follow_many: FollowMany,
    pub list_related: ListRelated,
    pub show_relationships: ShowRelationships,
    pub count_relationships: CountRelationships,
    pub maintain_follow_counts: MaintainFollowCounts,
    pub manage_erasure_consumers: ManageErasureConsumers,
    pub purge_expired: PurgeExpired,
    pub import_users: ImportUsers,
    pub issue_service_token: IssueServiceToken,
    pub find_service_token: FindServiceToken,
    pub list_service_tokens: ListServiceTokens,
    pub revoke_service_token: RevokeServiceToken,
}

impl UseCases {
    /// Creates every use case with the ports that it needs.
    #[expect(clippy::too_many_lines, reason = "it is a list")]
    pub fn new(ports: &Ports) -> Self {
        let contexts = WriteContextFactory {
            clock: ports.clock.clone(),
            ids: ports.ids.clone(),
        };
        let users = ports.users();
        let relationships = ports.cached_relationships();
        let block_visibility = BlockVisibility {
            relationships: relationships.clone(),
        };
        // Not for authentication and lockouts: a standby may not have received a suspension yet.
        let found_users = Arc::new(users.with_standby(ports.standby_reader.clone()));
        let find_user = FindUser {
            users: found_users.clone(),
            block_visibility: block_visibility.clone(),
        };
        let find_current_user = FindUser {
            users: users.clone(),
            block_visibility: block_visibility.clone(),
        };
        let authenticate = Authenticate {
            users: users.clone(),
            tokens: ports.tokens.clone(),
            service_tokens: ports.service_tokens.clone(),
        };
        let grant_role = GrantRole {
            // Uncached, so that the role is granted to the user that has the key now.
            reader: ports.reader.clone(),
            users: users.clone(),
            contexts: contexts.clone(),
        };
        let find_replay = FindReplay {
            records: ports.write_records.clone(),
            users: users.clone(),
            block_visibility: block_visibility.clone(),
            clock: ports.clock.clone(),
        };
        Self {
            find_replay,
            read_events: ReadEvents::new(ports),
            read_user: ReadUser {
                users: users.clone(),
                authenticate: authenticate.clone(),
                find_user: find_user.clone(),
            },
            authenticate,
            confirm_erasures: ConfirmErasures {
                erasures: ports.erasures.clone(),
                contexts: contexts.clone(),
            },
            manage_erasure_consumers: ManageErasureConsumers {
                erasures: ports.erasures.clone(),
                contexts: contexts.clone(),
            },
            create_user: CreateUser {
                users: users.clone(),
                hashing: Hashing::new(ports),
                ids: ports.ids.clone(),
                contexts: contexts.clone(),
            },
            batch_users: BatchUsers {
                users: found_users,
                block_visibility,
            },
            list_users: ListUsers {
                directory: ports.directory.clone(),
            },
            count_users: CountUsers {
                directory: ports.directory.clone(),
            },
            purge_expired: PurgeExpired {
                retention: ports.cached_retention(),
                store_clock: ports.store_clock.clone(),
                contexts: contexts.clone(),
            },
            update_user: UpdateUser {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            replace_user: ReplaceUser {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            delete_user: DeleteUser {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            erase_user: EraseUser {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            change_status: ChangeStatus {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            suspend_user: SuspendUser {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            end_suspensions: EndSuspensions {
                suspensions: ports.cached_suspensions(),
                store_clock: ports.store_clock.clone(),
                contexts: contexts.clone(),
            },
            sign_out: SignOut {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            set_password: SetPassword::new(ports, &users, contexts.clone()),
            remove_password: RemovePassword {
                users: users.clone(),
                contexts: contexts.clone(),
            },
            verify_credentials: VerifyCredentials::new(ports),
            show_lockout: ShowLockout::new(ports, find_current_user.clone()),
            clear_lockout: ClearLockout::new(ports, find_current_user),
            revoke_role: RevokeRole {
                grant: grant_role.clone(),
            },
            grant_role,
            import_users: ImportUsers {
                import: ports.import.clone(),
                ids: ports.ids.clone(),
                contexts: contexts.clone(),
            },
            issue_service_token: IssueServiceToken {
                registry: ports.token_registry.clone(),
                contexts: contexts.clone(),
            },
            find_service_token: FindServiceToken {
                registry: ports.token_registry.clone(),
            },
            list_service_tokens: ListServiceTokens {
                registry: ports.token_registry.clone(),
            },
            revoke_service_token: RevokeServiceToken {
                registry: ports.token_registry.clone(),
                contexts: contexts.clone(),
            },
            export_user: ExportUser::new(ports, find_user.clone(), relationships.clone()),
            release_name: ReleaseName::new(ports),
            change_relationship: ChangeRelationship {
                relationships: relationships.clone(),
                contexts: contexts.clone(),
            },
            follow_many: FollowMany {
                relationships: relationships.clone(),
                contexts: contexts.clone(),
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
            maintain_follow_counts: MaintainFollowCounts {
                counts: ports.follow_count_maintenance.clone(),
                clock: ports.clock.clone(),
            },
            find_user,
        }
    }
}

#[cfg(test)]
mod tests;
