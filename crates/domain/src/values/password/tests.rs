use proptest::prelude::*;

use super::*;

fn code(text: &str) -> &'static str {
    Password::parse(text).map_or_else(|violation| violation.code(), |_| "ok")
}

fn prepared(text: &str) -> String {
    let password = Password::parse(text).unwrap();
    password.prepared().expose().to_owned()
}

#[test]
fn a_password_has_8_to_128_characters_of_any_kind() {
    for text in [
        "aaaaaaa7",
        " leading and trailing ",
        "пароль-и-слово",
        "🐎🔋📎✅🐎🔋📎✅",
        "\"'<>&\\;--%00",
        "correct horse battery staple",
    ] {
        assert_eq!(prepared(text), text);
    }
    assert_eq!(code(""), "too_short");
    assert_eq!(code("pass/wd"), "too_short");
    assert_eq!(code(&"🐎".repeat(7)), "too_short");
    assert_eq!(code(&"🐎🔋📎✅".repeat(32)), "ok");
    assert_eq!(code(&"🐎".repeat(129)), "too_long");
    assert_eq!(code(&"a".repeat(100_000)), "too_long");
}

#[test]
fn a_password_of_invisible_characters_is_blank() {
    for text in [
        " ".repeat(8),
        "\u{a0}\u{3000} \u{2003}".repeat(2),
        "\u{2800}".repeat(8),
    ] {
        assert_eq!(code(&text), "blank", "{text:?}");
    }
    assert_eq!(code("       x"), "ok");
}

#[test]
fn a_repetition_or_a_sequence_is_common() {
    for text in [
        "zzzzzzzz",
        "........",
        "🐎🐎🐎🐎🐎🐎🐎🐎",
        "ыЫыЫыЫыЫ",
        "xqxqxqxqx",
        "-.-.-.-.",
        "efghijkl",
        "КЛМНОПРС",
        "zyxwvutsr",
        "٠١٢٣٤٥٦٧",
    ] {
        assert_eq!(code(text), "common", "{text}");
    }
    for text in ["xqzxqzxqz", "efghijkx", "zzzzzzzy"] {
        assert_eq!(code(text), "ok", "{text}");
    }
}

#[test]
fn characters_are_counted_in_the_form_that_is_hashed() {
    let decomposed = "e\u{301}";
    assert_eq!(code(&decomposed.repeat(7)), "too_short");
    assert_eq!(code(&format!("{}abc", decomposed.repeat(125))), "ok");
    assert_eq!(code(&decomposed.repeat(129)), "too_long");
}

#[test]
fn different_unicode_spellings_are_one_password() {
    assert_eq!(prepared("cafe\u{301} crème"), "caf\u{e9} crème");
    assert_eq!(prepared("no\u{a0}break\u{3000}space"), "no break space");
    // Full width and upper case are not mapped: these are other passwords.
    assert_eq!(prepared("Ｐａｓｓｗｏｒｄ!"), "Ｐａｓｓｗｏｒｄ!");
}

#[test]
fn characters_that_opaque_string_excludes_are_rejected() {
    for character in [
        "\0", "\n", "\t", "\u{7f}", "\u{200b}", "\u{202e}", "\u{fffe}",
    ] {
        let text = format!("long{character}enough");
        assert_eq!(code(&text), "forbidden_character", "{character:?}");
        assert!(
            SubmittedPassword::parse(&text)
                .unwrap()
                .prepared()
                .is_none(),
            "{character:?}"
        );
    }
}

#[test]
fn common_passwords_are_rejected_in_any_case() {
    for text in [
        "password",
        "PassWord1",
        "1q2w3e4r",
        "QWERTYUIOP",
        "iloveyou",
    ] {
        assert_eq!(code(text), "common", "{text}");
    }
    assert_eq!(code("password of mine"), "ok");
}

#[test]
fn a_password_resembles_the_users_username_and_email() {
    let username = Username::parse("Ann.Straße").unwrap();
    let email = EmailAddress::parse("Annie.Lee99@BÜCHER.example").unwrap();
    let resembles = |text: &str| Password::parse(text).unwrap().resembles(&username, &email);
    for text in [
        "ann.straße",
        "ANN.STRASSE",
        "annie.lee99",
        "annie.LEE99@bücher.example",
        "annie.lee99@xn--bcher-kva.example",
    ] {
        assert!(resembles(text), "{text}");
    }
    for text in [
        "ann.strasse1",
        "annie.lee9",
        "bücher.example",
        "lee99.annie",
    ] {
        assert!(!resembles(text), "{text}");
    }
    assert_eq!(Password::common().code(), "common");
}

#[test]
fn a_submitted_password_need_not_satisfy_the_rules() {
    let typed = |text: &str| SubmittedPassword::parse(text).map(|typed| typed.expose().to_owned());
    assert_eq!(typed("a").unwrap(), "a");
    assert_eq!(typed(" \t\0").unwrap(), " \t\0");
    assert_eq!(typed("").unwrap_err().code(), "blank");
    assert!(typed(&"é".repeat(512)).is_ok());
    assert_eq!(typed(&"é".repeat(513)).unwrap_err().code(), "too_long");
}

#[test]
fn debug_hides_the_password() {
    let password = Password::parse("planted-secret").unwrap();
    let typed = SubmittedPassword::parse("planted-secret").unwrap();
    let shown = format!("{password:?} {:?} {typed:?}", typed.prepared());
    assert!(!shown.contains("planted"), "{shown}");
    let refused = Password::parse("planted\0secret").unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("planted"));
}

#[test]
fn a_character_that_becomes_a_forbidden_one_is_forbidden() {
    // GREEK ANO TELEIA is normalised to MIDDLE DOT, which is allowed only between two l.
    for dot in ["\u{387}", "\u{b7}"] {
        let refused = Password::parse(&format!("a long {dot} password")).unwrap_err();
        assert_eq!(refused.code(), "forbidden_character");
    }
    assert!(Password::parse("a col\u{b7}legi of words").is_ok());
}

proptest! {
    #[test]
    fn no_text_panics_and_a_submitted_password_is_prepared_alike(text in any::<String>()) {
        if let Ok(password) = Password::parse(&text) {
            let chars = password.prepared().expose().chars().count();
            prop_assert!((Password::MIN_CHARS..=Password::MAX_CHARS).contains(&chars));
            let typed = SubmittedPassword::parse(&text).unwrap().prepared().unwrap();
            prop_assert_eq!(typed.expose(), password.prepared().expose());
        }
    }

    #[test]
    fn preparation_is_idempotent(text in "[\\PC\u{300}-\u{345}]{0,24}") {
        if let Some(once) = SubmittedPassword::parse(&text).ok().and_then(|typed| typed.prepared()) {
            let twice = SubmittedPassword::parse(once.expose()).unwrap().prepared().unwrap();
            prop_assert_eq!(twice.expose(), once.expose());
        }
    }
}
