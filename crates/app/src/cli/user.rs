//! The commands on users, and their arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use user_domain::import::MatchBy;

use super::help;

#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Prints a user as JSON, with all its fields.
    ///
    /// On a terminal it is formatted; otherwise it is one line, which `user import` accepts. Deleted users are not
    /// found: use `user list --status deleted`.
    #[command(after_help = help::USER_GET)]
    Get {
        /// The id, username or email address of the user, or external:ID
        user: String,
    },
    /// Creates a user and prints it as JSON.
    ///
    /// Fields that are not given stay empty, as in `POST /v1/users`. Exits with 1 if the username or the email address
    /// is taken.
    #[command(after_help = help::USER_CREATE)]
    Create(CreateUserArguments),
    /// Lists users.
    ///
    /// Prints a table on a terminal; otherwise, or with --json, one JSON object per line, which `user import` accepts.
    #[command(after_help = help::USER_LIST)]
    List(Box<ListArguments>),
    /// Creates and changes many users from a file with one JSON object per line.
    ///
    /// A line is the body of `POST /v1/users`. It may also have `id`, `version`, `created_at`, `updated_at`,
    /// `deleted_at`, `tokens_valid_after`, `password_hash` and, for a deleted user, `standing` (the status after it is
    /// restored). `user export` writes such lines, without password hashes. Every line is validated like any other
    /// write; unknown members are refused.
    ///
    /// A password hash is stored if the user has no password, or has one that was imported and not used yet. Accepted
    /// are argon2, bcrypt, scrypt and PBKDF2 in PHC or crypt format, and the formats of Werkzeug.
    ///
    /// If a user has the `id` or `external_id` of the line, the line changes it: absent members stay as they are, and
    /// null clears. Its id and its existing times stay. Otherwise the line creates a user with the times of the line.
    ///
    /// A line is refused if its `username` or `email` belongs to another user; with --match-by, one of the two may
    /// identify the user instead. A line is also refused if its keys identify two different users, if an earlier line
    /// has the same user or a conflicting value, if a time is in the future, if its `id` or `external_id` belonged to
    /// an erased user, or if its user is deleted and the line has no `status`.
    ///
    /// An import can be repeated at any time: lines that were accepted before change nothing. Exits with 0 if every
    /// line was accepted, and with 1 if some lines were refused or the import was interrupted.
    #[command(after_help = help::USER_IMPORT)]
    Import(ImportArguments),
    /// Prints all users, one JSON object per line, as `user import` accepts them.
    ///
    /// The oldest user is first. Every user that exists during the whole export is printed exactly once, despite
    /// concurrent writes. The output contains email addresses and private metadata: set `umask 077` before you redirect
    /// it to a file.
    #[command(after_help = help::USER_EXPORT)]
    Export(ExportArguments),
    /// Gives a user a role. Use it to create the first administrator.
    ///
    /// Prints the id, username and roles of the user. A repetition changes nothing.
    #[command(after_help = help::USER_GRANT_ROLE)]
    GrantRole {
        /// The id, username or email address of the user, or external:ID
        user: String,
        /// The role, such as admin
        role: String,
    },
    /// Removes a role from a user, and prints the user as JSON.
    ///
    /// A repetition changes nothing. A former administrator is refused administrator access within a second.
    #[command(after_help = help::USER_REVOKE_ROLE)]
    RevokeRole {
        /// The id, username or email address of the user, or external:ID
        user: String,
        /// The role, such as admin
        role: String,
    },
    /// Suspends a user, and prints it as JSON.
    ///
    /// The tokens and the password of the user are refused until `user activate`, or until the suspension expires. A
    /// repetition changes nothing; a different reason or end replaces the previous one.
    #[command(after_help = help::USER_SUSPEND)]
    Suspend {
        /// The id, username or email address of the user, or external:ID
        user: String,
        /// The reason, at most 500 characters; the user and services can read it
        #[arg(long)]
        reason: Option<String>,
        /// When the suspension expires, such as 2027-01-31T12:00:00Z
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Ends the suspension of a user, and prints the user as JSON.
    ///
    /// A repetition changes nothing.
    #[command(after_help = help::USER_ACTIVATE)]
    Activate {
        /// The id, username or email address of the user, or external:ID
        user: String,
    },
    /// Deletes a user, and prints its id as JSON.
    ///
    /// The user can be restored for 30 days, and is erased after that. To erase a user that is already deleted, use its
    /// id: `user list --status deleted` shows it.
    #[command(after_help = help::USER_DELETE)]
    Delete {
        /// The id, username or email address of the user, or external:ID
        user: String,
        /// Erases the user now: it cannot be restored, and an import never accepts its ids again
        #[arg(long)]
        erase: bool,
    },
    /// Frees a username that is reserved for its former holder.
    ///
    /// A released username is reserved for 90 days, and so are the usernames that look like it. Prints one line for
    /// each reservation that it ended: the username (- if its holder was erased), the id of the former holder, and the
    /// start of the reservation. A username that a user has is not changed. A repetition changes nothing.
    #[command(after_help = help::USER_RELEASE_NAME)]
    ReleaseName {
        /// The username, in upper or lower case
        name: String,
    },
    /// Shows whether failed logins lock a user out.
    ///
    /// Prints the id of the user, the number of consecutive failures, until when all logins are refused (- if they are
    /// not), and the number of sources from which logins are refused at the moment.
    #[command(after_help = help::USER_LOCKOUT)]
    Lockout {
        /// The id, username or email address of the user, or external:ID
        user: String,
    },
    /// Deletes the record of failed logins of a user, so that the user can log in at once.
    ///
    /// Prints the id of the user. A repetition changes nothing.
    #[command(after_help = help::USER_UNLOCK)]
    Unlock {
        /// The id, username or email address of the user, or external:ID
        user: String,
    },
}

/// The arguments of `user create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateUserArguments {
    /// The username
    pub(crate) username: String,
    /// The email address
    #[arg(value_hint = ValueHint::EmailAddress)]
    pub(crate) email: String,
    /// Marks the email address as verified
    #[arg(long)]
    pub(crate) email_verified: bool,
    /// The display name
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The older id that the platform uses
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// A role, such as admin; can be repeated, or several separated by commas
    #[arg(long = "role", value_name = "ROLE", value_delimiter = ',')]
    pub(crate) roles: Vec<String>,
    /// Reads a password from the first line of stdin
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

/// The arguments of `user list`. Each except the last two is a parameter of `GET /v1/users`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ListArguments {
    /// active, suspended, deleted, or several separated by commas [default: active,suspended]
    #[arg(long, value_delimiter = ',')]
    pub(crate) status: Vec<String>,
    /// Users with this role, or with one of several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) role: Vec<String>,
    /// Users created at this time or later, such as 2026-11-23T00:00:00Z or 2026-11-23
    #[arg(long, value_name = "TIME")]
    pub(crate) created_since: Option<String>,
    /// Users created before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) created_until: Option<String>,
    /// Users last changed at this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_since: Option<String>,
    /// Users last changed before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_until: Option<String>,
    /// The user with this email address
    #[arg(long, value_hint = ValueHint::EmailAddress)]
    pub(crate) email: Option<String>,
    /// The user with this `external_id`
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Users with a username that starts with this text, in upper or lower case
    #[arg(long, value_name = "TEXT")]
    pub(crate) username_prefix: Option<String>,
    /// Users with a username or name that contains this text, in upper or lower case: 2 to 64 characters (1 of Han,
    /// Hangul or Kana)
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) q: Option<String>,
    /// The order
    #[arg(
        long,
        allow_hyphen_values = true,
        default_value = "-created_at",
        value_name = "-created_at|created_at|username|updated_at"
    )]
    pub(crate) sort: String,
    /// The maximum number of users
    #[arg(short = 'n', long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Prints JSON also on a terminal
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `user import`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArguments {
    /// The file, or - for stdin
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Prints what the import would do, and writes nothing
    ///
    /// Prints a line for each user that would be created (with its username) or changed (with its id and the fields).
    /// The import then does exactly this, unless the users change in between.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Lets a line identify an existing user by this value alone
    ///
    /// Without it, only `id` and `external_id` identify an existing user. Use it only if you know that equal values
    /// mean the same person: another person may have registered with the email address or the username.
    #[arg(long, value_enum, value_name = "VALUE")]
    pub(crate) match_by: Option<MatchValue>,
    /// Writes the result of each line to this file, one JSON object per line
    ///
    /// A result has `line`, `outcome` (created, updated, unchanged, refused), the `id` of the user, and the `changed`
    /// fields or `errors` with JSON pointers. It is written after the user is committed to the database. The file must
    /// not exist, except with --resume. Only its owner can read it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) results: Option<PathBuf>,
    /// Continues after the last line in the results
    ///
    /// For an import that was interrupted. If there are no results, it starts with the first line. A file with other
    /// content is refused and not changed. A dry run cannot be resumed, since it wrote nothing.
    #[arg(long, requires = "results", conflicts_with = "dry_run")]
    pub(crate) resume: bool,
}

/// A value by which a line of an import can identify an existing user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchValue {
    /// The email address, in upper or lower case
    Email,
    /// The username, in upper or lower case
    Username,
}

impl From<MatchValue> for MatchBy {
    fn from(value: MatchValue) -> Self {
        match value {
            MatchValue::Email => Self::Email,
            MatchValue::Username => Self::Username,
        }
    }
}

/// The arguments of `user export`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArguments {
    /// active, suspended, deleted, or several separated by commas
    #[arg(long, value_delimiter = ',', default_value = "active,suspended")]
    pub(crate) status: Vec<String>,
}
