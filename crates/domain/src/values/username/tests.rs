use proptest::prelude::*;

use super::*;

fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

fn code(text: &str) -> &'static str {
    Username::parse(text).unwrap_err().code()
}

#[test]
fn a_username_keeps_its_case_and_is_compared_without_it() {
    let alice = name(" Alice.Smith ");
    assert_eq!(alice.as_str(), "Alice.Smith");
    assert_eq!(alice.to_string(), "Alice.Smith");
    assert_eq!(alice.key(), "alice.smith");
    assert_eq!(
        UsernameKey::parse("ALICE.SMITH").unwrap(),
        UsernameKey::from(&alice)
    );
}

#[test]
fn names_of_many_scripts_are_accepted() {
    for text in [
        "José",
        "Дмитрий",
        "山田太郎",
        "김철수",
        "محمد",
        "דוד",
        "สมชาย",
        "हिन्दी",
        "Ωμέγα",
        "x_1",
        "1st",
        "a-b.c_d",
        "سعيد٣",
    ] {
        assert!(
            Username::parse(text).is_ok(),
            "{text}: {:?}",
            Username::parse(text)
        );
    }
}

#[test]
fn a_name_of_two_characters_is_too_short() {
    assert_eq!(code("ab"), "too_short");
    assert_eq!(code("e\u{301}b"), "too_short");
    assert!(Username::parse("abc").is_ok());
}

#[test]
fn a_name_of_thirty_three_characters_is_too_long() {
    assert!(Username::parse(&"x".repeat(32)).is_ok());
    assert!(Username::parse(&"é".repeat(32)).is_ok());
    assert_eq!(code(&"x".repeat(33)), "too_long");
}

#[test]
fn a_key_longer_than_32_characters_is_too_long() {
    assert_eq!("İ".repeat(17).to_lowercase().chars().count(), 34);
    assert_eq!(code(&"İ".repeat(17)), "too_long");
}

#[test]
fn a_blank_name_is_rejected() {
    assert_eq!(code(""), "blank");
    assert_eq!(code(" \u{3000} "), "blank");
}

#[test]
fn characters_other_than_letters_marks_and_digits_are_rejected() {
    for text in [
        "a@b.com",
        "a/b/c",
        "a b c",
        "abc!",
        "a+b+c",
        "smile😀",
        "a\u{200d}bc",
        "abc\u{ad}d",
        "x²³",
        "Ⅷabc",
        "a\0bc",
        "a\u{202e}bc",
        "ab\nc",
        "a·bc",
        "ﬁne",
        "a:bc",
        "‿abc",
    ] {
        assert_eq!(code(text), "forbidden_character", "{text:?}");
    }
}

#[test]
fn a_name_starts_and_ends_with_a_letter_or_digit() {
    for text in [
        ".abc",
        "abc.",
        "_abc",
        "abc_",
        "-abc",
        "abc-",
        "...",
        "\u{301}abc",
        "abc.\u{301}",
    ] {
        assert_eq!(code(text), "format", "{text:?}");
    }
}

#[test]
fn the_last_letter_may_have_marks() {
    assert!(Username::parse("abx\u{301}").is_ok());
    assert!(Username::parse("नमस्ते").is_ok());
}

#[test]
fn a_name_in_the_form_of_a_uuid_is_rejected() {
    assert_eq!(code("0199b8f27c1e70008000000000000000"), "format");
    assert_eq!(code("0199B8F27C1E7000800000000000000A"), "format");
    assert_eq!(code("0199b8f2-7c1e-7000-8000-000000000000"), "format");
    assert!(Username::parse("0199b8f27c1e7000800000000000000x").is_ok());
}

#[test]
fn mixed_writing_directions_are_rejected() {
    for text in ["דודabc", "abcדוד", "1דוד", "דוד-abc-דוד", "دو1دو٣"] {
        assert_eq!(code(text), "format", "{text}");
    }
}

#[test]
fn right_to_left_names_may_have_vowel_marks() {
    for text in ["מָן", "מָנֶה", "מֹשֶׁה", "مُحَمَّد", "مُحَمَّد_1", "عَلِي.٣", "ܫܠܳܡܳܐ"]
    {
        assert_eq!(name(text).as_str(), text.nfc().collect::<String>());
    }
}

#[test]
fn joiners_are_allowed_where_a_script_needs_them() {
    // After a virama, and between letters of a cursive script, even with marks.
    for text in [
        "क्\u{200d}षत्र",
        "ශ්\u{200d}රී",
        "क्\u{200c}षत्र",
        "می\u{200c}خواهم",
        "مُحَمَّ\u{200c}د",
        "അവന്\u{200d}",
    ] {
        assert_eq!(name(text).as_str(), text, "{text:?}");
    }
    for text in [
        "ab\u{200c}cd",
        "ab\u{200d}cd",
        "می\u{200d}خواهم",
        "\u{200c}میخ",
        "میخ\u{200c}",
    ] {
        assert_eq!(code(text), "forbidden_character", "{text:?}");
    }
}

#[test]
fn names_with_and_without_a_joiner_collide() {
    for (with, without) in [
        ("می\u{200c}خواهم", "میخواهم"),
        ("ශ්\u{200d}රී", "ශ්රී"),
        ("क्\u{200c}षत्र", "क्\u{200d}षत्र"),
    ] {
        assert_ne!(name(with).key(), name(without).key(), "{with}");
        assert_eq!(name(with).skeleton(), name(without).skeleton(), "{with}");
    }
}

#[test]
fn punctuation_is_allowed_where_rfc_5892_allows_it() {
    for text in [
        "gal·la",
        "GAL·LA",
        "Marcel·lí",
        "α͵βγ",
        "מרקוביץ׳",
        "רש״י",
        "ז׳בוטינסקי",
        "山田・太郎",
        "ジョン・スミス",
        "ｼﾞｮﾝ･ｽﾐｽ",
    ] {
        assert!(
            Username::parse(text).is_ok(),
            "{text}: {:?}",
            Username::parse(text)
        );
    }
    for text in ["ga·la", "l·labc·", "ab͵c", "abc׳", "ab״c", "ab・cd", "د٣۳"] {
        assert_eq!(code(text), "forbidden_character", "{text}");
    }
    for text in ["・ヤマダ", "ヤマダ・", "רשי״"] {
        assert_eq!(code(text), "format", "{text}");
    }
    assert_eq!(name("GAL·LA").key(), name("gal·la").key());
}

#[test]
fn a_stored_name_is_not_validated_again() {
    let stored = Username::from_store("a·b c".to_owned(), "a·b c".to_owned(), "a·b c".to_owned());
    assert_eq!(stored.as_str(), "a·b c");
}

#[test]
fn fullwidth_letters_become_normal_ones() {
    assert_eq!(name("Ａｌｉｃｅ").as_str(), "Alice");
    assert_eq!(code("ａｄｍｉｎ"), "reserved");
    assert_eq!(code("a＠b"), "forbidden_character");
}

#[test]
fn reserved_names_and_their_look_alikes_are_rejected() {
    for text in [
        "admin",
        "Admin",
        "NULL",
        "by-username",
        "no-reply",
        "users",
        "аdmin",
        "rооt",
        "admın",
        "admi\u{307}n",
        "ADMİN",
    ] {
        assert_eq!(code(text), "reserved", "{text}");
    }
    assert!(Username::parse("administer").is_ok());
}

#[test]
fn a_reserved_name_has_a_key_and_an_invalid_name_has_none() {
    assert_eq!(UsernameKey::parse("ADMIN").unwrap().as_str(), "admin");
    for text in ["", "ab", "a@b", ".abc", "0199b8f27c1e70008000000000000000"] {
        assert!(UsernameKey::parse(text).is_err(), "{text}");
    }
}

#[test]
fn modern_and_modem_do_not_collide() {
    assert_ne!(name("modern").skeleton(), name("modem").skeleton());
    assert_ne!(name("paypal").skeleton(), name("paypa1").skeleton());
    assert_eq!(name("Modern").skeleton(), "modern");
}

#[test]
fn a_cyrillic_paypal_collides_with_paypal() {
    let cyrillic = name("раypal");
    assert_ne!(cyrillic.key(), name("paypal").key());
    assert_eq!(cyrillic.skeleton(), name("PayPal").skeleton());
}

#[test]
fn a_new_name_must_not_mix_unrelated_scripts() {
    for text in [
        "раypal",
        "paypаl",
        "αlice",
        "Сергей.Smith",
        "Дмитрийος",
        "alice.Ω",
        "ⴰⵎalice",
    ] {
        let name = name(text);
        assert_eq!(
            name.check_scripts().unwrap_err().code(),
            "mixed_scripts",
            "{text}"
        );
        // A lookup still works, because an existing user may have the name.
        assert!(UsernameKey::parse(text).is_ok(), "{text}");
    }
    for text in [
        "alice",
        "José_1",
        "Дмитрий.1990",
        "Ωμέγα-2",
        "東京Tokyo",
        "ジョン・スミス",
        "田中たろうJr",
        "김Kim철수",
        "สมชายok",
        "हिन्दी_hi",
        "می\u{200c}خواهم",
        "gal·la",
        "ⴰⵎⴰⵣⵉⵖ",
        "Οδυσσέας",
        "ʻOkina",
    ] {
        assert_eq!(name(text).check_scripts(), Ok(()), "{text}");
    }
}

#[test]
fn an_accent_makes_a_different_skeleton_but_a_second_dot_does_not() {
    assert_ne!(name("jose").skeleton(), name("josé").skeleton());
    assert_eq!(name("iris").skeleton(), name("ı\u{307}ris").skeleton());
    assert_eq!(name("iris").skeleton(), name("İris").skeleton());
    assert_eq!(name("iris").skeleton(), name("ırıs").skeleton());
}

#[test]
fn a_final_sigma_has_the_same_key() {
    assert_eq!(name("ΟΔΟΣ").key(), name("οδος").key());
}

#[test]
fn titlecase_letters_are_rejected_as_precis_requires() {
    assert_eq!(code("ᾈbc"), "forbidden_character");
    assert_eq!(code("ǅbc"), "forbidden_character");
}

#[test]
fn a_name_with_any_letter_parses_to_itself() {
    // Skips the large East Asian blocks, which have almost no case mappings and decompositions.
    let is_outside_large_blocks = |character: &char| !matches!(*character, '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{17000}'..='\u{1b2ff}' | '\u{20000}'..);
    for character in (char::MIN..=char::MAX)
        .filter(|character| is_allowed(*character))
        .filter(is_outside_large_blocks)
    {
        if let Ok(name) = Username::parse(&format!("x{character}x")) {
            assert_eq!(
                Username::parse(name.as_str()).unwrap(),
                name,
                "{:x}",
                u32::from(character)
            );
            let key = UsernameKey::parse(name.key()).unwrap();
            assert_eq!(key.as_str(), name.key(), "{:x}", u32::from(character));
            assert_eq!(skeleton::skeleton(name.skeleton()), name.skeleton());
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_deserialized_name_is_validated() {
    assert_eq!(
        serde_json::from_str::<Username>("\"Alice\"").unwrap(),
        name("Alice")
    );
    assert!(serde_json::from_str::<Username>("\"admin\"").is_err());
}

proptest! {
    #[test]
    fn a_parsed_name_and_its_key_parse_to_themselves(text in "[\\p{L}\\p{M}\\p{Nd}._-]{1,12}|[a-zA-ZİıſΣςßŉǅёЁ\u{300}-\u{345}.]{3,20}|\\PC{3,8}") {
        if let Ok(name) = Username::parse(&text) {
            prop_assert_eq!(Username::parse(name.as_str()).unwrap(), name.clone());
            let key = UsernameKey::parse(&text).unwrap();
            prop_assert_eq!(key.as_str(), name.key());
            prop_assert_eq!(UsernameKey::parse(key.as_str()).unwrap(), key);
            prop_assert_eq!(skeleton::skeleton(name.skeleton()), name.skeleton());
            prop_assert!((3..=32).contains(&name.as_str().chars().count()));
            prop_assert!((3..=32).contains(&name.key().chars().count()));
        }
    }

    #[test]
    fn no_text_makes_parse_panic(text in any::<String>()) {
        let _ = Username::parse(&text);
        let _ = UsernameKey::parse(&text);
    }
}

#[test]
fn a_name_longer_than_32_characters_in_nfc_is_too_long() {
    assert_eq!(code(&"・".repeat(33)), "too_long");
    assert_eq!(code(&"!".repeat(33)), "too_long");
    assert!(Username::parse(&"ｶﾞ".repeat(32)).is_ok());
    assert!(Username::parse(&"e\u{301}".repeat(32)).is_ok());
}

/// Without the length check, each of these would take minutes.
#[test]
fn a_text_of_a_megabyte_is_rejected_before_normalisation() {
    for text in [
        "\u{660}", "\u{6f0}", "\u{b7}", "\u{30fb}", "\u{200c}", "a\u{301}",
    ] {
        let text = text.repeat(500_000);
        assert_eq!(Username::parse(&text).unwrap_err().code(), "too_long");
        assert_eq!(UsernameKey::parse(&text).unwrap_err().code(), "too_long");
    }
}
