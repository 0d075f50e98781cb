//! The commands on events, and their arguments.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};

use super::help;
use crate::http_client::base_url;

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Follows the events of a running service, and prints each as one line of JSON (CloudEvents 1.0).
    ///
    /// Asks the service on this machine over HTTP (`HOST` and `PORT`), or the one at --url. While the service does not
    /// answer, it tries again and reports the cause on stderr. No event is missing and none is printed twice.
    ///
    /// Ends with 0 after SIGINT or SIGTERM, and if the reader of its output ends. Ends with 1 if the service refuses the
    /// token, a parameter or the position (410). Before it ends, it prints the position on stderr. The next call
    /// continues there with --from.
    #[command(after_help = help::EVENTS_TAIL)]
    Tail(TailArguments),
}

/// The arguments of `events tail`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TailArguments {
    /// A file with a service token that has the scope events:read; - reads it from stdin
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) token_file: PathBuf,
    /// Where to start: a cursor, oldest (the oldest event that is kept) or now (later events only)
    #[arg(long, value_name = "CURSOR", default_value = "now")]
    pub(crate) from: String,
    /// A type of events to print, such as user.created; can be repeated, or several separated by commas
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
    /// Prints only events about the user with this id
    #[arg(long, value_name = "ID")]
    pub(crate) subject: Option<String>,
    /// Adds the user, as it is when the event is read. Requires the scope users:read
    #[arg(long, value_parser = PossibleValuesParser::new(["user"]))]
    pub(crate) include: Option<String>,
    /// The address of the service, with the path prefix of its gateway if it has one
    #[arg(long, value_hint = ValueHint::Url, value_parser = url)]
    pub(crate) url: Option<String>,
}

fn url(text: &str) -> Result<String, String> {
    base_url(text, "--token-file")
}
