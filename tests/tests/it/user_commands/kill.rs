//! An import that is killed in the middle, and gone on with.

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

/// Starts an import and kills it once some more results are there; tells how many whole ones it left.
fn kill_in_the_middle(workplace: &Workplace) -> usize {
    let results = workplace.path("results.ndjson");
    let count = || {
        let text = fs::read_to_string(&results).unwrap_or_default();
        text.matches('\n').count()
    };
    let before = count();
    let mut child = workplace
        .command(&IMPORT)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while count() < before + 500 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "nothing is imported"
        );
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended too early to be killed"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    count()
}

on_each_database! {
    async fn an_import_killed_twice_and_gone_on_with_loses_nobody_and_doubles_nobody(workplace: Workplace) {
        let mut users: Vec<Value> = (0..USERS).map(|n| plain(&format!("member{n}"))).collect();
        users[1234] = plain("x");
        workplace.write("users.ndjson", &users);
        for _ in 0..2 {
            let recorded = kill_in_the_middle(&workplace);
            assert!(recorded < USERS, "the kill came too late to prove anything");
            // What was recorded is in the database: never the other way round.
            assert!(workplace.everybody().len() >= recorded - 1);
            let torn = workplace.path("results.ndjson");
            let text = fs::read_to_string(&torn).unwrap() + "{\"line\":";
            fs::write(&torn, text).unwrap();
        }
        let resumed = workplace.run(&IMPORT);
        assert_eq!(status(&resumed), 1, "{}", stderr(&resumed));
        assert!(stderr(&resumed).contains("going on behind line "), "{}", stderr(&resumed));
        assert!(stdout(&resumed).starts_with("4000 lines: "), "{}", stdout(&resumed));
        assert!(stdout(&resumed).contains(" 0 updated, "), "{}", stdout(&resumed));

        let results = workplace.read("results.ndjson");
        let lines: Vec<u64> = results.iter().map(|result| result["line"].as_u64().unwrap()).collect();
        assert_eq!(lines, (1..=USERS as u64).collect::<Vec<_>>());
        let told: BTreeSet<&str> = results.iter().filter_map(|result| result["id"].as_str()).collect();
        let kept = workplace.everybody();
        assert_eq!(kept.len(), USERS - 1);
        let kept_ids: BTreeSet<&str> = kept.iter().map(id).collect();
        assert_eq!(told, kept_ids);
        let names: BTreeSet<&str> = kept.iter().map(|user| user["username"].as_str().unwrap()).collect();
        assert_eq!(names.len(), USERS - 1);
        assert!(kept.iter().all(|user| user["version"] == 1));

        let again = workplace.run(&["user", "import", "users.ndjson"]);
        assert_eq!(
            stdout(&again).trim(),
            "4000 lines: 0 created, 0 updated, 3999 unchanged, 1 refused"
        );
    }
}
