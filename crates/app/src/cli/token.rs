//! The commands on service tokens, and their arguments.

use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use user_domain::service_token::TokenInput;

use super::help;

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Creates a service token and prints it. It cannot be displayed again.
    ///
    /// stdout contains only the token, or with --json an object with the token and its properties. The database stores
    /// only a digest. Running replicas accept the token at once.
    ///
    /// To rotate a token, create one with the same name and configure the service with it. When `token list` shows that
    /// the old one is not used any more, revoke it.
    #[command(after_help = help::TOKEN_CREATE)]
    Create(CreateTokenArguments),
    /// Lists service tokens, newest first, including expired and revoked ones.
    ///
    /// Prints a table on a terminal; otherwise, or with --json, one JSON object per line. At most 1000 tokens are
    /// listed. The time of the last use can be about a minute old. Tokens of `ALLOWED_API_TOKENS` are not listed.
    #[command(after_help = help::TOKEN_LIST)]
    List {
        /// Prints JSON also on a terminal
        #[arg(long)]
        json: bool,
    },
    /// Revokes a service token permanently.
    ///
    /// Every running replica refuses the token within a second. A repetition changes nothing.
    #[command(after_help = help::TOKEN_REVOKE)]
    Revoke {
        /// The id of the token, as `token list` shows it, or the token itself
        id: String,
    },
}

/// The arguments of `token create`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CreateTokenArguments {
    /// The name of the service: 1 to 64 characters of a-z 0-9 : _ . -
    ///
    /// Logs and events contain it. Several tokens may have the same name.
    #[arg(long)]
    pub(crate) name: String,
    /// A scope of the token; can be repeated, or several separated by commas
    #[arg(
        long = "scope",
        value_name = "SCOPE",
        required = true,
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(TokenInput::scope_names())
    )]
    pub(crate) scopes: Vec<String>,
    /// The lifetime: a number of minutes, hours, days or weeks, such as 30m, 12h, 90d or 52w, or never
    #[arg(long, value_name = "LIFETIME", value_parser = lifetime)]
    pub(crate) expires: Lifetime,
    /// Prints the token and its properties as a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The lifetime of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// It expires after this time.
    Limited(Duration),
    /// It is valid until it is revoked.
    Unlimited,
}

/// Parses `90d`, `12h`, `30m`, `52w` or `never`.
fn lifetime(text: &str) -> Result<Lifetime, String> {
    if text == "never" {
        return Ok(Lifetime::Unlimited);
    }
    let invalid = || "must be a number followed by m, h, d or w, such as 90d, or never".to_owned();
    let unit = text.chars().next_back().ok_or_else(invalid)?;
    let minutes: u64 = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        'w' => 7 * 24 * 60,
        _ => return Err(invalid()),
    };
    let number = text.strip_suffix(unit).ok_or_else(invalid)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let seconds = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(minutes * 60))
        .ok_or_else(|| "is too long".to_owned())?;
    Ok(Lifetime::Limited(Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_a_number_of_minutes_hours_days_or_weeks_or_never() {
        let parsed = |text: &str| match lifetime(text) {
            Ok(Lifetime::Limited(time)) => Some(time.as_secs()),
            Ok(Lifetime::Unlimited) => Some(0),
            Err(_) => None,
        };
        for (text, seconds) in [
            ("30m", 1800),
            ("12h", 43_200),
            ("90d", 7_776_000),
            ("52w", 31_449_600),
            ("never", 0),
        ] {
            assert_eq!(parsed(text), Some(seconds), "{text}");
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
            assert_eq!(parsed(text), None, "{text}");
        }
    }
}
