//! The list of common passwords.

/// One case-folded password per line, sorted by bytes for binary search.
const COMMON: &str = include_str!("common.txt");

/// Whether a case-folded password is on the list.
pub(super) fn is_common(folded: &str) -> bool {
    let mut rest = COMMON;
    while !rest.is_empty() {
        let (before, line, after) = split_at_middle_line(rest);
        match folded.cmp(line) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => rest = before,
            std::cmp::Ordering::Greater => rest = after,
        }
    }
    false
}

/// Splits lines into those before the middle line, the middle line, and those after it.
fn split_at_middle_line(lines: &str) -> (&str, &str, &str) {
    let (left, right) = lines.split_at(lines.floor_char_boundary(lines.len() / 2));
    let start = left.rfind('\n').map_or(0, |end| end + 1);
    let (before, from_line) = lines.split_at(start);
    let length = right
        .find('\n')
        .map_or(from_line.len(), |end| left.len() - start + end);
    let (line, after) = from_line.split_at(length);
    (before, line, after.strip_prefix('\n').unwrap_or(after))
}

#[cfg(test)]
mod tests {
    use super::super::super::fold;
    use super::*;

    #[test]
    fn the_list_is_folded_and_sorted_and_each_entry_is_found() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 8000, "{}", lines.len());
        assert!(lines.is_sorted_by(|one, next| one < next));
        for line in lines {
            assert!(line.chars().count() >= 8 && fold(line) == line, "{line}");
            assert!(is_common(line), "{line}");
        }
    }

    #[test]
    fn texts_between_before_and_after_the_entries_are_not_found() {
        for line in COMMON.lines() {
            for other in [format!("{line}\u{1}"), format!("{line}\n")] {
                assert!(!is_common(&other), "{other:?}");
            }
        }
        for text in ["", "\n", " ", "\u{10ffff}", "correct horse battery staple"] {
            assert!(!is_common(text), "{text:?}");
        }
    }
}
