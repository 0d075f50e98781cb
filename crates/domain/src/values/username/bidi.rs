//! The Bidi rule (RFC 5893, section 2) for names with letters of right-to-left scripts.
//!
//! The implementation in precis-profiles rejects a letter after a nonspacing mark, and thus most names with vowel
//! marks.

use icu_properties::CodePointMapData;
use icu_properties::props::BidiClass;

/// Whether a text satisfies the Bidi rule. It applies only to texts with a character of class R, AL or AN
/// (RFC 8265, section 3.3.2).
///
/// Such a text must start with R or AL (condition 1), because conditions 5 and 6 exclude these classes from
/// left-to-right texts.
pub(super) fn satisfies_bidi_rule(text: &str) -> bool {
    let classes = || text.chars().map(bidi_class);
    let any_of = |wanted: &[BidiClass]| classes().any(|class| wanted.contains(&class));
    if !any_of(&RIGHT_TO_LEFT) {
        return true;
    }
    let begins_right_to_left = classes()
        .next()
        .is_some_and(|first| matches!(first, BidiClass::RightToLeft | BidiClass::ArabicLetter));
    let ends_well = classes()
        .rfind(|class| *class != BidiClass::NonspacingMark)
        .is_some_and(|last| last == BidiClass::EuropeanNumber || RIGHT_TO_LEFT.contains(&last));
    begins_right_to_left
        && classes().all(|class| CONDITION_2.contains(&class))
        && ends_well
        && !(any_of(&[BidiClass::EuropeanNumber]) && any_of(&[BidiClass::ArabicNumber]))
}

/// The classes that make a text right-to-left.
const RIGHT_TO_LEFT: [BidiClass; 3] = [
    BidiClass::RightToLeft,
    BidiClass::ArabicLetter,
    BidiClass::ArabicNumber,
];

/// The classes that a right-to-left text may contain.
const CONDITION_2: [BidiClass; 10] = [
    BidiClass::RightToLeft,
    BidiClass::ArabicLetter,
    BidiClass::ArabicNumber,
    BidiClass::EuropeanNumber,
    BidiClass::EuropeanSeparator,
    BidiClass::CommonSeparator,
    BidiClass::EuropeanTerminator,
    BidiClass::OtherNeutral,
    BidiClass::BoundaryNeutral,
    BidiClass::NonspacingMark,
];

fn bidi_class(character: char) -> BidiClass {
    CodePointMapData::<BidiClass>::new().get(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    // One character of each class.
    const L: char = 'a';
    const R: char = '\u{5d3}';
    const AL: char = '\u{645}';
    const AN: char = '\u{661}';
    const EN: char = '1';
    const ES: char = '-';
    const CS: char = '.';
    const ET: char = '%';
    const ON: char = '!';
    const BN: char = '\u{200c}';
    const NSM: char = '\u{64f}';
    const WS: char = ' ';

    fn satisfied(characters: &[char]) -> bool {
        satisfies_bidi_rule(&characters.iter().collect::<String>())
    }

    #[test]
    fn a_text_without_right_to_left_characters_is_accepted() {
        for text in [&[EN, L][..], &[L, WS, NSM, ON], &[NSM], &[]] {
            assert!(satisfied(text), "{text:?}");
        }
    }

    #[test]
    fn condition_1_the_first_character_is_a_right_to_left_letter() {
        assert!(satisfied(&[R, R]) && satisfied(&[AL, AL]));
        for first in [L, AN, EN, ES, CS, ET, ON, BN, NSM, WS] {
            assert!(!satisfied(&[first, R]), "{first:?}");
        }
    }

    #[test]
    fn condition_2_no_left_to_right_letter_and_no_white_space() {
        for inner in [R, AL, AN, EN, ES, CS, ET, ON, BN, NSM] {
            assert!(satisfied(&[R, inner, R]), "{inner:?}");
        }
        for inner in [L, WS] {
            assert!(!satisfied(&[R, inner, R]), "{inner:?}");
        }
    }

    #[test]
    fn condition_3_the_last_character_but_for_marks_is_a_letter_or_number() {
        for last in [R, AL, AN, EN] {
            assert!(satisfied(&[R, last]), "{last:?}");
            assert!(satisfied(&[R, last, NSM, NSM]), "{last:?}");
        }
        for last in [ES, CS, ET, ON, BN] {
            assert!(!satisfied(&[R, last]), "{last:?}");
            assert!(!satisfied(&[R, last, NSM]), "{last:?}");
        }
    }

    #[test]
    fn condition_4_european_and_arabic_numbers_do_not_mix() {
        assert!(satisfied(&[R, EN, R, EN]) && satisfied(&[AL, AN, AL, AN]));
        assert!(!satisfied(&[R, EN, R, AN]) && !satisfied(&[R, AN, R, EN]));
    }

    #[test]
    fn conditions_5_and_6_a_left_to_right_text_has_no_right_to_left_character() {
        for inner in [R, AL, AN] {
            assert!(!satisfied(&[L, inner]) && !satisfied(&[L, inner, L]));
        }
    }

    #[test]
    fn marks_are_allowed_after_any_letter() {
        assert!(satisfied(&[AL, NSM, AL, NSM, NSM, AL, NSM, AL, NSM]));
        assert!(satisfied(&[R, NSM, ES, NSM, R]));
    }
}
