//! A partial `PromQL` parser that finds the metrics and labels of an expression. `scripts/check-deploy` validates whole
//! expressions with Prometheus.

/// Keywords that can appear in the place of a metric name.
const KEYWORDS: [&str; 6] = ["and", "or", "unless", "bool", "offset", "inf"];
/// Keywords that precede labels in parentheses.
const BEFORE_LABELS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

/// A metric and its label matchers: label, operator, value.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) name: String,
    pub(super) matchers: Vec<(String, String, String)>,
}

/// The selectors and grouping labels of an expression.
#[derive(Debug, Default)]
pub(super) struct Expression {
    pub(super) selectors: Vec<Selector>,
    /// The labels to group or join by.
    pub(super) grouped: Vec<String>,
}

/// Parses an expression.
pub(super) fn parse(expression: &str) -> Expression {
    let mut parsed = Expression::default();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = rest.split_once(']').unwrap().1;
        } else if first.is_ascii_digit() {
            // A number or a duration.
            rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.');
        } else if first == '_' || first.is_ascii_alphabetic() {
            let (name, after) = name(rest);
            let next = after.trim_start();
            rest = after;
            if BEFORE_LABELS.contains(&name) {
                let (labels, after) = next.strip_prefix('(').unwrap().split_once(')').unwrap();
                let labels = labels
                    .split(',')
                    .map(str::trim)
                    .filter(|label| !label.is_empty());
                parsed.grouped.extend(labels.map(str::to_owned));
                rest = after;
            } else if !KEYWORDS.contains(&name) && !is_called(next) {
                let (matchers, after) = matchers(after);
                parsed.selectors.push(Selector {
                    name: name.to_owned(),
                    matchers,
                });
                rest = after;
            }
        } else {
            rest = &rest[first.len_utf8()..];
        }
    }
    parsed
}

/// Whether the text after a name makes it a function or an aggregation.
fn is_called(next: &str) -> bool {
    let (word, _) = name(next);
    next.starts_with('(') || ["by", "without"].contains(&word)
}

fn name(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Reads `{label="value",…}` at the start of a text and returns the rest.
fn matchers(text: &str) -> (Vec<(String, String, String)>, &str) {
    let mut matchers = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else {
        return (matchers, text);
    };
    loop {
        rest = rest.trim_start_matches([',', ' ', '\n']);
        if let Some(after) = rest.strip_prefix('}') {
            return (matchers, after);
        }
        let (label, after) = name(rest);
        let (operator, after) = after.split_once('"').unwrap();
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().unwrap() {
                (end, '"') => break end,
                (_, '\\') => value.push(characters.next().unwrap().1),
                (_, character) => value.push(character),
            }
        };
        matchers.push((label.to_owned(), operator.trim().to_owned(), value));
        rest = &after[end + 1..];
    }
}
