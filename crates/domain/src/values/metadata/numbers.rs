//! Numbers that every JSON parser can read (RFC 7493, section 2.2).

use serde_json::{Map, Number, Value};

use super::Metadata;

/// The number of digits that distinguish any two doubles.
const MAX_SIGNIFICANT_DIGITS: usize = 17;

/// Returns the paths of the numbers that some parsers reject or read as a different number.
///
/// The depth limit of the JSON parser bounds the recursion.
pub(super) fn out_of_range(map: &Map<String, Value>) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    search_object(map, &mut Vec::new(), &mut found);
    found
}

fn search_object(map: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    for (name, value) in map {
        search(value, &|| name.clone(), path, found);
    }
}

fn search(
    value: &Value,
    step: &dyn Fn() -> String,
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    if found.len() >= Metadata::MAX_REPORTED_NUMBERS {
        return;
    }
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => {}
        Value::Number(number) if is_in_range(number) => {}
        Value::Number(_) => {
            let steps = path.iter().cloned().chain([step()]);
            found.push(steps.collect());
        }
        Value::Array(items) => {
            path.push(step());
            for (index, item) in items.iter().enumerate() {
                search(item, &|| index.to_string(), path, found);
            }
            path.pop();
        }
        Value::Object(map) => {
            path.push(step());
            search_object(map, path, found);
            path.pop();
        }
    }
}

/// Whether a number is finite as a double and has at most 17 significant digits. All integers within ±(2^53-1) qualify.
fn is_in_range(number: &Number) -> bool {
    let text = number.as_str();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    let trailing_zeros = digits
        .iter()
        .rev()
        .take_while(|digit| **digit == b'0')
        .count();
    let significant = digits.len().saturating_sub(zeros + trailing_zeros);
    significant <= MAX_SIGNIFICANT_DIGITS && text.parse().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(number: &str) -> bool {
        is_in_range(&serde_json::from_str(number).unwrap())
    }

    #[test]
    fn a_number_that_every_parser_reads_is_in_range() {
        for number in [
            "0",
            "-0",
            "0.0",
            "1.10",
            "9007199254740991",
            "-9007199254740991",
            "12345678901234567",
            "0.00012345678901234567",
            "1.2345678901234567e-300",
            "1000000000000000000000000",
            "1.500000000000000000000000",
            "1e308",
            "1.7976931348623157E+308",
            "5e-324",
            "1e-400",
            "-1e-99999999999999999999",
        ] {
            assert!(is_accepted(number), "{number}");
        }
    }

    #[test]
    fn an_infinite_or_too_precise_number_is_out_of_range() {
        let long = "9".repeat(5000);
        for number in [
            "1e309",
            "-1e400",
            "1.8e308",
            "1e99999999999999999999",
            "123456789012345678",
            "18446744073709551615",
            "0.123456789012345678",
            "-1.00000000000000000001",
            &long,
            &format!("1{}", "0".repeat(400)),
        ] {
            assert!(!is_accepted(number), "{number}");
        }
    }

    #[test]
    fn each_number_out_of_range_is_reported_by_its_path() {
        let paths = |json: &str| out_of_range(&serde_json::from_str(json).unwrap());
        assert_eq!(
            paths(r#"{"a.b/c":1e400,"d":[1,{"e":[2e999]}],"f":3}"#),
            [vec!["a.b/c"], vec!["d", "1", "e", "0"]]
        );
        assert!(paths(r#"{"a":"1e400","b":null}"#).is_empty());
        let many = format!("{{\"a\":[{}1]}}", "1e400,".repeat(1000));
        assert_eq!(paths(&many).len(), Metadata::MAX_REPORTED_NUMBERS);
    }
}
