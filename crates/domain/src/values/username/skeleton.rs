//! The skeleton of a key (UTS 39, section 4), for ASCII characters left as they are.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton as prototype;

/// How often the mapping is applied at most; two rounds are the most any character needs.
const ROUNDS: usize = 8;

/// The form that look-alikes have in common: lower-case, NFD, and a skeleton of itself.
pub(super) fn skeleton(key: &str) -> String {
    if key.is_ascii() {
        return key.to_ascii_lowercase();
    }
    let mut current = map(key);
    for _ in 0..ROUNDS {
        let next = map(&current);
        if next == current {
            break;
        }
        current = next;
    }
    current
}

fn map(text: &str) -> String {
    let mut mapped = String::with_capacity(text.len());
    for character in text.nfd() {
        if character.is_ascii() {
            mapped.push(character.to_ascii_lowercase());
        } else {
            let mut buffer = [0; 4];
            mapped
                .extend(prototype(character.encode_utf8(&mut buffer)).flat_map(char::to_lowercase));
        }
    }
    without_second_dots(&mapped.nfd().collect::<String>())
}

/// Drops a dot above `i` and `j`, which have one already: `i` and `i` with U+0307 look the same.
fn without_second_dots(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut dotted = false;
    for character in text.chars() {
        if character.is_ascii() {
            dotted = matches!(character, 'i' | 'j');
        }
        if !(dotted && character == '\u{307}') {
            kept.push(character);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skeleton_of_any_characters_skeleton_is_itself() {
        for character in '\0'..='\u{1ffff}' {
            let once = skeleton(&character.to_string());
            assert_eq!(map(&once), once, "{:x}", u32::from(character));
        }
    }
}
