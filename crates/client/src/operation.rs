//! The operations of the API that this client calls.
//!
//! The `operationId` of an operation in the OpenAPI document is the name of the method in camel case. A test compares
//! this table with the document: ids, methods, paths, and which operations take an `Idempotency-Key`.

use reqwest::Method;

/// What may be done after a request whose outcome is unknown: no response, a lost response, or a 504.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// The request changes nothing, so it may be repeated.
    Read,
    /// A write that is repeated under the same `Idempotency-Key`.
    Keyed,
    /// A write without a key that has the same effect when it is repeated.
    Idempotent,
    /// A write that must not be repeated unless it was certainly not done.
    Never,
}

/// One operation of the API.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The `operationId`.
    pub id: &'static str,
    /// The HTTP method.
    pub method: &'static Method,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// What may be done if its outcome is unknown.
    pub repetition: Repetition,
}

macro_rules! operations {
    ($($name:ident $id:literal $method:ident $path:literal $repetition:ident;)*) => {
        $(pub(crate) const $name: Operation = Operation {
            id: $id,
            method: &Method::$method,
            path: $path,
            repetition: Repetition::$repetition,
        };)*

        /// All operations of this client.
        pub const ALL: &[Operation] = &[$($name),*];
    };
}

operations! {
    ACKNOWLEDGE_ERASURE "acknowledgeErasure" PUT "/v1/erasures/{id}/acknowledgements/{consumer}" Keyed;
    ACTIVATE_USER "activateUser" POST "/v1/users/{id}/activate" Keyed;
    BATCH_FOLLOW "batchFollow" POST "/v1/relationships/batch" Idempotent;
    BATCH_GET_USERS "batchGetUsers" POST "/v1/users/batch" Read;
    BLOCK_USER "blockUser" PUT "/v1/users/{id}/blocks/{target}" Keyed;
    CLEAR_LOCKOUT "clearLockout" DELETE "/v1/users/{id}/lockout" Idempotent;
    COUNT_USERS "countUsers" GET "/v1/users/count" Read;
    CREATE_TOKEN "createToken" POST "/v1/tokens" Never;
    CREATE_USER "createUser" POST "/v1/users" Keyed;
    DELETE_ERASURE_CONSUMER "deleteErasureConsumer" DELETE "/v1/erasure-consumers/{name}" Keyed;
    DELETE_USER "deleteUser" DELETE "/v1/users/{id}" Keyed;
    EXPORT_USER "exportUser" GET "/v1/users/{id}/export" Read;
    FOLLOW_USER "followUser" PUT "/v1/users/{id}/following/{target}" Keyed;
    GET_ERASURE "getErasure" GET "/v1/erasures/{id}" Read;
    GET_LIVENESS "getLiveness" GET "/health/live" Read;
    GET_LOCKOUT "getLockout" GET "/v1/users/{id}/lockout" Read;
    GET_ME "getMe" GET "/v1/users/me" Read;
    GET_READINESS "getReadiness" GET "/health/ready" Read;
    GET_RELATIONSHIPS "getRelationships" GET "/v1/users/{id}/relationships" Read;
    GET_TOKEN "getToken" GET "/v1/tokens/{id}" Read;
    GET_USER "getUser" GET "/v1/users/{id}" Read;
    GET_USER_BY_EXTERNAL_ID "getUserByExternalId" GET "/v1/users/by-external-id/{external_id}" Read;
    GET_USER_BY_USERNAME "getUserByUsername" GET "/v1/users/by-username/{username}" Read;
    LIST_BLOCKS "listBlocks" GET "/v1/users/{id}/blocks" Read;
    LIST_ERASURES "listErasures" GET "/v1/erasures" Read;
    LIST_ERASURE_CONSUMERS "listErasureConsumers" GET "/v1/erasure-consumers" Read;
    LIST_EVENTS "listEvents" GET "/v1/events" Read;
    LIST_FOLLOWERS "listFollowers" GET "/v1/users/{id}/followers" Read;
    LIST_FOLLOWING "listFollowing" GET "/v1/users/{id}/following" Read;
    LIST_TOKENS "listTokens" GET "/v1/tokens" Read;
    LIST_USERS "listUsers" GET "/v1/users" Read;
    LIST_USER_HISTORY "listUserHistory" GET "/v1/users/{id}/history" Read;
    PUT_ERASURE_CONSUMER "putErasureConsumer" PUT "/v1/erasure-consumers/{name}" Keyed;
    REMOVE_PASSWORD "removePassword" DELETE "/v1/users/{id}/password" Keyed;
    REPLACE_USER "replaceUser" PUT "/v1/users/{id}" Keyed;
    RESTORE_USER "restoreUser" POST "/v1/users/{id}/restore" Keyed;
    REVOKE_TOKEN "revokeToken" DELETE "/v1/tokens/{id}" Keyed;
    SET_PASSWORD "setPassword" PUT "/v1/users/{id}/password" Keyed;
    SIGN_OUT "signOut" POST "/v1/users/{id}/sign-out" Keyed;
    SUSPEND_USER "suspendUser" POST "/v1/users/{id}/suspend" Keyed;
    UNBLOCK_USER "unblockUser" DELETE "/v1/users/{id}/blocks/{target}" Keyed;
    UNFOLLOW_USER "unfollowUser" DELETE "/v1/users/{id}/following/{target}" Keyed;
    UPDATE_ME "updateMe" PATCH "/v1/users/me" Keyed;
    UPDATE_USER "updateUser" PATCH "/v1/users/{id}" Keyed;
    VERIFY_CREDENTIALS "verifyCredentials" POST "/v1/credentials/verify" Never;
}
