//! Preparation of names for the contextual rules of RFC 5892.

/// A letter that no contextual rule concerns.
const NEUTRAL: char = 'x';

/// Converts a name to a form with the same result of the contextual rules, at linear cost.
///
/// The rules of the Katakana middle dot and of the two sets of Arabic digits scan the whole text for each occurrence.
/// Their result does not depend on the position, so one occurrence per set is enough. The rule of the middle dot
/// accepts only the lower-case l of domain names.
pub(super) fn simplified(name: &str) -> String {
    let mut seen = [false; 3];
    let characters = name.chars().map(|character| {
        let set = match character {
            '\u{30fb}' => 0,
            '\u{660}'..='\u{669}' => 1,
            '\u{6f0}'..='\u{6f9}' => 2,
            _ => return character,
        };
        match seen.get_mut(set) {
            Some(seen) if *seen => NEUTRAL,
            Some(seen) => {
                *seen = true;
                character
            }
            None => character,
        }
    });
    let simplified: String = characters.collect();
    simplified.replace("L·", "l·").replace("·L", "·l")
}

#[cfg(test)]
mod tests {
    use precis_profiles::precis_core::{IdentifierClass, StringClass as _};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_contextual_rules_accept_the_simplified_form_if_they_accept_the_name(
            name in "[alア・٠٩۰۹\u{b7}\u{375}α\u{5f3}\u{5f4}א\u{200c}\u{200d}\u{94d}क\u{628}\u{64b}]{0,10}",
        ) {
            let allows = |text: &str| IdentifierClass::default().allows(text).is_ok();
            prop_assert_eq!(allows(&simplified(&name)), allows(&name));
        }
    }
}
