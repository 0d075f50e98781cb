//! Comments and documents are in plain English.

use std::fs;

use walkdir::{DirEntry, WalkDir};

use super::root;

/// Words and phrases of the project's former dialect.
const UNWANTED: [&str; 32] = [
    "anybody",
    "are told",
    "at an end",
    "at hand",
    "come and go",
    "comes to nothing",
    "everybody",
    "for good",
    "give back",
    "given back",
    "gives back",
    "heed",
    "heeds",
    "in vain",
    "is told",
    "knows of",
    "lest",
    "nobody",
    "of late",
    "of no use",
    "over its time",
    "over their time",
    "patience",
    "somebody",
    "thereof",
    "to no avail",
    "vouch",
    "vouched",
    "vouches",
    "whoever",
    "whom",
    "whomever",
];

/// A word in lower case with its line number. The text is empty where consecutive lines end.
type Word = (usize, String);

/// The paths of all source files and documents, relative to the root of the workspace.
fn files() -> Vec<String> {
    let is_source = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy();
        name != "target" && (entry.depth() == 0 || !name.starts_with('.'))
    };
    let files = WalkDir::new(root()).into_iter().filter_entry(is_source);
    files
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file())
        .map(|path| {
            path.strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The comments of a Rust file with their line numbers.
fn comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter_map(|(number, line)| {
        let whole_line = line.trim_start().strip_prefix("//");
        let comment = whole_line.or_else(|| line.split_once(" // ").map(|(_, comment)| comment))?;
        Some((number, comment.trim_start_matches(['/', '!'])))
    })
}

/// The lines of a Markdown file with their numbers. Published entries of the changelog are history and left out.
fn prose<'a>(path: &str, text: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let is_changelog = path == "CHANGELOG.md";
    (1..).zip(text.lines()).take_while(move |(_, line)| {
        let is_published = line.starts_with("## ") && !line.contains("Unreleased");
        !(is_changelog && is_published)
    })
}

/// The words of lines, without code.
fn words<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Word> {
    let (mut words, mut previous, mut is_code) = (Vec::new(), 0, false);
    for (number, line) in lines {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            if number != previous + 1 {
                words.push((number, String::new()));
            }
            previous = number;
            for text in line.split('`').step_by(2) {
                let found = text.split(|c: char| !c.is_alphanumeric());
                let found = found.filter(|word| !word.is_empty());
                words.extend(found.map(|word| (number, word.to_lowercase())));
            }
        }
    }
    words
}

/// The unwanted words and phrases, with the line where each starts.
fn unwanted(words: &[Word]) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for phrase in UNWANTED {
        let phrase_words: Vec<&str> = phrase.split(' ').collect();
        for window in words.windows(phrase_words.len()) {
            let texts = window.iter().map(|(_, text)| text.as_str());
            if texts.eq(phrase_words.iter().copied()) {
                found.push((window[0].0, phrase));
            }
        }
    }
    found.sort_unstable();
    found
}

#[test]
fn comments_and_documents_are_in_plain_english() {
    let mut found = Vec::new();
    for path in files() {
        let read = || fs::read_to_string(root().join(&path)).unwrap();
        let words = match path.rsplit_once('.') {
            Some((_, "rs")) => words(comments(&read())),
            Some((_, "md")) => words(prose(&path, &read())),
            _ => continue,
        };
        let lines = unwanted(&words).into_iter();
        found.extend(lines.map(|(line, phrase)| format!("{path}:{line}: {phrase}")));
    }
    assert!(
        found.is_empty(),
        "write plain English instead of these words:\n{}",
        found.join("\n")
    );
}

#[test]
fn unwanted_words_are_found_in_comments_and_prose_only() {
    let rust = "//! Nobody's\nlet whom = \"whoever\"; // of\n/// late `patience`\n// somebodyish\n";
    assert_eq!(
        unwanted(&words(comments(rust))),
        [(1, "nobody"), (2, "of late")]
    );
    let markdown = "In\nvain.\n```\npatience\n```\nAt Hand\n";
    let found = unwanted(&words(prose("a.md", markdown)));
    assert_eq!(found, [(1, "in vain"), (6, "at hand")]);
    let changelog = "## Unreleased\nwhom\n## 0.1.0\nwhom\n";
    let found = unwanted(&words(prose("CHANGELOG.md", changelog)));
    assert_eq!(found, [(2, "whom")]);
}
