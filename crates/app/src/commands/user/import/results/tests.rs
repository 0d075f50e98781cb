use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use user_domain::test_support::samples::user_id;

use super::*;

struct Place {
    _folder: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    Place {
        path: folder.path().join("results.ndjson"),
        _folder: folder,
    }
}

fn fault() -> FaultBody {
    FaultBody {
        pointer: "/email".to_owned(),
        code: "format".to_owned(),
        detail: "Must be an address.".to_owned(),
    }
}

fn resumed(path: &Path) -> Result<Earlier, String> {
    Results::resume(path, false).map(|(_, earlier)| earlier)
}

/// Writes three results, of lines 1, 3 and 4.
fn three(path: &Path) {
    let mut results = Results::begin(path, false).unwrap();
    let created = Imported::Created(user_id());
    results.write(1, "0000000a", Ok(created)).unwrap();
    results.write(3, "0000000b", Err(&[fault()])).unwrap();
    results.write(4, "0000000c", Ok(created)).unwrap();
    results.flush().unwrap();
}

#[test]
fn results_are_lines_of_json_that_say_what_became_of_each_line() {
    let place = place();
    let id = user_id();
    let mut results = Results::begin(&place.path, false).unwrap();
    results
        .write(1, "0000000a", Ok(Imported::Updated(id)))
        .unwrap();
    results.write(2, "0000000b", Err(&[fault()])).unwrap();
    results.flush().unwrap();
    assert_eq!(
        fs::read_to_string(&place.path).unwrap(),
        format!(
            "{}\n{}\n",
            format_args!(r#"{{"line":1,"digest":"0000000a","outcome":"updated","id":"{id}"}}"#),
            r#"{"line":2,"digest":"0000000b","outcome":"refused","errors":[{"pointer":"/email","code":"format","detail":"Must be an address."}]}"#,
        )
    );
}

#[test]
fn earlier_results_tell_their_last_line_and_how_many_came_to_what() {
    let place = place();
    three(&place.path);
    let earlier = resumed(&place.path).unwrap();
    assert_eq!((earlier.line, earlier.digest.as_str()), (4, "0000000c"));
    assert_eq!(earlier.tally.lines(), 3);
    assert_eq!(earlier.tally.refused(), 1);
}

#[test]
fn a_torn_last_line_is_cut_off_wherever_it_was_torn_and_the_next_result_stands_in_its_place() {
    let place = place();
    three(&place.path);
    let whole = fs::read(&place.path).unwrap();
    let two = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(1)
        .unwrap()
        .0
        + 1;
    for torn in two..whole.len() {
        fs::write(&place.path, &whole[..torn]).unwrap();
        let (mut results, earlier) = Results::resume(&place.path, false).unwrap();
        assert_eq!(earlier.line, 3, "torn at {torn}");
        let unchanged = Imported::Unchanged(user_id());
        results.write(4, "0000000d", Ok(unchanged)).unwrap();
        results.flush().unwrap();
        let earlier = resumed(&place.path).unwrap();
        assert_eq!((earlier.line, earlier.tally.lines()), (4, 3));
    }
}

#[test]
fn without_earlier_results_it_begins_at_the_beginning() {
    let place = place();
    assert_eq!(resumed(&place.path), Ok(Earlier::default()));
    assert!(place.path.is_file());
    fs::write(&place.path, r#"{"line":1,"dig"#).unwrap();
    assert_eq!(resumed(&place.path), Ok(Earlier::default()));
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    let place = place();
    fs::write(&place.path, "precious").unwrap();
    let refused = Results::begin(&place.path, false).err().unwrap();
    assert!(refused.contains("--resume"), "{refused}");
    assert_eq!(fs::read_to_string(&place.path).unwrap(), "precious");
}

#[test]
fn what_does_not_hold_results_is_not_gone_on_from_and_not_touched() {
    let place = place();
    let line = |number: u64, outcome: &str| {
        format!("{{\"line\":{number},\"digest\":\"0000000a\",\"outcome\":\"{outcome}\"}}\n")
    };
    for text in [
        "precious\n".to_owned(),
        line(1, "eaten"),
        line(2, "created") + &line(1, "created"),
        line(0, "created"),
        // Whole files of one line without an end, and what stands behind results.
        "precious".to_owned(),
        r#"{"username":"ann","email":"ann@example.org"}"#.to_owned(),
        line(1, "created") + "precious",
        " ".to_owned(),
        "{}".to_owned(),
    ] {
        fs::write(&place.path, &text).unwrap();
        assert!(resumed(&place.path).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&place.path).unwrap(), text);
    }
}

#[cfg(unix)]
#[test]
fn results_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;

    let (begun, resumed) = (place(), place());
    assert!(Results::begin(&begun.path, false).is_ok());
    assert!(Results::resume(&resumed.path, false).is_ok());
    for place in [begun, resumed] {
        let mode = fs::metadata(&place.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_import_does_not_go_on_from_a_dry_run() {
    let place = place();
    let mut rehearsed = Results::begin(&place.path, true).unwrap();
    let created = Imported::Created(user_id());
    rehearsed.write(1, "0000000a", Ok(created)).unwrap();
    rehearsed.flush().unwrap();
    let refused = resumed(&place.path).unwrap_err();
    assert!(refused.contains("dry run"), "{refused}");
    assert!(Results::resume(&place.path, true).is_ok());
}
