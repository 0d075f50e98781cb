use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use user_domain::test_support::samples::user_id;

use super::*;

struct TestFile {
    _folder: TempDir,
    path: PathBuf,
}

fn file() -> TestFile {
    let folder = tempfile::tempdir().unwrap();
    TestFile {
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

fn resume(path: &Path) -> Result<PreviousResults, String> {
    Results::resume(path).map(|(_, previous)| previous)
}

fn line_result(outcome: Result<Imported, &[FaultBody]>) -> LineResult<'_> {
    LineResult {
        outcome,
        changed: &[],
        has_id: true,
    }
}

/// Writes three results, of lines 1, 3 and 4.
fn write_three(path: &Path) {
    let mut results = Results::create(path, false).unwrap();
    let created = Imported::Created(user_id());
    results
        .write(1, "0000000a", line_result(Ok(created)))
        .unwrap();
    results
        .write(3, "0000000b", line_result(Err(&[fault()])))
        .unwrap();
    results
        .write(4, "0000000c", line_result(Ok(created)))
        .unwrap();
    results.flush().unwrap();
}

#[test]
fn results_are_json_lines_with_the_outcome_of_each_line() {
    let file = file();
    let id = user_id();
    let mut results = Results::create(&file.path, false).unwrap();
    let updated = LineResult {
        changed: &["email".to_owned(), "profile.name".to_owned()],
        ..line_result(Ok(Imported::Updated(id)))
    };
    results.write(1, "0000000a", updated).unwrap();
    results
        .write(2, "0000000b", line_result(Err(&[fault()])))
        .unwrap();
    let predicted = LineResult {
        has_id: false,
        ..line_result(Ok(Imported::Created(user_id())))
    };
    results.write(3, "0000000c", predicted).unwrap();
    results.flush().unwrap();
    assert_eq!(
        fs::read_to_string(&file.path).unwrap(),
        format!(
            "{}\n{}\n{}\n",
            format_args!(
                r#"{{"line":1,"digest":"0000000a","outcome":"updated","id":"{id}","changed":["email","profile.name"]}}"#
            ),
            r#"{"line":2,"digest":"0000000b","outcome":"refused","errors":[{"pointer":"/email","code":"format","detail":"Must be an address."}]}"#,
            r#"{"line":3,"digest":"0000000c","outcome":"created"}"#,
        )
    );
}

#[test]
fn previous_results_have_the_last_line_and_the_summary() {
    let file = file();
    write_three(&file.path);
    let previous = resume(&file.path).unwrap();
    assert_eq!((previous.line, previous.digest.as_str()), (4, "0000000c"));
    assert_eq!(previous.summary.lines(), 3);
    assert_eq!(previous.summary.refused(), 1);
    let lines: Vec<u64> = previous.users.iter().map(|(_, line)| *line).collect();
    assert_eq!(lines, [1, 4], "a refused line names no user");
}

#[test]
fn an_incomplete_last_line_is_replaced_by_the_next_result() {
    let file = file();
    write_three(&file.path);
    let whole = fs::read(&file.path).unwrap();
    let two = whole
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(1)
        .unwrap()
        .0
        + 1;
    for truncated in two..whole.len() {
        fs::write(&file.path, &whole[..truncated]).unwrap();
        let (mut results, previous) = Results::resume(&file.path).unwrap();
        assert_eq!(previous.line, 3, "truncated at {truncated}");
        let unchanged = Imported::Unchanged(user_id());
        results
            .write(4, "0000000d", line_result(Ok(unchanged)))
            .unwrap();
        results.flush().unwrap();
        let previous = resume(&file.path).unwrap();
        assert_eq!((previous.line, previous.summary.lines()), (4, 3));
    }
}

#[test]
fn without_previous_results_an_import_starts_with_the_first_line() {
    let file = file();
    assert_eq!(resume(&file.path), Ok(PreviousResults::default()));
    assert!(file.path.is_file());
    fs::write(&file.path, r#"{"line":1,"dig"#).unwrap();
    assert_eq!(resume(&file.path), Ok(PreviousResults::default()));
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let file = file();
    fs::write(&file.path, "precious").unwrap();
    let refused = Results::create(&file.path, false).err().unwrap();
    assert!(refused.contains("--resume"), "{refused}");
    assert_eq!(fs::read_to_string(&file.path).unwrap(), "precious");
}

#[test]
fn a_file_with_other_content_is_refused_and_not_changed() {
    let file = file();
    let line = |number: u64, outcome: &str| {
        format!("{{\"line\":{number},\"digest\":\"0000000a\",\"outcome\":\"{outcome}\"}}\n")
    };
    for text in [
        "precious\n".to_owned(),
        line(1, "eaten"),
        line(2, "created") + &line(1, "created"),
        line(0, "created"),
        // Files of one line without a line ending, and other content after results.
        "precious".to_owned(),
        r#"{"username":"ann","email":"ann@example.org"}"#.to_owned(),
        line(1, "created") + "precious",
        " ".to_owned(),
        "{}".to_owned(),
    ] {
        fs::write(&file.path, &text).unwrap();
        assert!(resume(&file.path).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&file.path).unwrap(), text);
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_results() {
    use std::os::unix::fs::PermissionsExt as _;

    let (created_file, resumed) = (file(), file());
    assert!(Results::create(&created_file.path, false).is_ok());
    assert!(Results::resume(&resumed.path).is_ok());
    for file in [created_file, resumed] {
        let mode = fs::metadata(&file.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_import_does_not_resume_from_a_dry_run() {
    let file = file();
    let mut dry_run = Results::create(&file.path, true).unwrap();
    let created = Imported::Created(user_id());
    dry_run
        .write(1, "0000000a", line_result(Ok(created)))
        .unwrap();
    dry_run.flush().unwrap();
    let refused = resume(&file.path).unwrap_err();
    assert!(refused.contains("dry run"), "{refused}");
}
