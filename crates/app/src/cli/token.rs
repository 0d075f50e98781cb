//! The commands on the tokens of services, and what they may be told.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use user_domain::service_token::TokenInput;

use super::{Outcome, help};
use crate::commands;

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Makes a token of a service, and prints it: the only time that anybody sees it.
    ///
    /// stdout has the token and nothing else, or with --json one object with all there is to know of it. What is kept is
    /// a digest. A running service knows the token at once. To rotate one: make the next with the same name, hand it to
    /// the service, see in `token list` that the old one is not used any more, and revoke that.
    #[command(after_help = help::TOKEN_CREATE)]
    Create(CreateTokenArguments),
    /// Lists the tokens of services, the newest first, ended and revoked ones included.
    ///
    /// A table on a terminal; otherwise, or with --json, a line of JSON a token. The last use is known to within about a
    /// minute. Those of `ALLOWED_API_TOKENS` are not among them. At most 1000.
    #[command(after_help = help::TOKEN_LIST)]
    List {
        /// Prints JSON on a terminal too
        #[arg(long)]
        json: bool,
    },
    /// Revokes a token of a service, for good.
    ///
    /// Every running replica refuses it within a second. Doing it again changes nothing.
    #[command(after_help = help::TOKEN_REVOKE)]
    Revoke {
        /// The token's id, as `token list` shows it, or the token itself
        id: String,
    },
}

/// What `token create` is told.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateTokenArguments {
    /// The service that it is for: 1 to 64 of a-z 0-9 : _ . -
    ///
    /// Logs and events name it so. Several tokens may have one name.
    #[arg(long)]
    pub(crate) name: String,
    /// What it admits to; may be given several times, or several with commas between
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(TokenInput::scope_names())
    )]
    pub(crate) scopes: Vec<String>,
    /// When it ends: 90d, 12h, 30m, 52w, or never
    #[arg(long, value_name = "IN", value_parser = lifetime)]
    pub(crate) expires: Lifetime,
    /// Prints all there is to know of it as one object of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long a token is to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// So long.
    For(Duration),
    /// Until it is revoked.
    Ever,
}

impl Token {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create(arguments) => commands::token::create::run(&arguments).await,
            Self::List { json } => commands::token::list::run(json).await,
            Self::Revoke { id } => commands::token::revoke::run(&id).await,
        }
    }
}

/// Reads `90d`, `12h`, `30m`, `52w` or `never`.
fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Ever);
    }
    let wrong = || "give a number and one of m, h, d and w, such as 90d, or never".to_owned();
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let minutes: u64 = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).ok_or_else(wrong)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(minutes * 60))
        .ok_or_else(|| "that is too long".to_owned())?;
    Ok(Lifetime::For(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_of_minutes_hours_days_or_weeks_or_never() {
        let lasts = |text: &str| match lifetime(text) {
            Ok(Lifetime::For(time)) => Some(time.as_secs()),
            Ok(Lifetime::Ever) => Some(0),
            Err(_) => None,
        };
        for (text, seconds) in [
            ("30m", 1800),
            ("12h", 43_200),
            ("90d", 7_776_000),
            ("52w", 31_449_600),
            ("never", 0),
        ] {
            assert_eq!(lasts(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "d",
            "90",
            "90s",
            "90 d",
            "-1d",
            "+1d",
            "1.5d",
            "90D",
            "Never",
            "90é",
            "99999999999999999999d",
            "18446744073709551615w",
        ] {
            assert_eq!(lasts(text), None, "{text}");
        }
    }
}
