//! The commands on users, and what they may be told.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::{Outcome, help};
use crate::commands;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Prints a user as JSON, with all that is kept of it.
    ///
    /// On a terminal with line breaks, otherwise as one line, which `user import` takes. Deleted users are not found:
    /// see `user list --status deleted`.
    #[command(after_help = help::USER_GET)]
    Get {
        /// The user's id, username, email address, or external:ID.
        user: String,
    },
    /// Lists users.
    ///
    /// A table on a terminal; otherwise, or with --json, a line of JSON a user, which `user import` takes.
    #[command(after_help = help::USER_LIST)]
    List(Box<ListArguments>),
    /// Makes and changes many users, from a file of a line of JSON each.
    ///
    /// A line is the body of `POST /v1/users`, and may have `id`, `version`, `created_at`, `updated_at`, `deleted_at`,
    /// `tokens_valid_after`, `password_hash` and, of a deleted user, `standing` (the status once it is restored).
    /// `user export` writes such lines, without hashes. A hash is taken over where the user has no password, or one that
    /// was imported and not used yet: argon2,
    /// bcrypt, scrypt and PBKDF2 in PHC or crypt form, and what Werkzeug makes. Each is checked like any other write; unknown members are refused.
    ///
    /// Who has the line's `id`, `external_id`, `username` or `email` is changed to what the line says: absent members
    /// stay, null clears. Its id and the times of its past stay. Who is not there is made, with the past that the line
    /// tells of. A line whose keys name two users is refused; so is one of a deleted user that says no `status`.
    ///
    /// Running it again is always right: lines that were taken are found unchanged. Exits with 0 if every line was
    /// taken, and with 1 if some were refused or the import could not go on.
    #[command(after_help = help::USER_IMPORT)]
    Import(ImportArguments),
    /// Prints all users, a line of JSON each, as `user import` takes them.
    ///
    /// The oldest first. Every user that is there from beginning to end is printed once, whatever is written meanwhile.
    /// Addresses and private metadata are among it: `umask 077` before a redirection keeps the file to its owner.
    #[command(after_help = help::USER_EXPORT)]
    Export(ExportArguments),
    /// Gives a user a role: how the first administrator is made.
    ///
    /// Prints the user's id, name and roles. Doing it again changes nothing.
    #[command(after_help = help::USER_GRANT_ROLE)]
    GrantRole {
        /// The user's id, username or email address.
        user: String,
        /// The role, such as admin.
        role: String,
    },
    /// Shows whether a user is kept out by failed tries to be let in.
    ///
    /// Prints the user's id, the failures in a row, until when all tries are refused (or -), and from how many sources
    /// they are refused just now.
    #[command(after_help = help::USER_LOCKOUT)]
    Lockout {
        /// The user's id, username, email address, or external:ID.
        user: String,
    },
    /// Forgets the failed tries at a user, so that it can be let in at once.
    ///
    /// Prints the user's id. Doing it again changes nothing.
    #[command(after_help = help::USER_UNLOCK)]
    Unlock {
        /// The user's id, username, email address, or external:ID.
        user: String,
    },
}

/// What `user list` is told; each but the last two is a parameter of `GET /v1/users`.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ListArguments {
    /// active, suspended, deleted, or several with commas between [default: active,suspended]
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Who has this role
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Who was made at this moment or later, such as 2026-11-23T00:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) created_since: Option<String>,
    /// Who changed at this moment or later
    #[arg(long, value_name = "TIME")]
    pub(crate) updated_since: Option<String>,
    /// Whose address this is
    #[arg(long, value_hint = ValueHint::EmailAddress)]
    pub(crate) email: Option<String>,
    /// Whose older id this is
    #[arg(long, value_name = "ID")]
    pub(crate) external_id: Option<String>,
    /// Whose name begins so, in any case
    #[arg(long, value_name = "TEXT")]
    pub(crate) username_prefix: Option<String>,
    /// Whose username or name holds this text, of 2 to 64 characters, in any case
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) q: Option<String>,
    /// In which order
    #[arg(
        long,
        allow_hyphen_values = true,
        default_value = "-created_at",
        value_name = "-created_at|created_at|username|updated_at"
    )]
    pub(crate) sort: String,
    /// How many at most
    #[arg(short = 'n', long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Prints JSON on a terminal too
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `user import` is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImportArguments {
    /// The file; - is stdin
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Tells what would be done, and writes nothing
    ///
    /// Lines that contradict each other are told only if they stand close together.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Writes what became of each line into this file, a line of JSON each
    ///
    /// `line`, `outcome` (created, updated, unchanged, refused), `id` of the user, or `errors` with JSON pointers. A
    /// line is written once its user is in the database for certain. The file must not be there yet, unless --resume
    /// goes on with it; only its owner may read it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) results: Option<PathBuf>,
    /// Goes on behind the last line that the results tell of
    ///
    /// For an import that was stopped or killed. Without earlier results it begins at the beginning.
    /// A file that holds something else is refused and left as it is.
    #[arg(long, requires = "results")]
    pub(crate) resume: bool,
}

/// What `user export` is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArguments {
    /// active, suspended, deleted, or several with commas between
    #[arg(long, default_value = "active,suspended")]
    pub(crate) status: String,
}

impl User {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Get { user } => commands::user::get::run(&user).await,
            Self::List(arguments) => commands::user::list::run(&arguments).await,
            Self::Import(arguments) => commands::user::import::run(&arguments).await,
            Self::Export(arguments) => commands::user::export::run(&arguments).await,
            Self::Lockout { user } => commands::user::lockout::show(&user).await,
            Self::Unlock { user } => commands::user::lockout::clear(&user).await,
            Self::GrantRole { user, role } => commands::user::grant_role::run(&user, &role).await,
        }
    }
}
