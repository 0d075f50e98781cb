//! Follows and blocks.

use serde::{Deserialize, Serialize};
use user_domain::values::{Timestamp, UserId};

use crate::call::{Read, Write, nothing};
use crate::client::Client;
use crate::error::Error;
use crate::operation;
use crate::page::{Items, Page};
use crate::problem::Code;
use crate::transport::Answer;
use crate::user::User;
use crate::users::{PAGE_SIZE, page_of_users};

/// A user that another user follows, is followed by, or blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RelatedUser {
    /// The id.
    pub id: UserId,
    /// The username. In a list of blocks, that at the time of the block, and `None` if the user was not visible then.
    pub username: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

/// How a user is related to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Relationship {
    /// The other user.
    pub id: UserId,
    /// Whether the user follows the other one.
    pub following: bool,
    /// Whether the other one follows the user.
    pub followed_by: bool,
    /// Whether the user blocks the other one.
    pub blocking: bool,
}

/// A follow to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FollowPair {
    /// The user that follows.
    pub follower: UserId,
    /// The user that is followed.
    pub target: UserId,
}

/// The result of one follow of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowResult {
    /// The follow exists.
    Follows {
        /// Whether it is new.
        is_new: bool,
    },
    /// The follow is not possible.
    Refused {
        /// The status that a single request would have.
        status: u16,
        /// The code that a single request would have.
        code: Code,
        /// The reason as a sentence.
        detail: String,
    },
}

#[derive(Serialize)]
struct FollowBatchRequest<'a> {
    edges: &'a [FollowPair],
}

#[derive(Deserialize)]
struct FollowBatchResponse {
    results: Vec<FollowOutcome>,
}

#[derive(Deserialize)]
struct FollowOutcome {
    status: u16,
    #[serde(default)]
    changed: bool,
    code: Option<Code>,
    #[serde(default)]
    detail: String,
}

#[derive(Deserialize)]
struct BlockedUserList {
    users: Vec<RelatedUser>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct RelationshipList {
    relationships: Vec<Option<Relationship>>,
}

fn page_of_blocks(answer: &Answer) -> Result<Page<RelatedUser>, Error> {
    let page: BlockedUserList = answer.json()?;
    Ok(Page::new(page.users, page.next_cursor))
}

fn relationships(answer: &Answer) -> Result<Vec<Option<Relationship>>, Error> {
    Ok(answer.json::<RelationshipList>()?.relationships)
}

fn follow_results(answer: &Answer) -> Result<Vec<FollowResult>, Error> {
    let results = answer.json::<FollowBatchResponse>()?.results.into_iter();
    let result = |outcome: FollowOutcome| match outcome.code {
        None => FollowResult::Follows {
            is_new: outcome.changed,
        },
        Some(code) => FollowResult::Refused {
            status: outcome.status,
            code,
            detail: outcome.detail,
        },
    };
    Ok(results.map(result).collect())
}

impl Client {
    /// Lets a user follow another one. A repetition changes nothing.
    ///
    /// # Errors
    /// Not found (404) if either user is deleted or blocks the other; 422 if both are the same.
    pub fn follow_user(&self, id: UserId, target: UserId) -> Write<()> {
        let arguments = [id.to_string(), target.to_string()];
        self.write(
            operation::FOLLOW_USER,
            &arguments.each_ref().map(String::as_str),
            nothing,
        )
    }

    /// Ends a follow. A repetition changes nothing.
    ///
    /// # Errors
    /// Not found (404) if either user is deleted, or the target blocks the user.
    pub fn unfollow_user(&self, id: UserId, target: UserId) -> Write<()> {
        let arguments = [id.to_string(), target.to_string()];
        self.write(
            operation::UNFOLLOW_USER,
            &arguments.each_ref().map(String::as_str),
            nothing,
        )
    }

    /// Blocks another user: both become invisible to each other, and their follows end. The target may be any id.
    ///
    /// # Errors
    /// 422 if both are the same, or the user blocks 10,000 others.
    pub fn block_user(&self, id: UserId, target: UserId) -> Write<()> {
        let arguments = [id.to_string(), target.to_string()];
        self.write(
            operation::BLOCK_USER,
            &arguments.each_ref().map(String::as_str),
            nothing,
        )
    }

    /// Ends a block. The follows that it ended are not restored.
    ///
    /// # Errors
    /// Not found (404) if the user does not exist.
    pub fn unblock_user(&self, id: UserId, target: UserId) -> Write<()> {
        let arguments = [id.to_string(), target.to_string()];
        self.write(
            operation::UNBLOCK_USER,
            &arguments.each_ref().map(String::as_str),
            nothing,
        )
    }

    /// Creates up to 1,000 follows, with one result each in their order. All that are possible are created together, or
    /// none. A repetition changes nothing. Requires `relationships:write`.
    ///
    /// # Errors
    /// 422 for more than 1,000 follows.
    pub fn batch_follow(&self, follows: &[FollowPair]) -> Write<Vec<FollowResult>> {
        self.write(operation::BATCH_FOLLOW, &[], follow_results)
            .change(|request| request.json(&FollowBatchRequest { edges: follows }))
    }

    /// Reads a page of the followers of a user, newest first, each in the public view.
    ///
    /// # Errors
    /// Not found (404).
    pub fn list_followers(&self, id: UserId) -> Read<Page<User>> {
        self.read(operation::LIST_FOLLOWERS, &[&id.to_string()], page_of_users)
    }

    /// Reads all followers of a user, newest first.
    pub fn followers(&self, id: UserId) -> Items<User> {
        let client = self.clone();
        Items::new(move |cursor| client.list_followers(id).at(cursor).limit(PAGE_SIZE))
    }

    /// Reads a page of the users that a user follows, newest first, each in the public view.
    ///
    /// # Errors
    /// Not found (404).
    pub fn list_following(&self, id: UserId) -> Read<Page<User>> {
        self.read(operation::LIST_FOLLOWING, &[&id.to_string()], page_of_users)
    }

    /// Reads all users that a user follows, newest first.
    pub fn following(&self, id: UserId) -> Items<User> {
        let client = self.clone();
        Items::new(move |cursor| client.list_following(id).at(cursor).limit(PAGE_SIZE))
    }

    /// Reads a page of the users that a user blocks, newest first.
    ///
    /// # Errors
    /// 403 for other users, and for services without `users:read_private`.
    pub fn list_blocks(&self, id: UserId) -> Read<Page<RelatedUser>> {
        self.read(operation::LIST_BLOCKS, &[&id.to_string()], page_of_blocks)
    }

    /// Reads all users that a user blocks, newest first.
    pub fn blocks(&self, id: UserId) -> Items<RelatedUser> {
        let client = self.clone();
        Items::new(move |cursor| client.list_blocks(id).at(cursor).limit(PAGE_SIZE))
    }

    /// Reads how a user is related to up to 200 others, in their order. A user that is unknown or hidden is `None`.
    ///
    /// # Errors
    /// 403 for other users, and for services without `users:read_private`.
    pub fn get_relationships(
        &self,
        id: UserId,
        others: impl IntoIterator<Item = UserId>,
    ) -> Read<Vec<Option<Relationship>>> {
        self.read(
            operation::GET_RELATIONSHIPS,
            &[&id.to_string()],
            relationships,
        )
        .change(|request| {
            for other in others {
                request.query("with", &other.to_string());
            }
            Ok(())
        })
    }
}
