//! The operations on users.

use reqwest::StatusCode;
use reqwest::header::{ETAG, IF_NONE_MATCH};
use serde::Deserialize;
use user_domain::values::UserId;

use crate::call::{Read, Write, nothing};
use crate::client::Client;
use crate::error::Error;
use crate::etag::{ETag, Versioned};
use crate::filter::UserFilter;
use crate::operation;
use crate::page::{Items, Page};
use crate::transport::Answer;
use crate::user::{User, UserSelection};
use crate::user_input::{NewSuspension, NewUser, UserPatch, UserReplacement};

/// The number of entries that a stream reads at once: the maximum of most lists.
pub(crate) const PAGE_SIZE: u32 = 200;
/// How often [`Client::edit_user`] repeats its change.
const MAX_EDITS: u32 = 8;

#[derive(Deserialize)]
struct UserPage {
    users: Vec<User>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

fn versioned(answer: &Answer) -> Result<Versioned<User>, Error> {
    let user: User = answer.json()?;
    let tag = match answer.header(&ETAG) {
        Some(tag) => ETag::from_header(tag),
        None => ETag::of_version(user.version),
    };
    Ok(Versioned::new(user, tag))
}

fn versioned_if_changed(answer: &Answer) -> Result<Option<Versioned<User>>, Error> {
    if answer.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    versioned(answer).map(Some)
}

pub(crate) fn page_of_users(answer: &Answer) -> Result<Page<User>, Error> {
    let page: UserPage = answer.json()?;
    Ok(Page::new(page.users, page.next_cursor))
}

impl Client {
    /// Creates a user. Requires the scope `users:write`, or an administrator.
    ///
    /// # Errors
    /// A conflict (409) if the username, the email address or the external id is taken; 422 with the invalid fields.
    pub fn create_user(&self, user: &NewUser) -> Write<Versioned<User>> {
        self.write(operation::CREATE_USER, &[], versioned)
            .change(|request| request.json(user))
    }

    /// Reads a user.
    ///
    /// # Errors
    /// Not found (404) if the user does not exist, is deleted, or is hidden from the caller.
    pub fn get_user(&self, id: UserId) -> Read<Versioned<User>> {
        self.read(operation::GET_USER, &[&id.to_string()], versioned)
    }

    /// Reads the user whose token the client has.
    ///
    /// # Errors
    /// 403 for a service token.
    pub fn get_me(&self) -> Read<Versioned<User>> {
        self.read(operation::GET_ME, &[], versioned)
    }

    /// Reads the user with this username, ignoring case.
    ///
    /// # Errors
    /// Not found (404).
    pub fn get_user_by_username(&self, username: &str) -> Read<Versioned<User>> {
        self.read(operation::GET_USER_BY_USERNAME, &[username], versioned)
    }

    /// Reads the user with this id in older systems. Requires `users:read`, or an administrator.
    ///
    /// # Errors
    /// Not found (404).
    pub fn get_user_by_external_id(&self, id: &str) -> Read<Versioned<User>> {
        self.read(operation::GET_USER_BY_EXTERNAL_ID, &[id], versioned)
    }

    /// Changes fields of a user.
    ///
    /// # Errors
    /// Not found (404), a conflict (409), a forbidden field (403), or an invalid one (422).
    pub fn update_user(&self, id: UserId, patch: &UserPatch) -> Write<Versioned<User>> {
        self.write(operation::UPDATE_USER, &[&id.to_string()], versioned)
            .change(|request| request.merge_patch(patch))
    }

    /// Changes fields of the user whose token the client has.
    ///
    /// # Errors
    /// Those of [`Client::update_user`].
    pub fn update_me(&self, patch: &UserPatch) -> Write<Versioned<User>> {
        self.write(operation::UPDATE_ME, &[], versioned)
            .change(|request| request.merge_patch(patch))
    }

    /// Saves the changes that were made to a user since it was read, unless it has been changed by others.
    ///
    /// It cannot set a member of the metadata to `null`, or to an object with such a member: in a merge patch, `null`
    /// removes. [`Client::replace_user`] can.
    ///
    /// # Errors
    /// [`is_changed_since`](Error::is_changed_since) if the user has changed, an invalid request for a `null` in the
    /// changes of the metadata, and those of [`Client::update_user`].
    pub fn save(&self, user: &Versioned<User>) -> Write<Versioned<User>> {
        let id = user.original().id.to_string();
        self.write(operation::UPDATE_USER, &[&id], versioned)
            .change(|request| request.merge_patch(&UserPatch::between(user.original(), user)?))
            .if_match(user.etag())
    }

    /// Reads a user, changes it and saves it; again from the start if it was changed by others in between.
    ///
    /// # Errors
    /// Those of [`Client::get_user`] and [`Client::save`]; the last one after eight attempts.
    pub async fn edit_user(
        &self,
        id: UserId,
        mut edit: impl FnMut(&mut User) + Send,
    ) -> Result<Versioned<User>, Error> {
        let mut attempt = 1;
        loop {
            let mut user = self.get_user(id).no_cache().await?;
            edit(&mut user);
            match self.save(&user).await {
                Err(error) if error.is_changed_since() && attempt < MAX_EDITS => attempt += 1,
                result => return result,
            }
        }
    }

    /// Replaces all fields of a user that the caller may write. The tag is that of the user as it was read.
    ///
    /// # Errors
    /// Those of [`Client::save`].
    pub fn replace_user(
        &self,
        id: UserId,
        replacement: &UserReplacement,
        tag: &ETag,
    ) -> Write<Versioned<User>> {
        self.write(operation::REPLACE_USER, &[&id.to_string()], versioned)
            .change(|request| request.json(replacement))
            .if_match(tag)
    }

    /// Deletes a user, which can be restored for 30 days. Its username and address stay reserved.
    ///
    /// # Errors
    /// Not found (404) if the user does not exist.
    pub fn delete_user(&self, id: UserId) -> Write<()> {
        self.write(operation::DELETE_USER, &[&id.to_string()], nothing)
    }

    /// Erases a user and everything that is stored about it. This cannot be undone. Requires `users:delete`.
    ///
    /// # Errors
    /// Not found (404) if the user does not exist.
    pub fn erase_user(&self, id: UserId) -> Write<()> {
        self.delete_user(id).change(|request| {
            request.query("erase", "true");
            Ok(())
        })
    }

    /// Restores a deleted user. Requires `users:delete`, or an administrator.
    ///
    /// # Errors
    /// Not found (404) if the user was not deleted, or is erased.
    pub fn restore_user(&self, id: UserId) -> Write<Versioned<User>> {
        self.write(operation::RESTORE_USER, &[&id.to_string()], versioned)
    }

    /// Suspends a user: its tokens are rejected. Requires `users:write`, or an administrator.
    ///
    /// # Errors
    /// Not found (404).
    pub fn suspend_user(&self, id: UserId, suspension: &NewSuspension) -> Write<Versioned<User>> {
        self.write(operation::SUSPEND_USER, &[&id.to_string()], versioned)
            .change(|request| request.json(suspension))
    }

    /// Ends the suspension of a user. Requires `users:write`, or an administrator.
    ///
    /// # Errors
    /// Not found (404).
    pub fn activate_user(&self, id: UserId) -> Write<Versioned<User>> {
        self.write(operation::ACTIVATE_USER, &[&id.to_string()], versioned)
    }

    /// Invalidates every token of a user that was issued until now. The response is delayed by up to a second.
    ///
    /// # Errors
    /// Not found (404).
    pub fn sign_out(&self, id: UserId) -> Write<Versioned<User>> {
        self.write(operation::SIGN_OUT, &[&id.to_string()], versioned)
    }

    /// Reads a page of users. Requires `users:read`, or an administrator.
    ///
    /// # Errors
    /// 403 if a filter needs `users:read_private`; 422 for an invalid filter.
    pub fn list_users(&self, filter: &UserFilter) -> Read<Page<User>> {
        self.read(operation::LIST_USERS, &[], page_of_users)
            .change(|request| {
                filter.add_filter_and_order(request);
                Ok(())
            })
    }

    /// Reads all users that pass a filter, page by page.
    ///
    /// ```no_run
    /// # async fn example(client: user_client::Client) -> Result<(), user_client::Error> {
    /// use user_client::UserFilter;
    ///
    /// let mut users = client.users(UserFilter::new());
    /// while let Some(user) = users.next().await {
    ///     println!("{}", user?.username);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn users(&self, filter: UserFilter) -> Items<User> {
        let client = self.clone();
        Items::new(move |cursor| client.list_users(&filter).at(cursor).limit(PAGE_SIZE))
    }

    /// Counts the users that pass a filter. Requires `users:read`, or an administrator.
    ///
    /// # Errors
    /// Those of [`Client::list_users`].
    pub fn count_users(&self, filter: &UserFilter) -> Read<u64> {
        self.read(operation::COUNT_USERS, &[], |answer| {
            Ok(answer.json::<Count>()?.count)
        })
        .change(|request| {
            filter.add_filter(request);
            Ok(())
        })
    }
}

impl Read<Versioned<User>> {
    /// Reads these fields only, by their dotted paths, such as `profile.name`. The id is always included.
    pub fn fields<F: AsRef<str>>(self, fields: impl IntoIterator<Item = F>) -> Read<UserSelection> {
        let selection: Read<UserSelection> = self.decoded(Answer::json);
        selection.fields(fields)
    }

    /// Includes how many users follow the user, and how many it follows.
    pub fn include_counts(self) -> Read<UserSelection> {
        self.decoded(Answer::json).change(|request| {
            request.query("include", "counts");
            Ok(())
        })
    }

    /// Reads the user only if it differs from what was read with this tag; otherwise the result is `None`.
    pub fn if_changed_since(self, tag: &ETag) -> Read<Option<Versioned<User>>> {
        self.decoded(versioned_if_changed).change(|request| {
            request.also_accepts = Some(StatusCode::NOT_MODIFIED);
            request.header(IF_NONE_MATCH, tag.as_str())
        })
    }
}

impl Read<UserSelection> {
    /// Reads these fields only, by their dotted paths, such as `profile.name`. The id is always included.
    pub fn fields<F: AsRef<str>>(self, fields: impl IntoIterator<Item = F>) -> Self {
        self.change(|request| {
            for field in fields {
                request.query("fields", field.as_ref());
            }
            Ok(())
        })
    }
}

impl<T: Send + 'static> Read<Page<T>> {
    /// Limits the entries of the page: at most 200 for most lists, 50 by default.
    pub fn limit(self, limit: u32) -> Self {
        self.change(|request| {
            request.query("limit", &limit.to_string());
            Ok(())
        })
    }

    /// Continues after the page that had this cursor. `None` reads the first page.
    pub fn at(self, cursor: Option<String>) -> Self {
        self.change(|request| {
            if let Some(cursor) = cursor {
                request.query("cursor", &cursor);
            }
            Ok(())
        })
    }
}
