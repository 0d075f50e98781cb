//! The skeleton of a key (UTS 39, section 4), which keeps ASCII characters unchanged.

use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton as prototype;

/// The maximum number of mapping rounds. No character needs more than two.
const MAX_ROUNDS: usize = 8;

/// Returns the form that confusable names share: lower case, in NFD, and equal to its own skeleton.
pub(super) fn skeleton(key: &str) -> String {
    if key.is_ascii() {
        return key.to_ascii_lowercase();
    }
    let mut current = map(key);
    for _ in 0..MAX_ROUNDS {
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
    remove_redundant_dots(&mapped.nfd().collect::<String>())
}

/// Removes a combining dot above (U+0307) from `i` and `j`, because it does not change how they look.
fn remove_redundant_dots(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut dotted = false;
    for character in text.chars() {
        if character.is_ascii() {
            dotted = matches!(character, 'i' | 'j');
        }
        if !(dotted && character == '\u{307}') {
            result.push(character);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_skeleton_of_every_character_is_idempotent() {
        for character in '\0'..='\u{1ffff}' {
            let once = skeleton(&character.to_string());
            assert_eq!(map(&once), once, "{:x}", u32::from(character));
        }
    }
}
