//! An import that is killed and resumed.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use super::import::on_each_database;
use super::*;

const USERS: usize = 4000;

const IMPORT: [&str; 6] = [
    "user",
    "import",
    "users.ndjson",
    "--results",
    "results.ndjson",
    "--resume",
];

/// Starts an import and kills it after some more results. Returns the number of complete results.
fn kill_in_the_middle(runner: &CommandRunner) -> usize {
    let results = runner.path("results.ndjson");
    let count = || {
        let text = fs::read_to_string(&results).unwrap_or_default();
        text.matches('\n').count()
    };
    let before = count();
    let mut child = runner
        .command(&IMPORT)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while count() < before + 500 {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "nothing is imported"
        );
        assert!(
            child.try_wait().unwrap().is_none(),
            "the import ended before it was killed"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    count()
}

on_each_database! {
    async fn a_twice_killed_and_resumed_import_imports_each_user_once(runner: CommandRunner) {
        let mut users: Vec<Value> = (0..USERS).map(|n| minimal_record(&format!("member{n}"))).collect();
        users[1234] = minimal_record("x");
        runner.write("users.ndjson", &users);
        for _ in 0..2 {
            let recorded = kill_in_the_middle(&runner);
            assert!(recorded < USERS, "the kill came too late to prove anything");
            // Every recorded result is in the database.
            assert!(runner.export_all().len() >= recorded - 1);
            let results = runner.path("results.ndjson");
            let text = fs::read_to_string(&results).unwrap() + "{\"line\":";
            fs::write(&results, text).unwrap();
        }
        let resumed = runner.run(&IMPORT);
        assert_eq!(status(&resumed), 1, "{}", stderr(&resumed));
        assert!(stderr(&resumed).contains("resuming after line "), "{}", stderr(&resumed));
        assert!(stdout(&resumed).starts_with("4000 lines: "), "{}", stdout(&resumed));
        assert!(stdout(&resumed).contains(" 0 updated, "), "{}", stdout(&resumed));

        let results = runner.read("results.ndjson");
        let lines: Vec<u64> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, (1..=USERS as u64).collect::<Vec<_>>());
        let result_ids: BTreeSet<&str> = results.iter().filter_map(|result| result["id"].as_str()).collect();
        let stored = runner.export_all();
        assert_eq!(stored.len(), USERS - 1);
        let stored_ids: BTreeSet<&str> = stored.iter().map(id).collect();
        assert_eq!(result_ids, stored_ids);
        let names: BTreeSet<&str> = stored.iter().map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!(names.len(), USERS - 1);
        assert!(stored.iter().all(|user| user["version"] == 1));

        let again = runner.run(&["user", "import", "users.ndjson"]);
        assert_eq!(
            stdout(&again).trim(),
            "4000 lines: 0 created, 0 updated, 3999 unchanged, 1 refused"
        );
    }
}
